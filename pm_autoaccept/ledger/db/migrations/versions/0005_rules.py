"""The group that a decision notifies, and the shadows of rules with `enforce: false`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the notified group and the shadows to decisions."""
    op.add_column("decision", sa.Column("tell", sa.Text))
    op.add_column("decision", sa.Column("shadows", sa.JSON))
