"""Inventory report: lists current connections and shares, and the stored notifications."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, case, func, select

from pm_autoaccept.ledger.audit import account_names
from pm_autoaccept.ledger.db.queries import ROWS_PER_FETCH
from pm_autoaccept.ledger.db.tables import decision as decision_table
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import inventory as inventory_table
from pm_autoaccept.ledger.db.tables import notification as notification_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.inventory import last_seen
from pm_autoaccept.model import Action, Kind, Origin, Outcome, RequestKey, removal_command
from pm_autoaccept.record import InventoryRow, NotificationRow


def list_inventory(
    connection: Connection, *, account: str | None = None, origin: Origin | None = None
) -> Iterator[InventoryRow]:
    """Yield the current items, by provider account, owner, then connection, properties, meters.

    Args:
        connection: within a transaction.
        account: only for the provider account with this name.
        origin: only items with this origin that nobody has acknowledged.
    """
    answer = (
        select(func.max(intent_table.c.id))
        .where(
            intent_table.c.request_id == inventory_table.c.request_id,
            intent_table.c.action == Action.ACCEPT,
            intent_table.c.outcome != Outcome.NOT_SENT,
        )
        .correlate(inventory_table)
        .scalar_subquery()
    )
    query = (
        select(inventory_table, provider_table.c.name, decision_table.c.rule, _accepted_at())
        .add_columns(provider_table.c.connections_seen_at)
        .join(provider_table, provider_table.c.id == inventory_table.c.provider_id)
        .outerjoin(intent_table, intent_table.c.id == answer)
        .outerjoin(decision_table, decision_table.c.id == intent_table.c.decision_id)
        .where(inventory_table.c.ended_at.is_(None))
        .order_by(provider_table.c.name, inventory_table.c.owner_id, inventory_table.c.kind, inventory_table.c.pm_id)
    )
    if account is not None:
        query = query.where(provider_table.c.name == account)
    if origin is not None:
        query = query.where(inventory_table.c.origin == origin, inventory_table.c.acknowledged_at.is_(None))
    names, several = _usernames(connection), len(account_names(connection)) > 1
    for row in connection.execute(query.execution_options(yield_per=ROWS_PER_FETCH)):
        yield InventoryRow(
            account=row.name,
            kind=Kind(row.kind),
            id=row.pm_id,
            owner=row.owner_id,
            owner_name=names.get(row.owner_id),
            property_id=row.property_id,
            access_level=row.access_level,
            origin=Origin(row.origin),
            since=row.accepted_at if row.origin == Origin.DECIDED and row.accepted_at else row.first_seen,
            last_seen=last_seen(row, row.connections_seen_at),
            absent_since=row.absent_since,
            rule=row.rule,
            command=removal_command(RequestKey(Kind(row.kind), row.pm_id), account=row.name if several else None),
            acknowledged_by=row.acknowledged_by,
            acknowledged_at=row.acknowledged_at,
            acknowledged_why=row.acknowledged_why,
        )


def _accepted_at() -> ColumnElement[datetime]:
    """When our accept took effect: when it was done, or when it was sent if only a read showed its effect."""
    intent = intent_table.c
    return case(
        (intent.outcome == Outcome.DONE, intent.outcome_at),
        (intent.outcome == Outcome.DONE_INFERRED, intent.sent_at),
    ).label("accepted_at")


def _usernames(connection: Connection) -> dict[int, str]:
    """Owner → the most recent username."""
    names: dict[int, str] = {}
    for table in (notification_table.c, request_table.c):
        last = (
            select(func.max(table.id))
            .where(table.username.is_not(None), table.username != "")
            .group_by(table.account_id)
        )
        for row in connection.execute(select(table.account_id, table.username).where(table.id.in_(last))):
            if row.account_id is not None:
                names[row.account_id] = row.username
    return names


def list_notifications(connection: Connection, *, account: str | None = None) -> Iterator[NotificationRow]:
    """Yield the stored notifications, in order of arrival."""
    query = (
        select(notification_table, provider_table.c.name)
        .join(provider_table, provider_table.c.id == notification_table.c.provider_id)
        .order_by(notification_table.c.first_seen, notification_table.c.id)
    )
    if account is not None:
        query = query.where(provider_table.c.name == account)
    for row in connection.execute(query.execution_options(yield_per=ROWS_PER_FETCH)):
        yield NotificationRow(
            account=row.name,
            id=row.id,
            type=row.type,
            description=row.description,
            account_id=row.account_id,
            username=row.username,
            property_id=row.property_id,
            meter_id=row.meter_id,
            created_at=row.created_at,
            created_by=row.created_by,
            first_seen=row.first_seen,
            effect=row.effect,
        )
