"""Keeps intents, durable before a POST leaves: those that wait together are recorded together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam

from pm_autoaccept import __version__
from pm_autoaccept.errors import AlreadyAnswered, LedgerUnavailable, OverLimit
from pm_autoaccept.ledger.braking import not_paused
from pm_autoaccept.ledger.counting import counted
from pm_autoaccept.ledger.deciding import last_decisions, row_of
from pm_autoaccept.ledger.falling import fell
from pm_autoaccept.ledger.rows import LONGEST_WAIT, RequestRow, current, last_intent, rows_by_key
from pm_autoaccept.ledger.tables import decision as decision_table
from pm_autoaccept.ledger.tables import intent as intent_table
from pm_autoaccept.ledger.tables import request as request_table
from pm_autoaccept.limits import has_room
from pm_autoaccept.model import Mode, Outcome, RequestKey, Step

READS_UNTIL_REPEATED = 2
"""Whole reads, begun after an answer of unknown fate was sent, that must show its request pending still."""


def may_repeat(row: RequestRow, sent: Row[Any], *, read: datetime, unknown_wait: timedelta | None) -> bool:
    """Whether an open answer may be sent once more, by the rule of unknowns.

    It may if two whole reads show the request pending still, the second (begun at `read`) so long after the answer was
    sent that no more can come of it. Each attempt doubles the wait, to a day. None: no wait is long enough yet.
    """
    if unknown_wait is None:
        return False
    wait = max(unknown_wait, min(unknown_wait * int(2 ** min(sent.attempts - 1, 10)), LONGEST_WAIT))
    return bool(row.present_reads >= READS_UNTIL_REPEATED and read >= sent.sent_at + wait)


class Answer(NamedTuple):
    """A step that is about to be sent, and when."""

    step: Step
    at: datetime


def intend(
    connection: Connection, provider: int, answers: Sequence[Answer], *, unknown_wait: timedelta | None
) -> list[int]:
    """Record that these answers are about to be sent, by which decisions, and what may fall with each: all or none.

    Raises:
        AlreadyAnswered: the ledger knows of an answer to one of the requests, by another process for instance.
        OverLimit: with them, a limit of the policy would be passed.
        Paused: somebody has paused answering.
        LedgerUnavailable: one of the requests was never recorded.
    """
    not_paused(connection, provider)
    rows = rows_by_key(connection, provider, (step.key for step, _ in answers), lock=True)
    intents: dict[RequestKey, int] = {}
    first: dict[RequestKey, tuple[Answer, RequestRow]] = {}
    for answer in answers:
        step, known = answer.step, rows.get(answer.step.key, [])
        row = current(known, step.decision.request).row
        if row is None:
            raise LedgerUnavailable(f"{step.key} was to be answered before it was recorded; nothing was sent")
        if step.repeats and row.outcome == Outcome.OPEN:
            intents[step.key] = _intend_again(connection, row, answer, unknown_wait=unknown_wait)
        elif step.repeats or step.key in first or _answered(row, known):
            raise AlreadyAnswered(f"{step.key} was answered already, by another process with this ledger")
        else:
            first[step.key] = answer, row
    intents |= _intend_first(connection, first)
    for step, _ in answers:
        if step.falls:
            _may_fall(connection, provider, step, intents[step.key])
    _within_limits(connection, provider, answers)
    return [intents[step.key] for step, _ in answers]


def _answered(row: RequestRow, known: Sequence[RequestRow]) -> bool:
    """Whether a request was answered, or one of the same id has an answer of unknown fate."""
    return row.outcome not in (None, Outcome.REFUSED) or any(each.outcome == Outcome.OPEN for each in known)


def _intend_first(
    connection: Connection, first: Mapping[RequestKey, tuple[Answer, RequestRow]]
) -> dict[RequestKey, int]:
    """The intents of requests that were not answered yet."""
    if not first:
        return {}
    decisions = _decisions_of(connection, list(first.values()))
    new = [
        {
            "request_id": row.id,
            "decision_id": decisions[row.id],
            "action": step.action,
            "note": step.decision.note,
            "program": __version__,
            "intended_at": at,
            "attempts": 1,
            "sent_at": at,
            "outcome": Outcome.OPEN,
        }
        for (step, at), row in first.values()
    ]
    made = connection.execute(_INTENDED, new)
    connection.execute(_OPENED, [{"request": row.id, "at": answer.at} for answer, row in first.values()])
    return dict(zip(first, made.scalars(), strict=True))


_INTENDED = intent_table.insert().returning(intent_table.c.id, sort_by_parameter_order=True)
_OPENED = (
    request_table.update()
    .where(request_table.c.id == bindparam("request"))
    .values(outcome=Outcome.OPEN, outcome_at=bindparam("at"), present_reads=0)
)


def _may_fall(connection: Connection, provider: int, step: Step, intent: int) -> None:
    """Note what Portfolio Manager will, or may, reject along with a reject."""
    for below in rows_by_key(connection, provider, step.falls).values():
        child = below[-1]
        if child.outcome in (None, Outcome.REFUSED) and not fell(connection, child):
            _update(connection, child.id, falls_with=intent)


def _intend_again(connection: Connection, row: RequestRow, answer: Answer, *, unknown_wait: timedelta | None) -> int:
    """A further attempt of the intent that is open already: the same answer, word for word."""
    step, at = answer
    sent = last_intent(connection, row.id)
    if (sent.action, sent.note) != (step.action, step.decision.note):
        raise AlreadyAnswered(f"{step.key} was answered otherwise before, and the fate of that is not known")
    if not may_repeat(row, sent, read=at, unknown_wait=unknown_wait):
        raise AlreadyAnswered(f"{step.key} was sent again already, by another process with this ledger")
    again = intent_table.update().where(intent_table.c.id == sent.id)
    connection.execute(again.values(attempts=sent.attempts + 1, sent_at=at))
    _update(connection, row.id, outcome_at=at, present_reads=0)
    return int(sent.id)


def _within_limits(connection: Connection, provider: int, answers: Sequence[Answer]) -> None:
    """Undo the intents if with them a limit is passed: plan has counted too, but others may have answered since."""
    at = min(at for _, at in answers)
    for limit in {limit for step, _ in answers for limit in step.within}:
        count, of = counted(connection, provider, limit, at=at)
        if not has_room(limit, count=count, of=of):
            raise OverLimit(f"others have answered since this was planned, and a limit of {limit.action}s is reached")


def _decisions_of(connection: Connection, first: Sequence[tuple[Answer, RequestRow]]) -> dict[int, int]:
    """Request row → the decision that sends its answer, as it was made: the last on record, or a row of its own."""
    last = last_decisions(connection, [row.id for _, row in first])
    found = {}
    for (step, at), row in first:
        made = row_of(step.decision, row.id, None, mode=Mode.ENFORCE, at=at)
        before = last.get(row.id)
        if before is not None and all(
            getattr(before, name) == value for name, value in made.items() if name != "decided_at"
        ):
            found[row.id] = before.id
        else:
            inserted = connection.execute(decision_table.insert().values(**made)).inserted_primary_key
            found[row.id] = int(inserted[0]) if inserted else 0
    return found


def _update(connection: Connection, request: int, **values: object) -> None:
    connection.execute(request_table.update().where(request_table.c.id == request).values(**values))
