"""Begins and ends ties: connections and shares as far as we know them, and which answer of ours each rests on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from pm_autoaccept.ledger.db.tables import decision as decision_table
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.db.tables import tie as tie_table
from pm_autoaccept.ledger.request_rows import TAKEN, account_to_name, chunks
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
    command_that_removes,
)

Tie: TypeAlias = Row[Any]

KNOWN_WITHIN = timedelta(days=2)
"""How long after an accept it is known whether it was taken: the wait for an unknown one doubles to a day."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The accept on which a tie rests."""

    request: int
    sent_at: datetime
    owner: int | None
    property_id: int | None
    access_level: str | None


def live(connection: Connection, provider: int, kind: Kind) -> dict[int, Tie]:
    """Id → the tie of this kind that has not ended."""
    table = tie_table.c
    query = select(tie_table).where(table.provider_id == provider, table.kind == kind, table.ended_at.is_(None))
    return {row.pm_id: row for row in connection.execute(query)}


def live_one(connection: Connection, provider: int, key: RequestKey) -> Tie | None:
    """The tie of this key that has not ended."""
    table = tie_table.c
    query = select(tie_table).where(
        table.provider_id == provider, table.kind == key.kind, table.pm_id == key.id, table.ended_at.is_(None)
    )
    return connection.execute(query).one_or_none()


def begin(
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
    """Begin a tie for each connection or property share that a read shows for the first time, or again.

    Args:
        connection: within a transaction.
        provider: whose.
        kind: of all of them.
        ids: Portfolio Manager's.
        owner: in whose list a property stood.
        baseline: this was the first read of its kind, so that what no answer of ours explains was there before us,
            unless the ledger saw it pend.
        begun: when the read began.
        at: now.

    Returns:
        What came in undecided.
    """
    grounds = _grounds(connection, provider, kind, ids)
    pended = _pended(connection, provider, kind, ids, before=begun) if baseline else frozenset()
    rows, findings = [], []
    for number in sorted(ids):
        ground = grounds.get(number)
        if ground is not None:
            origin = Origin.DECIDED
        else:
            origin = Origin.BEFORE_US if baseline and number not in pended else Origin.UNDECIDED
        rows.append(_row(provider, RequestKey(kind, number), origin, ground, owner=owner, at=at))
        if origin is Origin.UNDECIDED:
            findings.append(_undecided(RequestKey(kind, number), owner, account_to_name(connection, provider)))
    if rows:
        connection.execute(tie_table.insert(), rows)
    return findings


def _row(
    provider: int, key: RequestKey, origin: Origin, ground: Ground | None, *, owner: int | None, at: datetime
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
        text = f"account {key.id} is connected, not by an answer of ours"
    else:
        text = f"property {key.id} of account {owner} is shared with us, not by an answer of ours"
    return Finding(FindingKind.CAME_IN_UNDECIDED, key, text, command_that_removes(key, account=account))


def accepts_since(provider: int, since: datetime | None) -> Any:  # noqa: ANN401 — a query of SQLAlchemy's own long type
    """Ask what we accepted, where it is known since this moment that it was taken (None: ever); the oldest first.

    It may be very much: to be narrowed down before it is read.
    """
    query = _sent(Outcome.DONE, Outcome.DONE_INFERRED).where(request_table.c.provider_id == provider)
    if since is not None:
        # By an index: what an answer of unknown fate came to is known a day after it at the latest.
        query = query.where(intent_table.c.sent_at >= since - KNOWN_WITHIN, intent_table.c.outcome_at >= since)
    return query


def begin_accepted_meters(connection: Connection, provider: int, *, since: datetime | None) -> None:
    """Begin a tie for each meter share that we accepted: no list that we read shows meters."""
    without_tie = (
        accepts_since(provider, since)
        .outerjoin(tie_table, tie_table.c.request_id == request_table.c.id)
        .where(request_table.c.kind == Kind.METER, tie_table.c.id.is_(None))
    )
    meters = {row.pm_id: row for row in connection.execute(without_tie)}
    known = live(connection, provider, Kind.METER) if meters else {}
    for number, row in meters.items():
        if number in known:  # it pended again, so that the share before it had ended
            end(connection, [known[number]], at=row.sent_at, by="an accept that came after it")
        made = _row(provider, RequestKey(Kind.METER, number), Origin.DECIDED, _ground(row), owner=None, at=row.sent_at)
        connection.execute(tie_table.insert().values(**made))


def end(connection: Connection, ties: Iterable[Tie], *, at: datetime, by: str) -> None:
    """End ties, and with a property the shares of its meters; what was accepted may then be asked again."""
    table = tie_table.c
    for tie in ties:
        which = table.id == tie.id
        if tie.kind == Kind.PROPERTY:
            live_meters = and_(
                table.provider_id == tie.provider_id,
                table.kind == Kind.METER,
                table.property_id == tie.pm_id,
                table.ended_at.is_(None),
            )
            which = or_(which, live_meters)
        grounds = select(table.request_id).where(which, table.request_id.is_not(None))
        asked = request_table.update().where(request_table.c.id.in_(grounds), request_table.c.end_noted_at.is_(None))
        connection.execute(asked.values(end_noted_at=at))
        connection.execute(tie_table.update().where(which).values(ended_at=at, ended_by=by))


def note_end(
    connection: Connection, provider: int, *which: ColumnElement[bool], at: datetime, accepted_before: datetime
) -> None:
    """Note that what we accepted has ended, whether or not a read ever showed it: it may be asked again from now on.

    Args:
        connection: within a transaction.
        provider: whose.
        which: conditions on the requests.
        at: when it was known.
        accepted_before: when it ended: what was accepted later is not what has ended.
    """
    accepts = select(intent_table.c.request_id).where(
        intent_table.c.action == Action.ACCEPT,
        intent_table.c.outcome.in_(TAKEN),
        intent_table.c.sent_at < accepted_before,
    )
    table = request_table.c
    ended = request_table.update().where(table.provider_id == provider, table.end_noted_at.is_(None), *which)
    connection.execute(ended.where(table.id.in_(accepts)).values(end_noted_at=at))


def requests_of(key: RequestKey) -> ColumnElement[bool]:
    """The requests of one connection or share, and with a property those of its meters."""
    table = request_table.c
    itself = and_(table.kind == key.kind, table.pm_id == key.id)
    if key.kind is not Kind.PROPERTY:
        return itself
    return or_(itself, and_(table.kind == Kind.METER, table.property_id == key.id))


def requests_by(owner: int) -> ColumnElement[bool]:
    """The connection requests and shares of one owner."""
    return request_table.c.account_id == owner


def gone_findings(ties: Iterable[Tie]) -> list[Finding]:
    """What is told of ties that reads do not show any more."""
    findings = []
    for tie in ties:
        key = RequestKey(Kind(tie.kind), tie.pm_id)
        if key.kind is Kind.CONNECTION:
            findings.append(Finding(FindingKind.CONNECTION_ENDED, key, f"account {key.id} is connected no more"))
        else:
            findings.append(Finding(FindingKind.SHARE_ENDED, key, f"{key.kind} {key.id} is shared with us no more"))
    return findings


def accepted_after(connection: Connection, provider: int, key: RequestKey, moment: datetime) -> bool:
    """Whether an accept of ours was sent after this moment."""
    found = _accepts(connection, provider, key.kind, [key.id]).get(key.id, [])
    return any(ground.sent_at > moment for ground in found)


def ground_sent_at(connection: Connection, tie: Tie) -> datetime | None:
    """When the accept was sent on which a tie rests; None where it rests on none."""
    if tie.request_id is None:
        return None
    sent = select(intent_table.c.sent_at).where(
        intent_table.c.request_id == tie.request_id,
        intent_table.c.action == Action.ACCEPT,
        intent_table.c.outcome != Outcome.NOT_SENT,
    )
    return connection.execute(sent.order_by(intent_table.c.id.desc()).limit(1)).scalar()


def _grounds(connection: Connection, provider: int, kind: Kind, ids: Collection[int]) -> dict[int, Ground]:
    """Id → the accept that explains it, sent after what stood there before had ended."""
    ended = _ended(connection, provider, kind, ids)
    last = {number: grounds[-1] for number, grounds in _accepts(connection, provider, kind, ids).items()}
    carried = _carried(connection, provider, list(ids)) if kind is Kind.PROPERTY else {}
    found = {}
    for number in ids:
        for ground in (last.get(number), carried.get(number)):
            if ground is not None and not (number in ended and ground.sent_at <= ended[number]):
                found[number] = ground
                break
    return found


def _accepts(connection: Connection, provider: int, kind: Kind, ids: Collection[int]) -> Mapping[int, list[Ground]]:
    found: dict[int, list[Ground]] = defaultdict(list)
    for some in chunks(sorted(ids)):
        query = _sent(*TAKEN).where(
            request_table.c.provider_id == provider, request_table.c.kind == kind, request_table.c.pm_id.in_(some)
        )
        for row in connection.execute(query):
            found[row.pm_id].append(_ground(row))
    return found


def _carried(connection: Connection, provider: int, properties: list[int]) -> dict[int, Ground]:
    """Property → the meter's accept that shared it read-only, by a rule that tests `property.share: none`."""
    found = {}
    for some in chunks(properties):
        query = (
            _sent(*TAKEN)
            .add_columns(decision_table.c.evidence)
            .join(decision_table, decision_table.c.id == intent_table.c.decision_id)
            .where(
                request_table.c.provider_id == provider,
                request_table.c.kind == Kind.METER,
                request_table.c.property_id.in_(some),
            )
        )
        for row in connection.execute(query):
            if any(_says_none(*each) for each in row.evidence):
                found[row.property_id] = replace(_ground(row), access_level="Read")
    return found


def _ground(row: Row[Any]) -> Ground:
    return Ground(row.id, row.sent_at, row.account_id, row.property_id, row.access_level)


def _sent(*outcomes: Outcome) -> Any:  # noqa: ANN401 — a query of SQLAlchemy's own long type
    """Accepts of ours that ended so, the oldest first."""
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


def _ended(connection: Connection, provider: int, kind: Kind, ids: Collection[int]) -> dict[int, datetime]:
    """Id → until when its last tie surely stood: seen last, or ended as a notification says, the earlier of both."""
    table, found = tie_table.c, {}
    for some in chunks(sorted(ids)):
        query = select(table.pm_id, table.last_seen, table.ended_at).where(
            table.provider_id == provider, table.kind == kind, table.pm_id.in_(some), table.ended_at.is_not(None)
        )
        for row in connection.execute(query.order_by(table.id)):
            found[row.pm_id] = min(row.last_seen, row.ended_at)
    return found


def _pended(
    connection: Connection, provider: int, kind: Kind, ids: Collection[int], *, before: datetime
) -> frozenset[int]:
    """Which of them the ledger saw pend before this read: they were not there before us."""
    table = request_table.c
    found: set[int] = set()
    for some in chunks(sorted(ids)):
        query = select(table.pm_id).where(
            table.provider_id == provider, table.kind == kind, table.pm_id.in_(some), table.first_seen < before
        )
        found.update(connection.execute(query).scalars())
    return frozenset(found)
