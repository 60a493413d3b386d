"""Lets each notification have its effect once on what we know (reference §4.10, §6).

Notifications come twice, late, out of order, without dates, of types that nobody documented, and about what we never
knew; and with `clear=false` all of them come again in each cycle. So each is kept by its id, and its effect is written
beside it, in words, once. What reads show is the truth: a notification that says that something ended, of which the
lists still show it, waits, since lists lag; after an hour it is told to people and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, select

from pm_autoaccept.ledger.db.tables import notification as notification_table
from pm_autoaccept.ledger.db.tables import tie as tie_table
from pm_autoaccept.ledger.inventory import (
    Tie,
    accepted_after,
    begin,
    end,
    ground_sent_at,
    live_one,
    note_end,
    requests_of,
)
from pm_autoaccept.ledger.request_rows import insert
from pm_autoaccept.model import Finding, FindingKind, Kind, Notification, NotLearnt, Origin, RequestKey, Snapshot

PATIENCE = timedelta(hours=1)
"""How long a notification waits for reads to say the same."""

READ, READ_WRITE = "Read", "Read Write"

_LEVEL = re.compile(r"access level revised to (read only|exchange data|full access|read write|read)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Effect:
    """What a notification changed, in words, and what is to be told of it."""

    text: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class _News:
    """One notification and what the same cycle read beside it."""

    connection: Connection
    provider: int
    note: Row[Any]
    snapshot: Snapshot
    begun: datetime
    at: datetime

    @property
    def patient(self) -> bool:
        """Whether it may still wait for reads to say the same."""
        return bool(self.at - self.note.first_seen < PATIENCE)

    def is_older_than(self, moment: datetime | None) -> bool:
        """Whether it was surely made before this moment."""
        return bool(moment is not None and self.note.created_at is not None and self.note.created_at < moment)

    def shown(self, key: RequestKey, owner: int | None) -> bool | None:
        """Whether this cycle's reads show the connection or share; None where they cannot say."""
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
        """Whether a later read may show it: no list shows meters, nor what an account shares that is not connected."""
        connected = self.snapshot.connected
        return key.kind is not Kind.METER and (isinstance(connected, NotLearnt) or owner in connected)

    def ends(self, requests: ColumnElement[bool]) -> None:
        """Note that what we accepted before it has ended; without a date nobody can say what it came after."""
        created = self.note.created_at
        if created is not None:
            note_end(self.connection, self.provider, requests, at=self.at, accepted_before=created)

    def overtaken(self) -> bool:
        """Whether a later notification of the same type about the same thing has had its effect already."""
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


_Handler: TypeAlias = Callable[[_News], _Effect | None]
"""Says the effect, None while it cannot be said yet."""


def store(connection: Connection, provider: int, notifications: Iterable[Notification], *, at: datetime) -> int:
    """Store each notification once, by its id, and say how many were new."""
    new = 0
    for each in notifications:
        values = {name: getattr(each, name) for name in each.__slots__}
        statement = insert(connection, notification_table).values(provider_id=provider, **values, first_seen=at)
        new += connection.execute(statement.on_conflict_do_nothing()).rowcount
    return new


def notice(
    connection: Connection, provider: int, snapshot: Snapshot, *, begun: datetime, at: datetime
) -> Iterator[Finding]:
    """Let each stored notification without an effect have it, the oldest first; yields what is to be told."""
    table = notification_table.c
    waiting = select(notification_table).where(table.provider_id == provider, table.effect.is_(None))
    rows = connection.execute(waiting.order_by(table.created_at.is_(None), table.created_at, table.id)).all()
    for row in rows:
        effect = _HANDLERS.get(row.type, _unknown)(_News(connection, provider, row, snapshot, begun, at))
        if effect is None:
            continue
        had = notification_table.update().where(table.provider_id == provider, table.id == row.id)
        connection.execute(had.values(effect=effect.text))
        yield from effect.findings


def owners_of_waiting(connection: Connection, provider: int) -> frozenset[int | None]:
    """Owners whose reads will say what a waiting notification changed. Reads only."""
    table = notification_table.c
    waiting = select(table.account_id, table.property_id).where(table.provider_id == provider, table.effect.is_(None))
    rows = connection.execute(waiting).all()
    owners = {row.account_id for row in rows}
    for number in {row.property_id for row in rows if row.property_id is not None}:
        tie = live_one(connection, provider, RequestKey(Kind.PROPERTY, number))
        owners.add(None if tie is None else tie.owner_id)
    return frozenset(owners)


def _disconnected(news: _News) -> _Effect | None:
    if news.note.account_id is None:
        return _noted(news, None, "it names no account; nothing changed")
    key = RequestKey(Kind.CONNECTION, news.note.account_id)
    news.ends(requests_of(key))  # what it shares may stay
    return _ended(news, key)


def _unshared(news: _News) -> _Effect | None:
    key = _share(news.note)
    if key is None:
        return _noted(news, None, "it names no property or meter; nothing changed")
    news.ends(requests_of(key))
    return _ended(news, key)


def _ended(news: _News, key: RequestKey) -> _Effect | None:
    """End the tie, unless it is newer than the notification or reads show it still."""
    tie = live_one(news.connection, news.provider, key)
    what = "connection" if key.kind is Kind.CONNECTION else "share"
    if tie is None:
        return _Effect(f"no {what} was known as {key}; nothing changed")
    if news.is_older_than(tie.first_seen):
        return _Effect(f"it is older than the {what} that we know as {key}; nothing changed")
    shown = news.shown(key, tie.owner_id)
    if shown:
        return _ended_yet_shown(news, tie, key)
    if shown is None and news.note.created_at is None:
        return _noted(news, key, "it has no date, so that it may be older than what we know; nothing changed")
    if shown is None and news.may_be_read(key, tie.owner_id) and news.patient:
        return None
    return _over(news, tie, key)


def _ended_yet_shown(news: _News, tie: Tie, key: RequestKey) -> _Effect | None:
    """Said to have ended, and shown still: it came again by an accept of ours, or the list lags, or nobody knows."""
    created = news.note.created_at
    if created is None or not accepted_after(news.connection, news.provider, key, created):
        if news.patient:
            return None
        return _noted(news, key, "Portfolio Manager shows it still, or again, an hour later; nothing changed")
    over = _over(news, tie, key)
    again = begin(
        news.connection,
        news.provider,
        key.kind,
        [key.id],
        owner=tie.owner_id,
        baseline=False,
        begun=news.begun,
        at=news.at,
    )
    return _Effect(f"{over.text}; our accept after it brought it again", (*over.findings, *again))


def _over(news: _News, tie: Tie, key: RequestKey) -> _Effect:
    end(news.connection, [tie], at=news.note.created_at or news.at, by=f"notification {news.note.id}")
    if key.kind is Kind.CONNECTION:
        text = f"account {key.id} is connected no more; what it shares stays until reads or notifications say otherwise"
        return _Effect(text, (Finding(FindingKind.CONNECTION_ENDED, key, text),))
    text = f"{key.kind} {key.id} is shared with us no more"
    return _Effect(text, (Finding(FindingKind.SHARE_ENDED, key, text),))


def _access_changed(news: _News) -> _Effect:
    key = _share(news.note)
    if key is None:
        return _noted(news, None, "it names no property or meter; nothing changed")
    level = _level(news.note.description)
    if level is None:
        return _noted(news, key, "its description does not say which access level; nothing changed")
    tie = live_one(news.connection, news.provider, key)
    if tie is None:
        return _Effect(f"access level {level}, but no share was known as {key}; nothing changed")
    if news.is_older_than(ground_sent_at(news.connection, tie)) or news.overtaken():
        return _Effect(f"access level {level}, but something newer is known of {key}; nothing changed")
    if news.note.created_at is None and tie.access_level != level:
        return _noted(news, key, f"access level {level}, without a date; nothing changed")
    return _revised(news, tie, key, level)


def _level(description: str) -> str | None:
    """The access level that a description names; None where it names none, or several."""
    # The property's name stands before these words and a person's after them, and both may say anything.
    said = {match.casefold() for match in _LEVEL.findall(description)}
    if len(said) != 1:
        return None
    return READ if said.pop() in {"read only", "read"} else READ_WRITE


def _revised(news: _News, tie: Tie, key: RequestKey, level: str) -> _Effect:
    if tie.access_level == level:
        return _Effect(f"access level {level}, as we knew; nothing changed")
    changed = tie_table.update().where(tie_table.c.id == tie.id)
    news.connection.execute(changed.values(access_level=level))
    before = f" (it was {tie.access_level})" if tie.access_level else ""
    text = f"access to {key.kind} {key.id} is {level} now{before}"
    lowered = level == READ and tie.origin != Origin.BEFORE_US
    kind = FindingKind.ACCESS_LOWERED if lowered else FindingKind.ACCESS_CHANGED
    return _Effect(text, (Finding(kind, key, text),))


def _transferred(news: _News) -> _Effect:
    number, owner = news.note.property_id, news.note.account_id
    if number is None or owner is None:
        return _noted(news, None, "it does not name both property and new owner; nothing changed")
    key = RequestKey(Kind.PROPERTY, number)
    news.ends(requests_of(key))
    tie = live_one(news.connection, news.provider, key)
    if tie is None:
        return _Effect(f"no share was known as {key}; nothing changed")
    if news.is_older_than(tie.first_seen) or news.overtaken():
        return _Effect(f"something newer is known of the owner of {key}; nothing changed")
    if tie.owner_id == owner:
        return _Effect(f"{key} belongs to account {owner}, as we knew; nothing changed")
    if news.note.created_at is None:
        return _noted(news, key, f"account {owner} owns it, without a date; nothing changed")
    table = tie_table.c
    of_it = table.property_id == number
    moved = tie_table.update().where(table.provider_id == news.provider, table.ended_at.is_(None), of_it)
    news.connection.execute(moved.values(owner_id=owner, absent_since=None))
    text = f"property {number} belongs to account {owner} now (before: account {tie.owner_id})"
    return _Effect(text, (Finding(FindingKind.OWNER_CHANGED, key, text),))


def _unknown(news: _News) -> _Effect:
    return _noted(news, _share(news.note), "it is of a type that this program does not know; nothing changed")


def _noted(news: _News, key: RequestKey | None, text: str) -> _Effect:
    """Nothing is known to have changed, and people should look."""
    return _Effect(text, (Finding(FindingKind.NOTIFICATION_NOTED, key, f"notification {news.note.id}: {text}"),))


def _share(note: Row[Any]) -> RequestKey | None:
    """The share that a notification is about: a meter's where it names one."""
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
"""The four types that EPA documents (reference §4.10)."""
