"""Until when Portfolio Manager asked an account for a rest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pm_autoaccept.ledger.db.column_types import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the row that keeps an account's salt say it: it is the account's, whatever its password."""
    op.add_column("sign_in", sa.Column("rest_until", UtcDateTime))
