"""What is told of a decision, and what rules that are not enforced would have decided."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say which people are told of a decision, and what was only tried."""
    op.add_column("decision", sa.Column("tell", sa.Text))
    op.add_column("decision", sa.Column("shadows", sa.JSON))
