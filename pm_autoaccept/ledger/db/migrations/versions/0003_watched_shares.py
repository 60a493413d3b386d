"""Watching what came in undecided, removing it, masking what is old."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pm_autoaccept.ledger.db.column_types import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say when each owner's shares were read, what people removed, and what was masked."""
    op.add_column("provider", sa.Column("watched_at", UtcDateTime))
    op.add_column("provider", sa.Column("masked_at", UtcDateTime))
    op.add_column("request", sa.Column("masked_at", UtcDateTime))
    op.add_column("inventory", sa.Column("absent_since", UtcDateTime))
    op.create_index("ix_inventory_request_id", "inventory", ["request_id"])
    op.create_table(
        "owner",
        sa.Column("provider_id", sa.Integer, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("tried_at", UtcDateTime, nullable=False),
        sa.Column("read_at", UtcDateTime),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name="fk_owner_provider_id"),
        sa.PrimaryKeyConstraint("provider_id", "account_id", name="pk_owner"),
    )
    op.create_table(
        "removal",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("provider_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("pm_id", sa.BigInteger, nullable=False),
        sa.Column("keep_shares", sa.Boolean),
        sa.Column("note", sa.Text),
        sa.Column("removed_by", sa.Text, nullable=False),
        sa.Column("program", sa.String(40), nullable=False),
        sa.Column("intended_at", UtcDateTime, nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("outcome_at", UtcDateTime),
        sa.Column("outcome_text", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name="fk_removal_provider_id"),
        sa.PrimaryKeyConstraint("id", name="pk_removal"),
    )
    op.create_index("ix_removal_provider_id_kind_pm_id", "removal", ["provider_id", "kind", "pm_id"])
