"""Notifications: stores each one once and applies its effect to the inventory once (docs/protocol.md#notifications).

Notifications arrive twice, late, out of order, without dates, with undocumented types, and about shares that we never
knew; with `clear=false`, all of them arrive again in each cycle. So each one is stored by its id, and its effect is
stored with it, in words. Reads decide: if a notification says that something ended and the lists still show it, it
waits, because lists lag. After an hour it is reported to people and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, select

from pm_autoaccept.ledger.db.queries import insert
from pm_autoaccept.ledger.db.tables import inventory as inventory_table
from pm_autoaccept.ledger.db.tables import notification as notification_table
from pm_autoaccept.ledger.inventory import (
    InventoryItem,
    accept_sent_at,
    accepted_after,
    begin_items,
    current_item,
    end_items,
    note_accepts_ended,
    requests_of,
)
from pm_autoaccept.model import Finding, FindingKind, Kind, Notification, NotLearnt, Origin, RequestKey, Snapshot

MAX_WAIT_FOR_READS = timedelta(hours=1)
"""How long a notification waits for reads to confirm it."""

READ, READ_WRITE = "Read", "Read Write"

_LEVEL = re.compile(r"access level revised to (read only|exchange data|full access|read write|read)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Effect:
    """What a notification changed, in words, and the findings to report."""

    text: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class _Context:
    """One notification and the snapshot of the same cycle."""

    connection: Connection
    provider: int
    note: Row[Any]
    snapshot: Snapshot
    begun: datetime
    at: datetime

    @property
    def patient(self) -> bool:
        """Whether it may still wait for reads to confirm it."""
        return bool(self.at - self.note.first_seen < MAX_WAIT_FOR_READS)

    def is_older_than(self, moment: datetime | None) -> bool:
        """Whether it was certainly created before this moment."""
        return bool(moment is not None and self.note.created_at is not None and self.note.created_at < moment)

    def shown(self, key: RequestKey, owner: int | None) -> bool | None:
        """Whether this cycle's reads show the connection or share; None if they cannot tell."""
        if key.kind is Kind.CONNECTION:
            connected = self.snapshot.connected
            return None if isinstance(connected, NotLearnt) else key.id in connected
        if key.kind is Kind.METER:
            return None
        facts = self.snapshot.shared_properties
        if any(not isinstance(fact, NotLearnt) and key.id in fact for fact in facts.values()):
            return True
        return None if owner is None or isinstance(facts.get(owner, NotLearnt("")), NotLearnt) else False

    def may_be_read(self, key: RequestKey, owner: int | None) -> bool:
        """Whether a later read may show it. No list shows meters, or the shares of an account that is not connected."""
        connected = self.snapshot.connected
        return key.kind is not Kind.METER and (isinstance(connected, NotLearnt) or owner in connected)

    def ends(self, requests: Iterable[ColumnElement[bool]]) -> None:
        """Record that what we accepted before it has ended. Without a date nobody knows what came before it."""
        created = self.note.created_at
        if created is not None:
            note_accepts_ended(self.connection, self.provider, requests, at=self.at, accepted_before=created)

    def overtaken(self) -> bool:
        """Whether a later notification of the same type about the same share was already applied."""
        table, note = notification_table.c, self.note
        if note.created_at is None:
            return False
        later = select(table.id).where(
            table.provider_id == self.provider,
            table.type == note.type,
            table.property_id.is_not_distinct_from(note.property_id),
            table.meter_id.is_not_distinct_from(note.meter_id),
            table.created_at > note.created_at,
            table.effect.is_not(None),
        )
        return self.connection.execute(later.limit(1)).scalar() is not None


_Handler: TypeAlias = Callable[[_Context], _Effect | None]
"""Applies a notification and returns its effect; None if the effect is not known yet."""


def store_notifications(
    connection: Connection, provider: int, notifications: Iterable[Notification], *, at: datetime
) -> int:
    """Store each notification once, by its id; returns how many were new."""
    new = 0
    for each in notifications:
        values = {name: getattr(each, name) for name in each.__slots__}
        statement = insert(connection, notification_table).values(provider_id=provider, **values, first_seen=at)
        new += connection.execute(statement.on_conflict_do_nothing()).rowcount
    return new


def apply_notifications(
    connection: Connection, provider: int, snapshot: Snapshot, *, begun: datetime, at: datetime
) -> Iterator[Finding]:
    """Apply each stored notification that has no effect yet, oldest first; yields the findings to report."""
    table = notification_table.c
    waiting = select(notification_table).where(table.provider_id == provider, table.effect.is_(None))
    rows = connection.execute(waiting.order_by(table.created_at.is_(None), table.created_at, table.id)).all()
    for row in rows:
        effect = _HANDLERS.get(row.type, _unknown)(_Context(connection, provider, row, snapshot, begun, at))
        if effect is None:
            continue
        had = notification_table.update().where(table.provider_id == provider, table.id == row.id)
        connection.execute(had.values(effect=effect.text))
        yield from effect.findings


def owners_of_unapplied(connection: Connection, provider: int) -> frozenset[int | None]:
    """The owners whose reads will show what a waiting notification changed. Reads only."""
    table = notification_table.c
    waiting = select(table.account_id, table.property_id).where(table.provider_id == provider, table.effect.is_(None))
    rows = connection.execute(waiting).all()
    owners = {row.account_id for row in rows}
    for number in {row.property_id for row in rows if row.property_id is not None}:
        item = current_item(connection, provider, RequestKey(Kind.PROPERTY, number))
        owners.add(None if item is None else item.owner_id)
    return frozenset(owners)


def _disconnected(news: _Context) -> _Effect | None:
    if news.note.account_id is None:
        return _for_review(news, None, "it names no account; nothing changed")
    key = RequestKey(Kind.CONNECTION, news.note.account_id)
    news.ends(requests_of(key))  # its shares may stay
    return _ended(news, key)


def _unshared(news: _Context) -> _Effect | None:
    key = _share(news.note)
    if key is None:
        return _for_review(news, None, "it names no property or meter; nothing changed")
    news.ends(requests_of(key))
    return _ended(news, key)


def _ended(news: _Context, key: RequestKey) -> _Effect | None:
    """End the item, unless it is newer than the notification or reads still show it."""
    item = current_item(news.connection, news.provider, key)
    what = "connection" if key.kind is Kind.CONNECTION else "share"
    if item is None:
        return _Effect(f"no {what} {key} was known; nothing changed")
    if news.is_older_than(item.first_seen):
        return _Effect(f"it is older than the known {what} {key}; nothing changed")
    shown = news.shown(key, item.owner_id)
    if shown:
        return _ended_yet_shown(news, item, key)
    if shown is None and news.note.created_at is None:
        return _for_review(news, key, "it has no date, so it may be outdated; nothing changed")
    if shown is None and news.may_be_read(key, item.owner_id) and news.patient:
        return None
    return _over(news, item, key)


def _ended_yet_shown(news: _Context, item: InventoryItem, key: RequestKey) -> _Effect | None:
    """Handle an end that reads contradict: a later accept of ours, a list that lags, or an unknown cause."""
    created = news.note.created_at
    if created is None or not accepted_after(news.connection, news.provider, key, created):
        if news.patient:
            return None
        return _for_review(news, key, "Portfolio Manager still shows it, or again, after an hour; nothing changed")
    over = _over(news, item, key)
    again = begin_items(
        news.connection,
        news.provider,
        key.kind,
        [key.id],
        owner=item.owner_id,
        baseline=False,
        begun=news.begun,
        at=news.at,
    )
    return _Effect(f"{over.text}; a later accept of ours restored it", (*over.findings, *again))


def _over(news: _Context, item: InventoryItem, key: RequestKey) -> _Effect:
    end_items(news.connection, [item], at=news.note.created_at or news.at, by=f"notification {news.note.id}")
    if key.kind is Kind.CONNECTION:
        text = f"account {key.id} is no longer connected; its shares stay until reads or notifications show their end"
        return _Effect(text, (Finding(FindingKind.CONNECTION_ENDED, key, text),))
    text = f"{key.kind} {key.id} is no longer shared with us"
    return _Effect(text, (Finding(FindingKind.SHARE_ENDED, key, text),))


def _access_changed(news: _Context) -> _Effect:
    key = _share(news.note)
    if key is None:
        return _for_review(news, None, "it names no property or meter; nothing changed")
    level = _level(news.note.description)
    if level is None:
        return _for_review(news, key, "its description names no access level; nothing changed")
    item = current_item(news.connection, news.provider, key)
    if item is None:
        return _Effect(f"access level {level}, but no share {key} was known; nothing changed")
    if news.is_older_than(accept_sent_at(news.connection, item)) or news.overtaken():
        return _Effect(f"access level {level}, but newer information about {key} is known; nothing changed")
    if news.note.created_at is None and item.access_level != level:
        return _for_review(news, key, f"access level {level}, without a date; nothing changed")
    return _revised(news, item, key, level)


def _level(description: str) -> str | None:
    """The access level that a description names; None if it names none or several."""
    # The property's name comes before these words and a person's name after them; both may contain anything.
    said = {match.casefold() for match in _LEVEL.findall(description)}
    if len(said) != 1:
        return None
    return READ if said.pop() in {"read only", "read"} else READ_WRITE


def _revised(news: _Context, item: InventoryItem, key: RequestKey, level: str) -> _Effect:
    if item.access_level == level:
        return _Effect(f"access level {level}, as already known; nothing changed")
    changed = inventory_table.update().where(inventory_table.c.id == item.id)
    news.connection.execute(changed.values(access_level=level))
    before = f" (it was {item.access_level})" if item.access_level else ""
    text = f"access to {key.kind} {key.id} is now {level}{before}"
    lowered = level == READ and item.origin != Origin.BEFORE_US
    kind = FindingKind.ACCESS_LOWERED if lowered else FindingKind.ACCESS_CHANGED
    return _Effect(text, (Finding(kind, key, text, lowered=level == READ),))


def _transferred(news: _Context) -> _Effect:
    number, owner = news.note.property_id, news.note.account_id
    if number is None or owner is None:
        return _for_review(news, None, "it does not name both the property and the new owner; nothing changed")
    key = RequestKey(Kind.PROPERTY, number)
    news.ends(requests_of(key))
    item = current_item(news.connection, news.provider, key)
    if item is None:
        return _Effect(f"no share {key} was known; nothing changed")
    if news.is_older_than(item.first_seen) or news.overtaken():
        return _Effect(f"newer information about the owner of {key} is known; nothing changed")
    if item.owner_id == owner:
        return _Effect(f"{key} belongs to account {owner}, as already known; nothing changed")
    if news.note.created_at is None:
        return _for_review(news, key, f"account {owner} owns it, without a date; nothing changed")
    table = inventory_table.c
    of_it = table.property_id == number
    moved = inventory_table.update().where(table.provider_id == news.provider, table.ended_at.is_(None), of_it)
    news.connection.execute(moved.values(owner_id=owner, absent_since=None))
    text = f"property {number} now belongs to account {owner} (before: account {item.owner_id})"
    return _Effect(text, (Finding(FindingKind.OWNER_CHANGED, key, text),))


def _unknown(news: _Context) -> _Effect:
    return _for_review(news, _share(news.note), "its type is unknown to this program; nothing changed")


def _for_review(news: _Context, key: RequestKey | None, text: str) -> _Effect:
    """An effect without a known change, reported so that people can review it."""
    return _Effect(text, (Finding(FindingKind.NOTIFICATION_NOTED, key, f"notification {news.note.id}: {text}"),))


def _share(note: Row[Any]) -> RequestKey | None:
    """The share that a notification is about: the meter's if it names one, otherwise the property's."""
    if note.meter_id is not None:
        return RequestKey(Kind.METER, note.meter_id)
    return None if note.property_id is None else RequestKey(Kind.PROPERTY, note.property_id)


_HANDLERS: Mapping[str, _Handler] = MappingProxyType(
    {
        "DISCONNECT": _disconnected,
        "UNSHARE": _unshared,
        "SHAREUPDATE": _access_changed,
        "TRANSFERPROPERTY": _transferred,
    }
)
"""The four types that EPA documents (docs/protocol.md#notifications)."""
