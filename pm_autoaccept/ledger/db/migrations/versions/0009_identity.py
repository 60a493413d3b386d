"""When what we accepted has ended, beside which unreadable elements a request was read, and who acknowledged what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pm_autoaccept.ledger.db.column_types import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say what decides whether a request that is listed again is the next time, and what proves that it is absent."""
    op.add_column("request", sa.Column("end_noted_at", UtcDateTime))
    op.add_column("request", sa.Column("ended_at", UtcDateTime))
    op.add_column("request", sa.Column("seen_with", sa.JSON))
    op.add_column("inventory", sa.Column("acknowledged_at", UtcDateTime))
    op.add_column("inventory", sa.Column("acknowledged_by", sa.Text))
    op.add_column("inventory", sa.Column("acknowledged_why", sa.Text))
