"""The first ledger: requests, decisions, intents, notifications."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pm_autoaccept.ledger.db.column_types import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "provider",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("service", sa.String(2000), nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("username", sa.String(60), nullable=False),
        sa.Column("claimed_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_provider"),
    )
    op.create_table(
        "request",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("pm_id", sa.BigInteger, nullable=False),
        sa.Column("content_digest", sa.String(64), nullable=False),
        sa.Column("occurrence", sa.Integer, nullable=False),
        sa.Column("account_id", sa.BigInteger),
        sa.Column("username", sa.Text),
        sa.Column("sender_id", sa.BigInteger),
        sa.Column("sender_username", sa.Text),
        sa.Column("property_id", sa.BigInteger),
        sa.Column("access_level", sa.Text),
        sa.Column("custom", sa.JSON, nullable=False),
        sa.Column("requested_at", UtcDateTime),
        sa.Column("source", sa.LargeBinary, nullable=False),
        sa.Column("first_seen", UtcDateTime, nullable=False),
        sa.Column("last_seen", UtcDateTime, nullable=False),
        sa.Column("absent_since", UtcDateTime),
        sa.Column("absent_reads", sa.Integer, nullable=False),
        sa.Column("cascade_intent_id", sa.Integer),
        sa.Column("outcome", sa.String(20)),
        sa.Column("outcome_at", UtcDateTime),
        sa.Column("outcome_text", sa.Text, nullable=False),
        sa.Column("retry_not_before", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_request"),
        sa.UniqueConstraint(
            "kind", "pm_id", "content_digest", "occurrence", name="uq_request_kind_pm_id_content_digest_occurrence"
        ),
    )
    op.create_index("ix_request_kind_pm_id", "request", ["kind", "pm_id"])
    op.create_index("ix_request_outcome", "request", ["outcome"])
    op.create_table(
        "decision",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("request_id", sa.Integer, nullable=False),
        sa.Column("decided_at", UtcDateTime, nullable=False),
        sa.Column("mode", sa.String(10), nullable=False),
        sa.Column("verdict", sa.String(10), nullable=False),
        sa.Column("rule", sa.Text),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("reason_text", sa.Text, nullable=False),
        sa.Column("kept_back", sa.String(40)),
        sa.Column("kept_back_text", sa.Text, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Column("unknown", sa.JSON, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("policy_digest", sa.String(64), nullable=False),
        sa.Column("sources", sa.JSON, nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["request.id"], name="fk_decision_request_id"),
        sa.PrimaryKeyConstraint("id", name="pk_decision"),
    )
    op.create_index("ix_decision_request_id", "decision", ["request_id"])
    op.create_table(
        "intent",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("request_id", sa.Integer, nullable=False),
        sa.Column("decision_id", sa.Integer, nullable=False),
        sa.Column("action", sa.String(10), nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("program", sa.String(40), nullable=False),
        sa.Column("intended_at", UtcDateTime, nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("outcome_at", UtcDateTime),
        sa.Column("outcome_text", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["decision.id"], name="fk_intent_decision_id"),
        sa.ForeignKeyConstraint(["request_id"], ["request.id"], name="fk_intent_request_id"),
        sa.PrimaryKeyConstraint("id", name="pk_intent"),
    )
    op.create_index("ix_intent_decision_id", "intent", ["decision_id"])
    op.create_index("ix_intent_outcome", "intent", ["outcome"])
    op.create_index("ix_intent_request_id", "intent", ["request_id"])
    op.create_table(
        "notification",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("account_id", sa.BigInteger),
        sa.Column("username", sa.Text),
        sa.Column("property_id", sa.BigInteger),
        sa.Column("meter_id", sa.BigInteger),
        sa.Column("created_at", UtcDateTime),
        sa.Column("created_by", sa.Text),
        sa.Column("created_by_account_id", sa.Text),
        sa.Column("first_seen", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notification"),
    )
    op.create_table(
        "unreadable",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("source", sa.LargeBinary, nullable=False),
        sa.Column("first_seen", UtcDateTime, nullable=False),
        sa.Column("last_seen", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_unreadable"),
        sa.UniqueConstraint("digest", name="uq_unreadable_digest"),
    )
