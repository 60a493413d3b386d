"""Records intents durably before their POST, so that each request is answered at most once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import Connection, bindparam

from pm_autoaccept import __version__
from pm_autoaccept.errors import AlreadyAnswered, LedgerUnavailable, OverLimit
from pm_autoaccept.ledger.cascade import explained_by_cascade, note_cascade
from pm_autoaccept.ledger.db.bulk_statements import BulkStatement
from pm_autoaccept.ledger.db.queries import last_numbers, last_of_each_request
from pm_autoaccept.ledger.db.tables import decision as decision_table
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.decisions import decision_values, last_decisions
from pm_autoaccept.ledger.elapsed_time import Moment, UnknownWait
from pm_autoaccept.ledger.human_answers import mark_sent
from pm_autoaccept.ledger.limit_usage import count_answers
from pm_autoaccept.ledger.pauses import check_not_paused
from pm_autoaccept.ledger.refusals import last_answer
from pm_autoaccept.ledger.request_rows import RequestRow, last_intent, lock_rows, match_row, rows_by_key
from pm_autoaccept.ledger.unknown_outcomes import may_repeat
from pm_autoaccept.limits import has_room
from pm_autoaccept.model import MAX_CLOCK_SKEW, Mode, Outcome, RequestKey, Step


class PlannedAnswer(NamedTuple):
    """A step that is about to be sent, with the current time and the wait for unknown outcomes."""

    step: Step
    unknown_wait: UnknownWait

    @property
    def now(self) -> Moment:
        """The current time by every clock."""
        return self.unknown_wait.now

    @property
    def sent(self) -> dict[str, object]:
        """The intent's column values for this attempt."""
        at, skew = self.now.at, self.now.skew
        there = None if skew is None else at + skew
        return {
            "sent_at": at,
            "service_sent_at": there,
            "template": self.step.decision.template,
            "program": __version__,
            "awaits": None,
        }


class RecordedIntent(NamedTuple):
    """A recorded intent: its number, the attempt that is about to be sent, and the previous values of both rows."""

    number: int
    attempt: int = 1
    before: Mapping[str, object] = MappingProxyType({})
    request_before: Mapping[str, object] = MappingProxyType({})


def record_intents(connection: Connection, provider: int, answers: Sequence[PlannedAnswer]) -> list[RecordedIntent]:
    """Record that these answers are about to be sent, with their decisions and cascades: all or none.

    Raises:
        AlreadyAnswered: one of the requests was already answered, for example by another process, or the people who
            answered it have taken their answer back.
        OverLimit: they would exceed a limit of the policy.
        Paused: answering is paused.
        LedgerUnavailable: one of the requests was never recorded.
    """
    check_not_paused(connection, provider)
    rows = lock_rows(connection, provider, (step.key for step, _ in answers))
    intents: dict[RequestKey, RecordedIntent] = {}
    first: dict[RequestKey, tuple[PlannedAnswer, RequestRow]] = {}
    for answer in answers:
        step, known = answer.step, rows.get(answer.step.key, [])
        row = match_row(known, step.decision.request).row
        if row is None:
            raise LedgerUnavailable(
                f"internal error: {step.key} was to be answered before it was recorded; nothing was sent"
            )
        if step.repeats and row.outcome == Outcome.OPEN:
            intents[step.key] = _intend_again(connection, row, answer)
        elif step.repeats or step.key in first or _answered(row, known):
            raise AlreadyAnswered(f"{step.key} was already answered by another process that uses this ledger")
        else:
            first[step.key] = answer, row
    intents |= _intend_first(connection, provider, first)
    for step, _ in answers:
        if step.falls:
            _may_fall(connection, provider, step, intents[step.key].number)
    _within_limits(connection, provider, answers)
    return [intents[step.key] for step, _ in answers]


def _answered(row: RequestRow, known: Sequence[RequestRow]) -> bool:
    """Whether a request was answered, or any request with its id has an answer of unknown outcome."""
    return row.outcome not in (None, Outcome.REFUSED) or any(each.outcome == Outcome.OPEN for each in known)


def _intend_first(
    connection: Connection,
    provider: int,
    first: Mapping[RequestKey, tuple[PlannedAnswer, RequestRow]],
) -> dict[RequestKey, RecordedIntent]:
    """Insert the intents of requests that were not answered yet."""
    if not first:
        return {}
    decisions = _decisions_of(connection, list(first.values()))
    new = [
        {
            "provider_id": provider,
            "request_id": row.id,
            "decision_id": decisions[row.id],
            "action": answer.step.action,
            "note": answer.step.decision.note,
            "intended_at": answer.now.at,
            "attempts": 1,
            "outcome": Outcome.OPEN,
            "outcome_text": "",
            "human_answer_id": None if answer.step.decision.person is None else answer.step.decision.person.number,
            **answer.sent,
        }
        for answer, row in first.values()
    ]
    _INTENDED.run(connection, new)
    _OPENED.run(connection, [{"request": row.id, "at": answer.now.at} for answer, row in first.values()])
    # No other transaction can have added intents to these requests, because their rows are locked.
    numbers = last_numbers(connection, _LAST_INTENTS, [row.id for _, row in first.values()])
    for answer, row in first.values():
        if (person := answer.step.decision.person) is not None and not mark_sent(
            connection, person.number, numbers[row.id]
        ):
            raise AlreadyAnswered(f"{answer.step.key} is no longer answered by {' and '.join(person.people)}")
    return {key: RecordedIntent(numbers[row.id]) for key, (_, row) in first.items()}


_INTENDED = BulkStatement(intent_table.insert())
_OPENED = BulkStatement(
    request_table.update()
    .where(request_table.c.id == bindparam("request"))
    .values(outcome=Outcome.OPEN, outcome_at=bindparam("at"), present_reads=0)
)
_LAST_INTENTS = last_of_each_request(intent_table)


def _may_fall(connection: Connection, provider: int, step: Step, intent: int) -> None:
    """Record which requests Portfolio Manager will or may reject together with this one."""
    for below in rows_by_key(connection, provider, step.falls).values():
        child = below[-1]
        if child.outcome in (None, Outcome.REFUSED) and not explained_by_cascade(connection, child):
            note_cascade(connection, child.id, intent)


def _intend_again(connection: Connection, row: RequestRow, answer: PlannedAnswer) -> RecordedIntent:
    """Record another attempt of an open intent: the same answer, word for word."""
    step, now = answer.step, answer.now
    sent = last_intent(connection, row.id)
    if (sent.action, sent.note) != (step.action, step.decision.note):
        raise AlreadyAnswered(f"{step.key} was already sent a different answer, and its outcome is unknown")
    if now.skew is not None and abs(now.skew) > MAX_CLOCK_SKEW:
        raise AlreadyAnswered(f"the outcome of the answer to {step.key} is unknown, and the clocks disagree")
    before = last_answer(sent, program=__version__)
    refused = before.awaits is not None and not before.changed(step.decision)
    if refused or not may_repeat(row, sent, read=now.at, unknown_wait=answer.unknown_wait):
        raise AlreadyAnswered(f"{step.key} was already answered again by another process that uses this ledger")
    again = {"attempts": sent.attempts + 1, **answer.sent}
    connection.execute(intent_table.update().where(intent_table.c.id == sent.id).values(**again))
    touched = {"outcome_at": now.at, "present_reads": 0}
    _update(connection, row.id, **touched)
    return RecordedIntent(
        sent.id,
        attempt=sent.attempts + 1,
        before={name: getattr(sent, name) for name in again},
        request_before={name: getattr(row, name) for name in touched},
    )


def _within_limits(connection: Connection, provider: int, answers: Sequence[PlannedAnswer]) -> None:
    """Raise `OverLimit`, which undoes the intents, if they exceed a limit: others may have answered meanwhile."""
    first = min((answer.now for answer in answers), key=lambda now: now.at)
    for limit in {limit for step, _ in answers for limit in step.within}:
        count, of = count_answers(connection, provider, limit, now=first)
        if not has_room(limit, count=count, of=of):
            raise OverLimit(f"another process has answered meanwhile, and a limit on {limit.action}s is reached")


def _decisions_of(connection: Connection, first: Sequence[tuple[PlannedAnswer, RequestRow]]) -> dict[int, int]:
    """Request row number → the decision behind its answer: the last recorded one if it is the same, or a new row."""
    found, others = {}, []
    for answer, row in first:
        if row.last_decision is not None and row.last_decision == answer.step.decision_number:
            found[row.id] = row.last_decision
        else:
            others.append((answer, row))
    return found | _recorded_decisions(connection, others) if others else found


def _recorded_decisions(connection: Connection, first: Sequence[tuple[PlannedAnswer, RequestRow]]) -> dict[int, int]:
    """Request row number → its last recorded decision if that is the one behind its answer, or a new row."""
    last = last_decisions(connection, [row.id for _, row in first])
    found = {}
    for answer, row in first:
        made = decision_values(answer.step.decision, row.id, None, mode=Mode.ENFORCE, at=answer.now.at)
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
