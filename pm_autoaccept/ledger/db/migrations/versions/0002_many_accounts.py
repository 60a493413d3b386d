"""Many accounts in one ledger: leases, signing in, pauses, limits lifted, what is shared, second attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pm_autoaccept.ledger.db.column_types import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give what there is to the one account that the ledger had, which is called `default`, and make the new tables."""
    _provider()
    _request()
    _intent()
    _belongings()
    _inventory()
    _running()


def _provider() -> None:
    with op.batch_alter_table("provider") as table:
        table.add_column(sa.Column("name", sa.String(60), nullable=False, server_default="default"))
        table.add_column(sa.Column("watched_since", UtcDateTime))
    with op.batch_alter_table("provider") as table:
        table.alter_column("name", server_default=None, existing_type=sa.String(60), existing_nullable=False)
        table.create_unique_constraint("uq_provider_name", ["name"])
        table.create_unique_constraint("uq_provider_service_account_id", ["service", "account_id"])


def _request() -> None:
    with op.batch_alter_table("request") as table:
        table.add_column(sa.Column("provider_id", sa.Integer))
        table.add_column(sa.Column("present_reads", sa.Integer, nullable=False, server_default="0"))
        table.add_column(sa.Column("held_rule", sa.Text))
        table.add_column(sa.Column("held_since", UtcDateTime))
    _give_to_the_one_account("request")
    with op.batch_alter_table("request") as table:
        table.alter_column("provider_id", nullable=False, existing_type=sa.Integer)
        table.alter_column("present_reads", server_default=None, existing_type=sa.Integer, existing_nullable=False)
        table.create_foreign_key("fk_request_provider_id", "provider", ["provider_id"], ["id"])
        table.drop_constraint("uq_request_kind_pm_id_content_digest_occurrence", type_="unique")
        table.create_unique_constraint(
            "uq_request_provider_id_kind_pm_id_content_digest_occurrence",
            ["provider_id", "kind", "pm_id", "content_digest", "occurrence"],
        )
        table.drop_index("ix_request_kind_pm_id")
        table.create_index("ix_request_cascade_intent_id", ["cascade_intent_id"])


def _intent() -> None:
    with op.batch_alter_table("intent") as table:
        table.add_column(sa.Column("attempts", sa.Integer, nullable=False, server_default="1"))
        table.add_column(sa.Column("sent_at", UtcDateTime))
    op.execute("UPDATE intent SET sent_at = intended_at")
    with op.batch_alter_table("intent") as table:
        table.alter_column("attempts", server_default=None, existing_type=sa.Integer, existing_nullable=False)
        table.alter_column("sent_at", nullable=False, existing_type=UtcDateTime)
        table.create_index("ix_intent_sent_at", ["sent_at"])


def _belongings() -> None:
    """Notifications and unreadable elements."""
    with op.batch_alter_table("notification") as table:
        table.add_column(sa.Column("provider_id", sa.Integer))
        table.add_column(sa.Column("effect", sa.Text))
    with op.batch_alter_table("unreadable") as table:
        table.add_column(sa.Column("provider_id", sa.Integer))
    _give_to_the_one_account("notification")
    _give_to_the_one_account("unreadable")
    with op.batch_alter_table("notification") as table:
        table.alter_column("provider_id", nullable=False, existing_type=sa.Integer)
        table.create_foreign_key("fk_notification_provider_id", "provider", ["provider_id"], ["id"])
        table.drop_constraint("pk_notification", type_="primary")
        table.create_primary_key("pk_notification", ["provider_id", "id"])
    with op.batch_alter_table("unreadable") as table:
        table.alter_column("provider_id", nullable=False, existing_type=sa.Integer)
        table.create_foreign_key("fk_unreadable_provider_id", "provider", ["provider_id"], ["id"])
        table.drop_constraint("uq_unreadable_digest", type_="unique")
        table.create_unique_constraint("uq_unreadable_provider_id_digest", ["provider_id", "digest"])


def _give_to_the_one_account(table: str) -> None:
    # A ledger of the first version had one account, and no other row before it was claimed.
    op.execute(f"UPDATE {table} SET provider_id = (SELECT min(id) FROM provider)")  # noqa: S608 — our own table names


def _inventory() -> None:
    op.create_table(
        "inventory",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("provider_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("pm_id", sa.BigInteger, nullable=False),
        sa.Column("owner_id", sa.BigInteger),
        sa.Column("property_id", sa.BigInteger),
        sa.Column("access_level", sa.Text),
        sa.Column("origin", sa.String(10), nullable=False),
        sa.Column("request_id", sa.Integer),
        sa.Column("first_seen", UtcDateTime, nullable=False),
        sa.Column("last_seen", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("ended_by", sa.Text),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name="fk_inventory_provider_id"),
        sa.ForeignKeyConstraint(["request_id"], ["request.id"], name="fk_inventory_request_id"),
        sa.PrimaryKeyConstraint("id", name="pk_inventory"),
    )
    op.create_index("ix_inventory_provider_id_kind_pm_id", "inventory", ["provider_id", "kind", "pm_id"])


def _running() -> None:
    """Leases, replicas, signing in, pauses, lifts."""
    op.create_table(
        "lease",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("until", UtcDateTime, nullable=False),
        sa.Column("held_before_until", UtcDateTime),
        sa.PrimaryKeyConstraint("name", name="pk_lease"),
    )
    op.create_table(
        "replica",
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("until", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_replica"),
    )
    op.create_table(
        "sign_in",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("credential", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("tried_at", UtcDateTime, nullable=False),
        sa.Column("trying", sa.Boolean, nullable=False),
        sa.Column("taken_before", sa.Boolean, nullable=False),
        sa.Column("refusals", sa.Integer, nullable=False),
        sa.Column("not_before", UtcDateTime),
        sa.PrimaryKeyConstraint("name", "credential", name="pk_sign_in"),
    )
    op.create_table(
        "pause",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(60)),
        sa.Column("paused_at", UtcDateTime, nullable=False),
        sa.Column("paused_by", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("resumed_at", UtcDateTime),
        sa.Column("resumed_by", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_pause"),
    )
    op.create_table(
        "lifted_limit",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(60)),
        sa.Column("action", sa.String(10), nullable=False),
        sa.Column("lifted_at", UtcDateTime, nullable=False),
        sa.Column("lifted_by", sa.Text, nullable=False),
        sa.Column("until", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lifted_limit"),
    )
