"""The outbox: which notices are due, who sends them, and what became of them; resends and lists them.

A sender claims what it is about to send for longer than sending can take, so that no other sender sends it meanwhile.
If it is killed, another one sends the same notice again, with the same id. Notices about one request reach each target
in order: a notice is due only if no earlier one of the same request and target waits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, func, or_, select

from pm_autoaccept.ledger.db.id_lists import id_list, is_one_of
from pm_autoaccept.ledger.db.queries import ROWS_PER_FETCH
from pm_autoaccept.ledger.db.tables import DEAD_NOTICE, WAITING_NOTICE
from pm_autoaccept.ledger.db.tables import notice as notice_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.notices import GATHERED
from pm_autoaccept.ledger.private_values import DIGEST_PREFIX
from pm_autoaccept.model import (
    Dead,
    Delivered,
    DeliveryResult,
    NoticeKind,
    NoticeState,
    NoticeTarget,
    Outgoing,
    TargetKind,
)
from pm_autoaccept.notice_schedule import EVERY_ATTEMPT, next_attempt

MAX_GATHERED = 200
"""The most events in one message to people."""

PRIVATE = "(private)"
"""Shown instead of the value of a private custom field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What a sender is about to send to one target: a notice, or several gathered into one message.

    Attributes:
        numbers: the numbers of its rows.
        until: until when they are claimed, which identifies the claim.
    """

    numbers: tuple[int, ...]
    until: datetime
    notice: Outgoing


def due_targets(connection: Connection, *, at: datetime) -> frozenset[str]:
    """The names of the targets for which something is due. Reads only."""
    return frozenset(connection.execute(_DUE_TARGETS, {"at": at}).scalars())


def claim_next(connection: Connection, target: NoticeTarget, *, at: datetime, lasts: timedelta) -> Claimed | None:
    """Claim what is to be sent next to a target; None if nothing is due.

    Args:
        connection: within a transaction.
        target: the target.
        at: now.
        lasts: how long the claim lasts: longer than sending can take.
    """
    said = {"target": target.name, "at": at}
    first = connection.execute(_NEXT, said).first()
    if first is None:
        return None
    rows: Sequence[Row[Any]] = [first]
    if target.kind is TargetKind.PEOPLE and first.kind in GATHERED:
        rows = connection.execute(_GATHERED, said).all()
    until = at + lasts
    numbers = tuple(row.id for row in rows)
    claimed = connection.execute(_CLAIM, {"numbers": numbers, "at": at, "until": until})
    if claimed.rowcount != len(numbers):
        # Another sender was faster, so leave all of them to it or to the next look.
        connection.execute(_RELEASE, {"numbers": numbers, "until": until})
        return None
    return Claimed(numbers=numbers, until=until, notice=_outgoing(connection, target, rows))


def settle(connection: Connection, claimed: Claimed, result: DeliveryResult, *, at: datetime) -> NoticeState | None:
    """Record the result of sending; returns the state of the first notice, or None if the claim was lost."""
    rows = connection.execute(_CLAIMED, {"numbers": claimed.numbers, "until": claimed.until}).all()
    states = [_settle(connection, row, result, at=at) for row in rows]
    return states[0] if states else None


def _settle(connection: Connection, row: Row[Any], result: DeliveryResult, *, at: datetime) -> NoticeState:
    values: dict[str, object] = {"claimed_until": None}
    if isinstance(result, Delivered):
        state = NoticeState.DELIVERED
        values |= {"state": state, "ended_at": at, "error": ""}
    else:
        again = None if isinstance(result, Dead) else next_attempt(row.attempts, at=at, after=result.after)
        state = NoticeState.DEAD if again is None else NoticeState.WAITING
        values |= {"error": result.why, "state": state}
        values |= {"ended_at": at} if again is None else {"due_at": again}
    connection.execute(notice_table.update().where(notice_table.c.id == row.id).values(**values))
    return state


def release(connection: Connection, claimed: Claimed) -> None:
    """Give up a claim without a result, so that it is sent again at once."""
    connection.execute(_RELEASE, {"numbers": claimed.numbers, "until": claimed.until})


def resend(
    connection: Connection,
    *,
    at: datetime,
    event_ids: Collection[str] | None = None,
    target: str | None = None,
) -> int:
    """Send dead notices again, with the same ids and as often as new ones; returns how many those are.

    Args:
        connection: within a transaction.
        at: now.
        event_ids: only these events, and also delivered ones; None for all dead ones.
        target: only for this target.
    """
    table = notice_table.c
    ended = [DEAD_NOTICE] if event_ids is None else [table.state.in_((NoticeState.DEAD, NoticeState.DELIVERED))]
    which: list[Any] = [*ended]
    if event_ids is not None:
        which.append(table.event_id.in_(list(event_ids)))
    if target is not None:
        which.append(table.target == target)
    again = {"state": NoticeState.WAITING, "due_at": at, "attempts": 0, "ended_at": None, "claimed_until": None}
    return connection.execute(notice_table.update().where(*which).values(**again, error="")).rowcount


def end_notices_of_others(connection: Connection, targets: Collection[str], *, at: datetime) -> int:
    """End the old notices of targets that are not in the settings any more; returns how many those are."""
    table = notice_table.c
    old = WAITING_NOTICE, table.target.not_in(list(targets)), table.created_at < at - EVERY_ATTEMPT
    ended = {"state": NoticeState.DEAD, "ended_at": at, "error": "the target is not in the settings any more"}
    return connection.execute(notice_table.update().where(*old).values(**ended)).rowcount


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRow:
    """A notice for one target, as `notices list` shows it."""

    event_id: str
    target: str
    account: str
    kind: NoticeKind
    body: Mapping[str, Any]
    created_at: datetime
    due_at: datetime
    attempts: int
    state: NoticeState
    ended_at: datetime | None
    error: str


def list_notices(
    connection: Connection,
    *,
    states: Collection[NoticeState] = tuple(NoticeState),
    target: str | None = None,
    account: str | None = None,
) -> Iterator[NoticeRow]:
    """Yield the notices in these states, oldest first."""
    table = notice_table.c
    # With the conditions of the indexes as they are written there.
    conditions = {NoticeState.WAITING: WAITING_NOTICE, NoticeState.DEAD: DEAD_NOTICE}
    query = select(notice_table).where(or_(*(conditions.get(state, table.state == state) for state in states)))
    if target is not None:
        query = query.where(table.target == target)
    if account is not None:
        query = query.where(table.account == account)
    for row in connection.execute(query.order_by(table.id).execution_options(yield_per=ROWS_PER_FETCH)):
        yield NoticeRow(
            event_id=row.event_id,
            target=row.target,
            account=row.account,
            kind=NoticeKind(row.kind),
            body=row.body,
            created_at=row.created_at,
            due_at=row.due_at,
            attempts=row.attempts,
            state=NoticeState(row.state),
            ended_at=row.ended_at,
            error=row.error,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxCount:
    """How many notices of a target wait, how many are dead, and since when the oldest waiting one is due."""

    waiting: int = 0
    dead: int = 0
    oldest_due_at: datetime | None = None


def count_notices(connection: Connection) -> Mapping[str, OutboxCount]:
    """Target → how many of its notices wait and how many are dead. Reads only."""
    waiting = {row.target: row for row in connection.execute(_COUNT_WAITING)}
    dead = {row.target: row.number for row in connection.execute(_COUNT_DEAD)}
    return {
        target: OutboxCount(
            waiting=waiting[target].number if target in waiting else 0,
            dead=dead.get(target, 0),
            oldest_due_at=waiting[target].oldest if target in waiting else None,
        )
        for target in sorted({*waiting, *dead})
    }


def _outgoing(connection: Connection, target: NoticeTarget, rows: Sequence[Row[Any]]) -> Outgoing:
    """What to send: one notice as it is, or for people a message with its events."""
    first = rows[0]
    known = _personal_data(connection, rows) if target.personal else {}
    body: Mapping[str, Any]
    if target.kind is TargetKind.PEOPLE and first.kind in GATHERED:
        body = {
            "events": [
                {
                    "event_id": row.event_id,
                    "kind": row.kind,
                    "created_at": row.created_at.isoformat(),
                    "account": row.account,
                    **_completed(row.body, known),
                }
                for row in rows
            ]
        }
    else:
        body = _completed(first.body, known)
    return Outgoing(
        event_id=first.event_id,
        created_at=first.created_at,
        kind=NoticeKind(first.kind),
        account=first.account,
        body=body,
    )


def _completed(body: Mapping[str, Any], known: Mapping[int, Mapping[str, object]]) -> dict[str, Any]:
    """A body with the personal data that is known of its requests, and without the numbers of their rows."""
    made = dict(body)
    for name, value in body.items():
        if isinstance(value, Mapping) and "row" in value:
            made[name] = _request(value, known)
        elif isinstance(value, list):
            made[name] = [_request(each, known) if isinstance(each, Mapping) else each for each in value]
    return made


def _request(request: Mapping[str, Any], known: Mapping[int, Mapping[str, object]]) -> dict[str, Any]:
    rest = {name: value for name, value in request.items() if name != "row"}
    return rest | dict(known.get(request.get("row", 0), {}))


def _personal_data(connection: Connection, rows: Iterable[Row[Any]]) -> dict[int, dict[str, object]]:
    """Request row number → the names and custom fields of its customer, as far as retention still keeps them."""
    numbers = sorted({number for row in rows for number in _request_rows(row.body)})
    return {
        row.id: {
            "username": row.username,
            "custom": [
                [name, PRIVATE if value.startswith(DIGEST_PREFIX) else value] for name, value in row.custom or ()
            ],
        }
        for row in connection.execute(_WHO_ASKED, {"numbers": numbers})
    }


def _request_rows(body: Mapping[str, Any]) -> Iterator[int]:
    for value in body.values():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Mapping) and "row" in each:
                yield each["row"]


_NOTICE = notice_table.c
_earlier = notice_table.alias("earlier")
_COLUMNS = [
    _NOTICE[name]
    for name in (
        *("id", "event_id", "account", "request_id", "kind", "body"),
        *("created_at", "due_at", "attempts", "claimed_until"),
    )
]


def _unclaimed(at: ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(_NOTICE.claimed_until.is_(None), _NOTICE.claimed_until <= at)


def _none_before(*which: ColumnElement[bool]) -> ColumnElement[bool]:
    """A condition: no earlier notice of the same request and target waits that also meets these conditions."""
    earlier = select(_earlier.c.id).where(
        _earlier.c.request_id == _NOTICE.request_id,
        _earlier.c.target == _NOTICE.target,
        _earlier.c.id < _NOTICE.id,
        _earlier.c.state == NoticeState.WAITING,
        *which,
    )
    return or_(_NOTICE.request_id.is_(None), ~earlier.correlate(notice_table).exists())


_AT: ColumnElement[Any] = bindparam("at", type_=_NOTICE.due_at.type)
_DUE = and_(WAITING_NOTICE, _NOTICE.due_at <= _AT, _unclaimed(_AT))
_DUE_TARGETS = select(_NOTICE.target).distinct().where(_DUE)
_NEXT: Select[Any] = (
    select(*_COLUMNS)
    .where(_NOTICE.target == bindparam("target"), _DUE, _none_before())
    .order_by(_NOTICE.due_at, _NOTICE.id)
    .limit(1)
)
_GATHERED: Select[Any] = (
    select(*_COLUMNS)
    .where(_NOTICE.target == bindparam("target"), WAITING_NOTICE, _NOTICE.kind.in_(GATHERED))
    .where(or_(_NOTICE.attempts == 0, _NOTICE.due_at <= _AT), _unclaimed(_AT))
    .where(_none_before(or_(and_(_earlier.c.attempts > 0, _earlier.c.due_at > _AT), _earlier.c.claimed_until > _AT)))
    .order_by(_NOTICE.id)
    .limit(MAX_GATHERED)
)
_OF_NUMBERS = is_one_of(_NOTICE.id, id_list("numbers"))
_UNTIL: ColumnElement[Any] = bindparam("until", type_=_NOTICE.claimed_until.type)
_CLAIM = (
    notice_table.update()
    .where(_OF_NUMBERS, _NOTICE.state == NoticeState.WAITING, _unclaimed(_AT))
    .values(claimed_until=_UNTIL, attempts=_NOTICE.attempts + 1)
)
_RELEASE = (
    notice_table.update()
    .where(_OF_NUMBERS, _NOTICE.claimed_until == _UNTIL)
    .values(claimed_until=None, attempts=_NOTICE.attempts - 1)
)
_CLAIMED: Select[Any] = (
    select(_NOTICE.id, _NOTICE.attempts)
    .where(_OF_NUMBERS, _NOTICE.claimed_until == _UNTIL, _NOTICE.state == NoticeState.WAITING)
    .order_by(_NOTICE.id)
    .with_for_update()
)
_COUNT_WAITING = (
    select(_NOTICE.target, func.count().label("number"), func.min(_NOTICE.due_at).label("oldest"))
    .where(WAITING_NOTICE)
    .group_by(_NOTICE.target)
)
_COUNT_DEAD = select(_NOTICE.target, func.count().label("number")).where(DEAD_NOTICE).group_by(_NOTICE.target)
_WHO_ASKED = select(request_table.c.id, request_table.c.username, request_table.c.custom).where(
    is_one_of(request_table.c.id, id_list("numbers"))
)
