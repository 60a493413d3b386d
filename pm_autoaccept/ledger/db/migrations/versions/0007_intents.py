"""By which clocks an answer was sent, what it is, what a refusal waits for, and what may fall with each reject."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pm_autoaccept.ledger.db.column_types import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for them; what is known of what falls is taken over."""
    op.add_column("intent", sa.Column("template", sa.String(64)))
    op.add_column("intent", sa.Column("service_sent_at", UtcDateTime))
    op.add_column("intent", sa.Column("awaits", sa.String(10)))
    op.create_index("ix_intent_service_sent_at", "intent", ["service_sent_at"])
    op.create_table(
        "cascaded_reject",
        sa.Column("intent_id", sa.Integer, nullable=False),
        sa.Column("request_id", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["intent_id"], ["intent.id"], name="fk_cascaded_reject_intent_id"),
        sa.ForeignKeyConstraint(["request_id"], ["request.id"], name="fk_cascaded_reject_request_id"),
        sa.PrimaryKeyConstraint("intent_id", "request_id", name="pk_cascaded_reject"),
    )
    op.create_index("ix_cascaded_reject_request_id", "cascaded_reject", ["request_id"])
    op.execute(
        "INSERT INTO cascaded_reject (intent_id, request_id) SELECT cascade_intent_id, request.id FROM request"
        " JOIN intent ON intent.id = request.cascade_intent_id"
    )
