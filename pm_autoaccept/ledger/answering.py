"""Keeps intents, durable before a POST leaves, and what came of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, CursorResult, Row, func, select

from pm_autoaccept import __version__
from pm_autoaccept.errors import AlreadyAnswered, LedgerUnavailable, OverLimit
from pm_autoaccept.ledger.braking import not_paused
from pm_autoaccept.ledger.counting import counted
from pm_autoaccept.ledger.deciding import last_decisions, row_of
from pm_autoaccept.ledger.rows import COLUMNS, RequestRow, current, last_intent, rows_by_key
from pm_autoaccept.ledger.tables import decision as decision_table
from pm_autoaccept.ledger.tables import intent as intent_table
from pm_autoaccept.ledger.tables import request as request_table
from pm_autoaccept.limits import has_room
from pm_autoaccept.model import Mode, Outcome, Receipt, Step

LONGEST_WAIT = timedelta(days=1)
"""To which the wait before a refused answer is tried again doubles."""


READS_UNTIL_REPEATED = 2
"""Whole reads, begun after an answer of unknown fate was sent, that must show its request pending still."""


def may_repeat(row: RequestRow, sent: Row[Any], *, read: datetime, unknown_wait: timedelta) -> bool:
    """Whether an open answer may be sent once more, by the rule of unknowns.

    It may if two whole reads show the request pending still, the second (begun at `read`) so long after the answer was
    sent that no more can come of it. Each attempt doubles the wait, to a day.
    """
    wait = max(unknown_wait, min(unknown_wait * int(2 ** min(sent.attempts - 1, 10)), LONGEST_WAIT))
    return bool(row.present_reads >= READS_UNTIL_REPEATED and read >= sent.sent_at + wait)


def intend(connection: Connection, provider: int, step: Step, *, at: datetime, unknown_wait: timedelta) -> int:
    """Record that this answer is about to be sent, by which decision, and what may fall with it.

    Raises:
        AlreadyAnswered: the ledger knows of an answer to this request, by another process for instance.
        OverLimit: with it, a limit of the policy would be passed.
        Paused: somebody has paused answering.
        LedgerUnavailable: the request was never recorded.
    """
    not_paused(connection, provider)
    rows = rows_by_key(connection, provider, [step.key], lock=True)[step.key]
    row = current(rows, step.decision.request)
    if row is None:
        raise LedgerUnavailable(f"{step.key} was to be answered before it was recorded; nothing was sent")
    if step.repeats and row.outcome == Outcome.OPEN:
        intent = _intend_again(connection, row, step, at=at, unknown_wait=unknown_wait)
        _may_fall(connection, provider, step, intent)
        _within_limits(connection, provider, step, at=at)
        return intent
    if step.repeats or row.outcome not in (None, Outcome.REFUSED) or any(each.outcome == Outcome.OPEN for each in rows):
        raise AlreadyAnswered(f"{step.key} was answered already, by another process with this ledger")
    result = connection.execute(
        intent_table.insert().values(
            request_id=row.id,
            decision_id=_decision_of(connection, step, row, at=at),
            action=step.action,
            note=step.decision.note,
            program=__version__,
            intended_at=at,
            attempts=1,
            sent_at=at,
            outcome=Outcome.OPEN,
        )
    )
    intent = _number(result)
    _update(connection, row.id, outcome=Outcome.OPEN, outcome_at=at, present_reads=0)
    _may_fall(connection, provider, step, intent)
    _within_limits(connection, provider, step, at=at)
    return intent


def _may_fall(connection: Connection, provider: int, step: Step, intent: int) -> None:
    """Note what Portfolio Manager will, or may, reject along with a reject."""
    for below in rows_by_key(connection, provider, step.falls).values():
        child = below[-1]
        if child.outcome in (None, Outcome.REFUSED) and not _fell(connection, child):
            _update(connection, child.id, falls_with=intent)


def _intend_again(connection: Connection, row: RequestRow, step: Step, *, at: datetime, unknown_wait: timedelta) -> int:
    """A further attempt of the intent that is open already: the same answer, word for word."""
    sent = last_intent(connection, row.id)
    if (sent.action, sent.note) != (step.action, step.decision.note):
        raise AlreadyAnswered(f"{step.key} was answered otherwise before, and the fate of that is not known")
    if not may_repeat(row, sent, read=at, unknown_wait=unknown_wait):
        raise AlreadyAnswered(f"{step.key} was sent again already, by another process with this ledger")
    again = intent_table.update().where(intent_table.c.id == sent.id)
    connection.execute(again.values(attempts=sent.attempts + 1, sent_at=at))
    _update(connection, row.id, outcome_at=at, present_reads=0)
    return int(sent.id)


def _within_limits(connection: Connection, provider: int, step: Step, *, at: datetime) -> None:
    """Undo the intent if with it a limit is passed: plan has counted too, but others may have answered since."""
    for limit in step.within:
        count, of = counted(connection, provider, limit, at=at)
        if not has_room(limit, count=count, of=of):
            raise OverLimit(f"others have answered since this was planned, and a limit of {step.action}s is reached")


def _decision_of(connection: Connection, step: Step, row: RequestRow, *, at: datetime) -> int:
    """The decision that sends this answer, just as it was made: the last one on record, or a row of its own."""
    made = row_of(step.decision, row.id, None, mode=Mode.ENFORCE, at=at)
    last = last_decisions(connection, [row.id]).get(row.id)
    if last is not None and all(getattr(last, name) == value for name, value in made.items() if name != "decided_at"):
        return int(last.id)
    return _number(connection.execute(decision_table.insert().values(**made)))


def _number(inserted: CursorResult[Any]) -> int:
    """The number of a row that was just inserted."""
    key = inserted.inserted_primary_key
    return int(key[0]) if key else 0


def _update(connection: Connection, request: int, **values: object) -> None:
    connection.execute(request_table.update().where(request_table.c.id == request).values(**values))


def conclude(connection: Connection, intent: int, receipt: Receipt, *, at: datetime) -> None:
    """Record what came of an intent."""
    outcome, text = receipt.outcome, receipt.text
    sent = connection.execute(select(intent_table).where(intent_table.c.id == intent)).one()
    row = connection.execute(select(*COLUMNS).where(request_table.c.id == sent.request_id)).one()
    if sent.outcome != Outcome.OPEN and outcome is not Outcome.DONE:
        return  # reads, or another replica, have settled it meanwhile; only that we did it is known better
    if outcome is Outcome.SETTLED_ELSEWHERE and sent.attempts > 1:
        # The first attempt, of unknown fate, may be what fulfilled it: reads will say.
        outcome = Outcome.OPEN
    if outcome is Outcome.SETTLED_ELSEWHERE:
        outcome, text = ended_without_us(connection, row) or (outcome, text)
    ended = {"outcome": outcome, "outcome_at": at, "outcome_text": text}
    connection.execute(intent_table.update().where(intent_table.c.id == intent).values(**ended))
    _update(connection, row.id, **ended, again_after=_again_after(connection, sent, receipt, at=at))
    if outcome not in (Outcome.DONE, Outcome.OPEN):
        # It was not processed, so that nothing fell with it.
        spared = request_table.update().where(request_table.c.falls_with == intent)
        connection.execute(spared.values(falls_with=None))


def _again_after(connection: Connection, sent: Row[Any], receipt: Receipt, *, at: datetime) -> datetime | None:
    """When the same answer may be tried again: each refusal of this request doubles the wait, to a day."""
    if receipt.again_after is None:
        return None
    refused = (
        select(func.count())
        .select_from(intent_table)
        .where(
            intent_table.c.request_id == sent.request_id,
            intent_table.c.id != sent.id,
            intent_table.c.outcome == Outcome.REFUSED,
        )
    )
    wait = receipt.again_after - at
    earlier = int(connection.execute(refused).scalar_one())
    doubled = wait * int(2 ** min(earlier, 10))
    return at + max(wait, min(doubled, LONGEST_WAIT))


def ended_without_us(connection: Connection, row: RequestRow) -> tuple[Outcome, str] | None:
    """What may be said of a request that ended without an answer of its own, if a reject above it was sent; else None.

    It fell if that reject is done and the request was not seen to pend after it. Otherwise nobody knows: whether a
    property's reject takes its meters is not confirmed (reference §10.7), and lists lag.
    """
    if row.falls_with is None:
        return None
    if _fell(connection, row):
        return Outcome.FALLEN, "it was rejected along with the request above it"
    return Outcome.GONE, "it is pending no more, by our reject of the request above it or by another"


def _fell(connection: Connection, row: RequestRow) -> bool:
    """Whether a reject explains the fall already: a meter falls with its property before their connection."""
    if row.falls_with is None:
        return False
    cause = connection.execute(select(intent_table).where(intent_table.c.id == row.falls_with)).one()
    return bool(cause.outcome == Outcome.DONE and row.last_seen <= cause.outcome_at)
