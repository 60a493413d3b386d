"""Answers by people to held requests: who gave them, what they saw, and which intent sends them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pm_autoaccept.ledger.db.column_types import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and add the columns that refer to it."""
    op.add_column("provider", sa.Column("mode", sa.String(10)))
    op.add_column("decision", sa.Column("answer_by", sa.Text))
    op.add_column("decision", sa.Column("answer_people", sa.Integer))
    op.add_column("intent", sa.Column("human_answer_id", sa.Integer))
    op.create_table(
        "human_answer",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("provider_id", sa.Integer, nullable=False),
        sa.Column("request_id", sa.Integer, nullable=False),
        sa.Column("decision_id", sa.Integer, nullable=False),
        sa.Column("goes_along", sa.JSON, nullable=False),
        sa.Column("action", sa.String(10), nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
        sa.Column("due_at", UtcDateTime),
        sa.Column("people", sa.JSON, nullable=False),
        sa.Column("people_needed", sa.Integer, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("ended_why", sa.Text, nullable=False),
        sa.Column("intent_id", sa.Integer),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name="fk_human_answer_provider_id"),
        sa.ForeignKeyConstraint(["request_id"], ["request.id"], name="fk_human_answer_request_id"),
        sa.ForeignKeyConstraint(["decision_id"], ["decision.id"], name="fk_human_answer_decision_id"),
        sa.PrimaryKeyConstraint("id", name="pk_human_answer"),
    )
    op.create_index("ix_human_answer_request_id", "human_answer", ["request_id"])
    for name, columns, where, unique in (
        ("uq_human_answer_in_force", ["request_id"], "state IN ('waiting', 'sent')", True),
        ("ix_human_answer_waiting", ["provider_id", "due_at"], "state = 'waiting'", False),
    ):
        condition = sa.text(where)
        op.create_index(
            name, "human_answer", columns, unique=unique, sqlite_where=condition, postgresql_where=condition
        )
