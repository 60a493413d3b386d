"""Notices to people and other systems: what they say, where they go, and whether they were delivered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pm_autoaccept.ledger.db.column_types import UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "notice",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("event_id", sa.String(40), nullable=False),
        sa.Column("target", sa.String(60), nullable=False),
        sa.Column("account", sa.String(60), nullable=False),
        sa.Column("request_id", sa.Integer),
        sa.Column("once", sa.String(100)),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("claimed_until", UtcDateTime),
        sa.Column("error", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["request.id"], name="fk_notice_request_id"),
        sa.PrimaryKeyConstraint("id", name="pk_notice"),
        sa.UniqueConstraint("event_id", "target", name="uq_notice_event_id_target"),
        sa.UniqueConstraint("target", "once", name="uq_notice_target_once"),
    )
    op.create_index("ix_notice_request_id_target", "notice", ["request_id", "target"])
    for name, columns, where in (
        ("ix_notice_waiting", ["target", "due_at"], "state = 'waiting'"),
        ("ix_notice_dead", ["target"], "state = 'dead'"),
        ("ix_notice_stopped", ["account"], "kind IN ('stopped', 'over')"),
    ):
        condition = sa.text(where)
        op.create_index(name, "notice", columns, sqlite_where=condition, postgresql_where=condition)
