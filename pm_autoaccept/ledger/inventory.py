"""Inventory of connections and shares: begins and ends its items, and finds the accept that explains each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, and_, select

from pm_autoaccept.ledger.db.id_lists import is_one_of
from pm_autoaccept.ledger.db.tables import CURRENT_ITEM, METER_REQUEST
from pm_autoaccept.ledger.db.tables import decision as decision_table
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import inventory as inventory_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.outcome_groups import MAY_HAVE_TAKEN_EFFECT, TOOK_EFFECT
from pm_autoaccept.ledger.request_rows import account_option
from pm_autoaccept.model import (
    Action,
    Finding,
    FindingKind,
    Kind,
    Origin,
    Outcome,
    PropertyShare,
    RequestKey,
    Truth,
    removal_command,
)

InventoryItem: TypeAlias = Row[Any]

MAX_SETTLING_TIME = timedelta(days=2)
"""How long after an accept its outcome is known at the latest: the wait for an unknown one doubles up to a day."""


@dataclass(frozen=True, slots=True)
class OurAccept:
    """One of our accepts, which explains an inventory item."""

    request: int
    sent_at: datetime
    owner: int | None
    property_id: int | None
    access_level: str | None


def current_ids(connection: Connection, provider: int, kind: Kind) -> frozenset[int]:
    """The ids of all current items of this kind. A provider may have a hundred thousand."""
    table = inventory_table.c
    query = select(table.pm_id).where(table.provider_id == provider, table.kind == kind, CURRENT_ITEM)
    return frozenset(connection.execute(query).scalars())


def current_items(connection: Connection, provider: int, kind: Kind, ids: Collection[int]) -> dict[int, InventoryItem]:
    """Id → the current item of this kind, for those of these ids that have one."""
    if not ids:
        return {}
    table = inventory_table.c
    query = select(inventory_table).where(
        table.provider_id == provider, table.kind == kind, is_one_of(table.pm_id, ids), table.ended_at.is_(None)
    )
    return {row.pm_id: row for row in connection.execute(query)}


def current_properties_of(connection: Connection, provider: int, owners: Collection[int]) -> list[InventoryItem]:
    """The current property shares of these owners."""
    if not owners:
        return []
    table = inventory_table.c
    query = select(inventory_table).where(
        table.provider_id == provider, table.kind == Kind.PROPERTY, is_one_of(table.owner_id, owners), CURRENT_ITEM
    )
    return list(connection.execute(query.order_by(table.id)))


def current_item(connection: Connection, provider: int, key: RequestKey) -> InventoryItem | None:
    """The current item with this key."""
    table = inventory_table.c
    query = select(inventory_table).where(
        table.provider_id == provider, table.kind == key.kind, table.pm_id == key.id, table.ended_at.is_(None)
    )
    return connection.execute(query).one_or_none()


def last_seen(item: InventoryItem, connections_seen_at: datetime | None) -> datetime:
    """When a read last showed an item. For a connection, the account's row may know a later time."""
    seen: datetime = item.last_seen
    if connections_seen_at is None or item.kind != Kind.CONNECTION or item.ended_at or item.absent_since:
        return seen
    return max(seen, connections_seen_at)


def begin_items(
    connection: Connection,
    provider: int,
    kind: Kind,
    ids: Collection[int],
    *,
    owner: int | None,
    baseline: bool,
    begun: datetime,
    at: datetime,
) -> list[Finding]:
    """Add an item for each connection or property share that a read shows for the first time, or again.

    Args:
        connection: within a transaction.
        provider: the provider account.
        kind: the kind of all items.
        ids: the ids in Portfolio Manager.
        owner: the owner whose list shows the properties.
        baseline: whether this is the first read of its kind. Then an item that none of our answers explains existed
            before us, unless the ledger saw it pending.
        begun: when the read began.
        at: now.

    Returns:
        A finding for each undecided item.
    """
    grounds = _explaining_accepts(connection, provider, kind, ids)
    pended = _seen_pending(connection, provider, kind, ids, before=begun) if baseline else frozenset()
    rows, findings = [], []
    for number in sorted(ids):
        ground = grounds.get(number)
        if ground is not None:
            origin = Origin.DECIDED
        else:
            origin = Origin.BEFORE_US if baseline and number not in pended else Origin.UNDECIDED
        rows.append(_row(provider, RequestKey(kind, number), origin, ground, owner=owner, at=at))
        if origin is Origin.UNDECIDED:
            findings.append(_undecided(RequestKey(kind, number), owner, account_option(connection, provider)))
    if rows:
        connection.execute(inventory_table.insert(), rows)
    return findings


def _row(
    provider: int, key: RequestKey, origin: Origin, ground: OurAccept | None, *, owner: int | None, at: datetime
) -> dict[str, object]:
    owned_by = key.id if key.kind is Kind.CONNECTION else owner
    if ground is not None and ground.owner is not None:
        owned_by = ground.owner
    return {
        "provider_id": provider,
        "kind": key.kind,
        "pm_id": key.id,
        "owner_id": owned_by,
        "property_id": key.id if key.kind is Kind.PROPERTY else ground.property_id if ground else None,
        "access_level": ground.access_level if ground else None,
        "origin": origin,
        "request_id": ground.request if ground else None,
        "first_seen": at,
        "last_seen": at,
    }


def _undecided(key: RequestKey, owner: int | None, account: str | None) -> Finding:
    if key.kind is Kind.CONNECTION:
        text = f"account {key.id} is connected, but not by one of our answers"
    else:
        text = f"property {key.id} of account {owner} is shared with us, but not by one of our answers"
    return Finding(FindingKind.CAME_IN_UNDECIDED, key, text, removal_command(key, account=account))


def accepts_since(provider: int, since: datetime | None) -> Any:  # noqa: ANN401 — a query of SQLAlchemy's own long type
    """A query for our accepts that took effect, as known since this moment (None: ever), oldest first.

    It can match very many rows, so narrow it down before you run it.
    """
    query = _accepts_with(*TOOK_EFFECT).where(intent_table.c.provider_id == provider)
    if since is not None:
        # Uses an index: the outcome of an unknown answer is known within this time.
        query = query.where(intent_table.c.sent_at >= since - MAX_SETTLING_TIME, intent_table.c.outcome_at >= since)
    return query


def begin_accepted_meter_shares(connection: Connection, provider: int, *, since: datetime | None) -> None:
    """Add an item for each meter share that we accepted, because no list that we read shows meters."""
    without_item = (
        accepts_since(provider, since)
        .outerjoin(inventory_table, inventory_table.c.request_id == request_table.c.id)
        .where(request_table.c.kind == Kind.METER, inventory_table.c.id.is_(None))
    )
    meters = {row.pm_id: row for row in connection.execute(without_item)}
    known = current_items(connection, provider, Kind.METER, meters)
    for number, row in meters.items():
        if number in known:  # it was pending again, so the earlier share had ended
            end_items(connection, [known[number]], at=row.sent_at, by="a later accept")
        made = _row(
            provider, RequestKey(Kind.METER, number), Origin.DECIDED, _our_accept(row), owner=None, at=row.sent_at
        )
        connection.execute(inventory_table.insert().values(**made))


def end_items(connection: Connection, items: Iterable[InventoryItem], *, at: datetime, by: str) -> None:
    """End items, and with a property its meter shares. What was accepted may then be requested again."""
    table = inventory_table.c
    for item in items:
        which = [item.id]
        if item.kind == Kind.CONNECTION:
            seen_at = select(provider_table.c.connections_seen_at).where(provider_table.c.id == item.provider_id)
            seen = last_seen(item, connection.execute(seen_at).scalar())
            connection.execute(inventory_table.update().where(table.id == item.id).values(last_seen=seen))
        if item.kind == Kind.PROPERTY:
            meters = select(table.id).where(
                table.provider_id == item.provider_id,
                table.kind == Kind.METER,
                table.property_id == item.pm_id,
                CURRENT_ITEM,
            )
            which += connection.execute(meters).scalars()
        grounds = select(table.request_id).where(is_one_of(table.id, which), table.request_id.is_not(None))
        asked = request_table.update().where(request_table.c.id.in_(grounds), request_table.c.end_noted_at.is_(None))
        connection.execute(asked.values(end_noted_at=at))
        connection.execute(inventory_table.update().where(is_one_of(table.id, which)).values(ended_at=at, ended_by=by))


def note_accepts_ended(
    connection: Connection,
    provider: int,
    which: Iterable[ColumnElement[bool]],
    *,
    at: datetime,
    accepted_before: datetime,
) -> None:
    """Record that what we accepted has ended, whether or not a read ever showed it. It may be requested again.

    Args:
        connection: within a transaction.
        provider: the provider account.
        which: conditions on the requests; those that meet one of them. Each can use an index of its own.
        at: when this became known.
        accepted_before: when it ended; later accepts are not affected.
    """
    table = request_table.c
    accepts = select(intent_table.c.id).where(
        intent_table.c.request_id == table.id,
        intent_table.c.action == Action.ACCEPT,
        intent_table.c.outcome.in_(MAY_HAVE_TAKEN_EFFECT),
        intent_table.c.sent_at < accepted_before,
    )
    for each in which:
        ended = request_table.update().where(table.provider_id == provider, table.end_noted_at.is_(None), each)
        connection.execute(ended.where(accepts.correlate(request_table).exists()).values(end_noted_at=at))


def requests_of(key: RequestKey) -> list[ColumnElement[bool]]:
    """Conditions for the requests for one connection or share; for a property, also for those for its meters."""
    table = request_table.c
    itself = and_(table.kind == key.kind, table.pm_id == key.id)
    return [itself] if key.kind is not Kind.PROPERTY else [itself, and_(METER_REQUEST, table.property_id == key.id)]


def requests_of_owner(owner: int) -> list[ColumnElement[bool]]:
    """A condition for all requests of one owner."""
    return [request_table.c.account_id == owner]


def ended_findings(items: Iterable[InventoryItem]) -> list[Finding]:
    """The findings for items that reads no longer show."""
    findings = []
    for item in items:
        key = RequestKey(Kind(item.kind), item.pm_id)
        if key.kind is Kind.CONNECTION:
            findings.append(Finding(FindingKind.CONNECTION_ENDED, key, f"account {key.id} is no longer connected"))
        else:
            findings.append(Finding(FindingKind.SHARE_ENDED, key, f"{key.kind} {key.id} is no longer shared with us"))
    return findings


def accepted_after(connection: Connection, provider: int, key: RequestKey, moment: datetime) -> bool:
    """Whether we sent an accept for this key after this moment."""
    found = _accepts(connection, provider, key.kind, [key.id]).get(key.id, [])
    return any(ground.sent_at > moment for ground in found)


def accept_sent_at(connection: Connection, item: InventoryItem) -> datetime | None:
    """When the accept that explains an item was sent; None if no accept explains it."""
    if item.request_id is None:
        return None
    sent = select(intent_table.c.sent_at).where(
        intent_table.c.request_id == item.request_id,
        intent_table.c.action == Action.ACCEPT,
        intent_table.c.outcome != Outcome.NOT_SENT,
    )
    return connection.execute(sent.order_by(intent_table.c.id.desc()).limit(1)).scalar()


def _explaining_accepts(
    connection: Connection, provider: int, kind: Kind, ids: Collection[int]
) -> dict[int, OurAccept]:
    """Id → the accept that explains it, sent after any earlier item with this id had ended."""
    ended = _last_existed(connection, provider, kind, ids)
    last = {number: grounds[-1] for number, grounds in _accepts(connection, provider, kind, ids).items()}
    carried = _accepts_by_meter(connection, provider, list(ids)) if kind is Kind.PROPERTY else {}
    found = {}
    for number in ids:
        for ground in (last.get(number), carried.get(number)):
            if ground is not None and not (number in ended and ground.sent_at <= ended[number]):
                found[number] = ground
                break
    return found


def _accepts(connection: Connection, provider: int, kind: Kind, ids: Collection[int]) -> Mapping[int, list[OurAccept]]:
    found: dict[int, list[OurAccept]] = defaultdict(list)
    if not ids:
        return found
    query = _accepts_with(*MAY_HAVE_TAKEN_EFFECT).where(
        request_table.c.provider_id == provider, request_table.c.kind == kind, is_one_of(request_table.c.pm_id, ids)
    )
    for row in connection.execute(query):
        found[row.pm_id].append(_our_accept(row))
    return found


def _accepts_by_meter(connection: Connection, provider: int, properties: list[int]) -> dict[int, OurAccept]:
    """Property → the accept of a meter that shared it read-only, by a rule that tests `property.share: none`."""
    if not properties:
        return {}
    query = (
        _accepts_with(*MAY_HAVE_TAKEN_EFFECT)
        .add_columns(decision_table.c.evidence)
        .join(decision_table, decision_table.c.id == intent_table.c.decision_id)
        .where(
            request_table.c.provider_id == provider,
            is_one_of(request_table.c.property_id, properties),
            METER_REQUEST,
        )
    )
    found = {}
    for row in connection.execute(query):
        if any(_says_none(*each) for each in row.evidence):
            found[row.property_id] = replace(_our_accept(row), access_level="Read")
    return found


def _our_accept(row: Row[Any]) -> OurAccept:
    return OurAccept(row.id, row.sent_at, row.account_id, row.property_id, row.access_level)


def _accepts_with(*outcomes: Outcome) -> Any:  # noqa: ANN401 — a query of SQLAlchemy's own long type
    """A query for our accepts with these outcomes, oldest first."""
    return (
        select(
            request_table.c.id,
            request_table.c.pm_id,
            request_table.c.account_id,
            request_table.c.property_id,
            request_table.c.access_level,
            intent_table.c.sent_at,
        )
        .join(request_table, request_table.c.id == intent_table.c.request_id)
        .where(intent_table.c.action == Action.ACCEPT, intent_table.c.outcome.in_(outcomes))
        .order_by(intent_table.c.id)
    )


def _says_none(field: str, _expected: str, found: str | None, truth: str) -> bool:
    return field == "property.share" and found == PropertyShare.NONE and truth == Truth.TRUE


def _last_existed(connection: Connection, provider: int, kind: Kind, ids: Collection[int]) -> dict[int, datetime]:
    """Id → when its last item certainly existed: when it was last seen or, if earlier, when it ended."""
    if not ids:
        return {}
    table = inventory_table.c
    query = select(table.pm_id, table.last_seen, table.ended_at).where(
        table.provider_id == provider, table.kind == kind, is_one_of(table.pm_id, ids), table.ended_at.is_not(None)
    )
    return {row.pm_id: min(row.last_seen, row.ended_at) for row in connection.execute(query.order_by(table.id))}


def _seen_pending(
    connection: Connection, provider: int, kind: Kind, ids: Collection[int], *, before: datetime
) -> frozenset[int]:
    """The ids that the ledger saw pending before this read, which therefore did not exist before us."""
    if not ids:
        return frozenset()
    table = request_table.c
    query = select(table.pm_id).where(
        table.provider_id == provider, table.kind == kind, is_one_of(table.pm_id, ids), table.first_seen < before
    )
    return frozenset(connection.execute(query).scalars())
