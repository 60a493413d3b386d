"""Gives the ledger a name of its own, by which a file or database that has taken its place is told apart."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from pm_autoaccept.ledger.db.column_types import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of one row. Of a ledger that had tables before, nobody knows when it was made."""
    ledger = op.create_table(
        "ledger",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("made_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_ledger"),
    )
    known = op.get_bind().execute(sa.text("SELECT count(*) FROM provider")).scalar_one()
    op.bulk_insert(ledger, [{"id": secrets.token_hex(16), "made_at": None if known else datetime.now(UTC)}])
