"""Keeps intents, durable before a POST leaves: those that wait together are recorded together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam

from pm_autoaccept import __version__
from pm_autoaccept.errors import AlreadyAnswered, LedgerUnavailable, OverLimit
from pm_autoaccept.ledger.cascade import fell, may_fall
from pm_autoaccept.ledger.db.tables import decision as decision_table
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.decisions import last_decisions, row_of
from pm_autoaccept.ledger.elapsed_time import Moment, Patience, due
from pm_autoaccept.ledger.limit_usage import counted
from pm_autoaccept.ledger.pauses import not_paused
from pm_autoaccept.ledger.refusals import as_sent
from pm_autoaccept.ledger.request_rows import RequestRow, current, last_intent, rows_by_key
from pm_autoaccept.limits import has_room
from pm_autoaccept.model import FURTHEST_APART, Mode, Outcome, RequestKey, Step

READS_UNTIL_REPEATED = 2
"""Whole reads, begun after an answer of unknown fate was sent, that must show its request pending still."""


def may_repeat(row: RequestRow, sent: Row[Any], *, read: datetime, patience: Patience) -> bool:
    """Whether the time has come to send an open answer once more, by the rule of unknowns.

    It has if two whole reads show the request pending still, the second (begun at `read`) so long after the answer was
    sent that no more can come of it, and not before the time that a refusal of the last attempt named.
    """
    # Before anything came of this answer, the time is that of an earlier one, and has come.
    waited = None in (row.again_after, sent.outcome_at) or due(sent, row.again_after, patience.now)
    shown = row.present_reads >= READS_UNTIL_REPEATED
    return bool(waited and shown and patience.over_for_another(sent, read=read))


class Answer(NamedTuple):
    """A step that is about to be sent, when by every clock, and how long one of unknown fate is given."""

    step: Step
    patience: Patience

    @property
    def now(self) -> Moment:
        """When, by every clock."""
        return self.patience.now

    @property
    def sent(self) -> dict[str, object]:
        """What an intent keeps of each attempt."""
        at, apart = self.now.at, self.now.apart
        there = None if apart is None else at + apart
        return {
            "sent_at": at,
            "service_sent_at": there,
            "template": self.step.decision.template,
            "program": __version__,
            "awaits": None,
        }


class Intended(NamedTuple):
    """An intent's number, which of its attempts is about to be sent, and how it stood before that."""

    number: int
    attempt: int = 1
    before: Mapping[str, object] = MappingProxyType({})
    request_before: Mapping[str, object] = MappingProxyType({})


def intend(connection: Connection, provider: int, answers: Sequence[Answer]) -> list[Intended]:
    """Record that these answers are about to be sent, by which decisions, and what may fall with each: all or none.

    Raises:
        AlreadyAnswered: the ledger knows of an answer to one of the requests, by another process for instance.
        OverLimit: with them, a limit of the policy would be passed.
        Paused: somebody has paused answering.
        LedgerUnavailable: one of the requests was never recorded.
    """
    not_paused(connection, provider)
    rows = rows_by_key(connection, provider, (step.key for step, _ in answers), lock=True)
    intents: dict[RequestKey, Intended] = {}
    first: dict[RequestKey, tuple[Answer, RequestRow]] = {}
    for answer in answers:
        step, known = answer.step, rows.get(answer.step.key, [])
        row = current(known, step.decision.request).row
        if row is None:
            raise LedgerUnavailable(f"{step.key} was to be answered before it was recorded; nothing was sent")
        if step.repeats and row.outcome == Outcome.OPEN:
            intents[step.key] = _intend_again(connection, row, answer)
        elif step.repeats or step.key in first or _answered(row, known):
            raise AlreadyAnswered(f"{step.key} was answered already, by another process with this ledger")
        else:
            first[step.key] = answer, row
    intents |= _intend_first(connection, first)
    for step, _ in answers:
        if step.falls:
            _may_fall(connection, provider, step, intents[step.key].number)
    _within_limits(connection, provider, answers)
    return [intents[step.key] for step, _ in answers]


def _answered(row: RequestRow, known: Sequence[RequestRow]) -> bool:
    """Whether a request was answered, or one of the same id has an answer of unknown fate."""
    return row.outcome not in (None, Outcome.REFUSED) or any(each.outcome == Outcome.OPEN for each in known)


def _intend_first(
    connection: Connection, first: Mapping[RequestKey, tuple[Answer, RequestRow]]
) -> dict[RequestKey, Intended]:
    """The intents of requests that were not answered yet."""
    if not first:
        return {}
    decisions = _decisions_of(connection, list(first.values()))
    new = [
        {
            "request_id": row.id,
            "decision_id": decisions[row.id],
            "action": answer.step.action,
            "note": answer.step.decision.note,
            "intended_at": answer.now.at,
            "attempts": 1,
            "outcome": Outcome.OPEN,
            **answer.sent,
        }
        for answer, row in first.values()
    ]
    made = connection.execute(_INTENDED, new)
    connection.execute(_OPENED, [{"request": row.id, "at": answer.now.at} for answer, row in first.values()])
    return dict(zip(first, map(Intended, made.scalars()), strict=True))


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
            may_fall(connection, child.id, intent)


def _intend_again(connection: Connection, row: RequestRow, answer: Answer) -> Intended:
    """A further attempt of the intent that is open already: the same answer, word for word."""
    step, now = answer.step, answer.now
    sent = last_intent(connection, row.id)
    if (sent.action, sent.note) != (step.action, step.decision.note):
        raise AlreadyAnswered(f"{step.key} was answered otherwise before, and the fate of that is not known")
    if now.apart is not None and abs(now.apart) > FURTHEST_APART:
        raise AlreadyAnswered(f"what became of the answer to {step.key} is not known, and the clocks do not agree")
    before = as_sent(sent, program=__version__)
    refused = before.awaits is not None and not before.changed(step.decision)
    if refused or not may_repeat(row, sent, read=now.at, patience=answer.patience):
        raise AlreadyAnswered(f"{step.key} was sent again already, by another process with this ledger")
    again = {"attempts": sent.attempts + 1, **answer.sent}
    connection.execute(intent_table.update().where(intent_table.c.id == sent.id).values(**again))
    touched = {"outcome_at": now.at, "present_reads": 0}
    _update(connection, row.id, **touched)
    return Intended(
        sent.id,
        attempt=sent.attempts + 1,
        before={name: getattr(sent, name) for name in again},
        request_before={name: getattr(row, name) for name in touched},
    )


def _within_limits(connection: Connection, provider: int, answers: Sequence[Answer]) -> None:
    """Undo the intents if with them a limit is passed: plan has counted too, but others may have answered since."""
    first = min((answer.now for answer in answers), key=lambda now: now.at)
    for limit in {limit for step, _ in answers for limit in step.within}:
        count, of = counted(connection, provider, limit, now=first)
        if not has_room(limit, count=count, of=of):
            raise OverLimit(f"others have answered since this was planned, and a limit of {limit.action}s is reached")


def _decisions_of(connection: Connection, first: Sequence[tuple[Answer, RequestRow]]) -> dict[int, int]:
    """Request row → the decision that sends its answer, as it was made: the last on record, or a row of its own."""
    last = last_decisions(connection, [row.id for _, row in first])
    found = {}
    for answer, row in first:
        made = row_of(answer.step.decision, row.id, None, mode=Mode.ENFORCE, at=answer.now.at)
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
