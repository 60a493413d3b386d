"""What keeps an old ledger as fast as a new one: the account of each intent, partial indexes, and changes of claims."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pm_autoaccept.ledger.db.column_types import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_PARTIAL_INDEXES = (
    ("ix_request_open", "request", ("provider_id", "kind"), "outcome = 'open'"),
    (
        "ix_request_may_still_go_missing",
        "request",
        ("provider_id", "kind"),
        "(absent_reads < 2 OR outcome IS NULL OR outcome IN ('open', 'refused'))",
    ),
    (
        "ix_request_end_just_noted",
        "request",
        ("provider_id",),
        "(end_noted_at IS NOT NULL AND ended_at IS NULL)",
    ),
    ("ix_request_meter_of_property", "request", ("provider_id", "property_id"), "kind = 'meter'"),
    ("ix_notification_waiting", "notification", ("provider_id",), "effect IS NULL"),
    (
        "ix_inventory_current",
        "inventory",
        ("provider_id", "kind", "owner_id", "pm_id", "ended_at"),
        "ended_at IS NULL",
    ),
    ("ix_inventory_current_property", "inventory", ("provider_id", "property_id"), "ended_at IS NULL"),
    ("ix_inventory_absent", "inventory", ("provider_id", "kind"), "(ended_at IS NULL AND absent_since IS NOT NULL)"),
    (
        "ix_inventory_undecided",
        "inventory",
        ("provider_id",),
        "(origin = 'undecided' AND ended_at IS NULL AND acknowledged_at IS NULL)",
    ),
)

_CLAIM_EVENTS = (
    ("intent_made", "INSERT ON intent", ""),
    ("intent_outcome", "UPDATE OF outcome, action, request_id ON intent", ""),
    (
        "request_outcome",
        "UPDATE OF outcome ON request",
        "WHEN ('settled_elsewhere' IN (coalesce(OLD.outcome, ''), coalesce(NEW.outcome, '')))",
    ),
    ("request_content", "UPDATE OF custom, masked_at, username, account_id ON request", ""),
)
"""The names of the triggers, the events that may change a claim, and conditions."""

_NOTE_CLAIM_CHANGE = """\
CREATE FUNCTION note_claim_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'intent' THEN
        INSERT INTO claim_change VALUES (pg_current_xact_id()::text::bigint, NEW.request_id) ON CONFLICT DO NOTHING;
    ELSE
        INSERT INTO claim_change VALUES (pg_current_xact_id()::text::bigint, NEW.id) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$"""


def upgrade() -> None:
    """Add the columns, replace the indexes, and create the table with its triggers."""
    op.add_column("provider", sa.Column("connections_seen_at", UtcDateTime))
    with op.batch_alter_table("intent") as table:
        table.add_column(sa.Column("provider_id", sa.Integer))
    op.execute(
        "UPDATE intent SET provider_id = (SELECT request.provider_id FROM request WHERE request.id = intent.request_id)"
    )
    with op.batch_alter_table("intent") as table:
        table.alter_column("provider_id", nullable=False, existing_type=sa.Integer)
        table.create_foreign_key("fk_intent_provider_id", "provider", ["provider_id"], ["id"])
        for name in ("outcome", "sent_at", "service_sent_at"):
            table.drop_index(f"ix_intent_{name}")
        table.create_index("ix_intent_sent", ["provider_id", "sent_at", "action"])
        table.create_index("ix_intent_service_sent", ["provider_id", "service_sent_at", "sent_at", "action"])
    op.drop_index("ix_request_outcome", "request")
    op.create_index("ix_notification_provider_id_property_id", "notification", ["provider_id", "property_id"])
    op.create_index("ix_owner_provider_id_tried_at_account_id", "owner", ["provider_id", "tried_at", "account_id"])
    for name, owner, columns, where in _PARTIAL_INDEXES:
        op.create_index(name, owner, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_table(
        "claim_change",
        sa.Column("tx", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("request_id", sa.Integer, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("tx", "request_id", name="pk_claim_change"),
        sqlite_with_rowid=False,
    )
    _create_triggers(postgresql=op.get_bind().dialect.name == "postgresql")


def _create_triggers(*, postgresql: bool) -> None:
    """Let the database note each change of a claim, whoever makes it.

    In PostgreSQL transactions commit in any order, so each change has its transaction's number, which a snapshot can be
    asked about. SQLite has one writer at a time, so a number that grows with each change is enough.
    """
    if postgresql:
        op.execute(_NOTE_CLAIM_CHANGE)
    for name, event, condition in _CLAIM_EVENTS:
        trigger = f"CREATE TRIGGER {name} AFTER {event} FOR EACH ROW {condition}"
        if postgresql:
            op.execute(f"{trigger} EXECUTE FUNCTION note_claim_change()")
        else:
            changed = "NEW.request_id" if event.endswith("ON intent") else "NEW.id"
            next_number = "(SELECT coalesce(max(tx), 0) + 1 FROM claim_change)"
            op.execute(f"{trigger} BEGIN INSERT INTO claim_change VALUES ({next_number}, {changed}); END")  # noqa: S608 — our own names
