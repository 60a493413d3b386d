"""Remembers which policy was in force when, and what the data sources held."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pm_autoaccept.ledger.db.column_types import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for policy revisions, the rows of data sources, and what people confirmed."""
    op.create_table(
        "policy_revision",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("provider_id", sa.Integer, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("rules", sa.Integer, nullable=False),
        sa.Column("refused", sa.Text),
        sa.Column("files", sa.JSON, nullable=False),
        sa.Column("program", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name="fk_policy_revision_provider_id"),
        sa.PrimaryKeyConstraint("id", name="pk_policy_revision"),
    )
    op.create_index("ix_policy_revision_provider_id_id", "policy_revision", ["provider_id", "id"])
    op.create_table(
        "source_count",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("first_read", UtcDateTime, nullable=False),
        sa.Column("last_read", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_source_count"),
    )
    op.create_index("ix_source_count_name_source_last_read", "source_count", ["name", "source", "last_read"])
    op.create_table(
        "confirmation",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("confirmed_at", UtcDateTime, nullable=False),
        sa.Column("confirmed_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_confirmation"),
    )
    op.create_index("ix_confirmation_name_source", "confirmation", ["name", "source"])
