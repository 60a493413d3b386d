"""New answers: records what people answer to pending requests, if everything that they saw is unchanged.

The request, its last decision and what else the answer would do are compared in the transaction that records it. If
anything differs, nothing is recorded, and the result says what has changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, select

from pm_autoaccept.ledger.db.bulk_statements import BulkStatement
from pm_autoaccept.ledger.db.id_lists import is_one_of
from pm_autoaccept.ledger.db.queries import last_numbers, last_of_each_request
from pm_autoaccept.ledger.db.tables import human_answer as answer_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.notices import add_given_answers
from pm_autoaccept.ledger.request_rows import has_one_of
from pm_autoaccept.ledger.review_queue import review_queue
from pm_autoaccept.model import (
    Action,
    AnswerResult,
    AnswerStatus,
    HumanAnswerState,
    Mode,
    NewAnswer,
    NoticeTarget,
    RequestKey,
    Reviewer,
)
from pm_autoaccept.record import GivenAnswer, QueueEntry

_DONE_BY = {Action.ACCEPT: "accepted", Action.REJECT: "rejected"}

_SECONDS_AGO = timedelta(minutes=2)
"""For how long the time of an answer is given in seconds."""


def record_answers(
    connection: Connection,
    answers: Sequence[NewAnswer],
    *,
    account: str | None,
    by: Reviewer,
    grace: timedelta,
    at: datetime,
    targets: Collection[NoticeTarget] = (),
) -> list[AnswerResult]:
    """Record the answers of one reviewer, in one transaction; those that do not match what is pending are refused.

    Args:
        connection: within a transaction.
        answers: the answers, each with the stamp of what the reviewer saw.
        account: only in the provider account with this name; None if the keys are unique.
        by: the reviewer.
        grace: how long each answer can be taken back.
        at: now.
        targets: whom notices tell of the answers.
    """
    _lock(connection, (answer.key for answer in answers))
    entries: dict[RequestKey, list[QueueEntry]] = {}
    for entry in review_queue(connection, account=account, keys=[answer.key for answer in answers]):
        entries.setdefault(entry.row.key, []).append(entry)
    recorder = _Recorder(by=by, grace=grace, at=at)
    results = [recorder.add(answer, entries.get(answer.key, [])) for answer in answers]
    recorder.write(connection)
    results = _with_numbers(connection, results, entries)
    add_given_answers(connection, [each.number for each in results if each.number is not None], targets, at=at)
    return results


class _Recorder:
    """Checks the answers of one reviewer, and collects the rows to write."""

    def __init__(self, *, by: Reviewer, grace: timedelta, at: datetime) -> None:
        self._by, self._grace, self._at = by, grace, at
        self._new: list[dict[str, object]] = []
        self._agreed: list[dict[str, object]] = []
        self._over: list[int] = []
        self._given: set[RequestKey] = set()

    def add(self, answer: NewAnswer, entries: Sequence[QueueEntry]) -> AnswerResult:
        """Check one answer; returns its result."""
        refused = self._refusal(answer, entries)
        if refused is not None:
            status, text = refused
            account = entries[0].row.account if len(entries) == 1 else ""
            return AnswerResult(key=answer.key, account=account, status=status, text=text)
        self._given.add(answer.key)
        return self._agree(answer, entries[0])

    def write(self, connection: Connection) -> None:
        """Write the rows of all answers that passed."""
        if self._over:
            over = answer_table.update().where(is_one_of(answer_table.c.id, self._over))
            connection.execute(
                over.values(state=HumanAnswerState.VOID, ended_at=self._at, ended_why="it was not processed")
            )
        _RECORDED.run(connection, self._new)
        _AGREED.run(connection, self._agreed)

    def _refusal(self, answer: NewAnswer, entries: Sequence[QueueEntry]) -> tuple[AnswerStatus, str] | None:
        """Why this answer is not recorded; None if it is."""
        key = answer.key
        if not entries:
            return AnswerStatus.NOT_PENDING, f"{key} is not pending"
        if len(entries) > 1:
            names = ", ".join(sorted(entry.row.account for entry in entries))
            return AnswerStatus.NOT_PENDING, f"{key} is pending in several accounts ({names}); pass --account NAME"
        found: tuple[tuple[AnswerStatus, str | None], ...] = (
            (AnswerStatus.ANSWERED, "it is given twice" if key in self._given else None),
            (AnswerStatus.ANSWERED, entries[0].answered_by_policy),
            (AnswerStatus.NOT_ALLOWED, entries[0].not_allowed_reason(self._by)),
            (AnswerStatus.STALE, entries[0].changed_since(answer.stamp)),
            (AnswerStatus.ANSWERED, self._answered(answer, entries[0].answer)),
        )
        return next(((status, f"{key}: {why}") for status, why in found if why is not None), None)

    def _answered(self, answer: NewAnswer, given: GivenAnswer | None) -> str | None:
        """By whom it was answered, when and how; None if this person may still answer it."""
        if given is None or given.state is HumanAnswerState.OBSERVED:
            return None
        agrees = given.action is answer.action and answer.note in (None, given.note)
        if agrees and given.needs(self._by):
            return None
        note = f', with the note "{given.note}"' if given.note else ""
        return f"{' and '.join(given.names)} {_DONE_BY[given.action]} this {self._ago(given)}{note}"

    def _agree(self, answer: NewAnswer, entry: QueueEntry) -> AnswerResult:
        """Add this person's answer, to the answer of others if there is one."""
        observed = entry.mode is Mode.OBSERVE
        given, needed = entry.answer, entry.answer_rule.people
        if given is not None and given.state is not HumanAnswerState.WAITING:
            given = None
        people = [*((name, when.isoformat()) for name, when in (given.people if given else ()))]
        people.append((self._by.name, self._at.isoformat()))
        needed = given.people_needed if given else needed
        enough = len(people) >= needed
        due_at = self._at + self._grace if enough and not observed else None
        if given is not None:
            self._agreed.append({"number": given.number, "who": people, "due": due_at})
        else:
            if entry.unprocessed_answer is not None:
                self._over.append(entry.unprocessed_answer)
            self._new.append(self._row(answer, entry, people, needed, due_at, observed=observed))
        result = AnswerResult(
            key=answer.key, account=entry.row.account, status=AnswerStatus.RECORDED, text="", due_at=due_at
        )
        if observed:
            text = f"{answer.key} is recorded and not sent, because the account is in observe mode"
            return replace(result, status=AnswerStatus.OBSERVED, text=text)
        if not enough:
            text = f"{answer.key} is recorded; another person must give the same answer ({len(people)} of {needed})"
            return replace(result, status=AnswerStatus.NEEDS_ANOTHER_PERSON, text=text)
        return replace(result, text=f"{answer.key} is recorded; it can be taken back until it is sent")

    def _row(
        self,
        answer: NewAnswer,
        entry: QueueEntry,
        people: list[tuple[str, str]],
        needed: int,
        due_at: datetime | None,
        *,
        observed: bool,
    ) -> dict[str, object]:
        also = entry.accept_also if answer.action is Action.ACCEPT else entry.reject_also
        return {
            "provider_id": entry.provider_number,
            "request_id": entry.request_number,
            "decision_id": entry.decision_number,
            "goes_along": [str(each) for each in also],
            "action": answer.action,
            "note": answer.note,
            "recorded_at": self._at,
            "due_at": due_at,
            "people": people,
            "people_needed": needed,
            "state": HumanAnswerState.OBSERVED if observed else HumanAnswerState.WAITING,
            "ended_why": "",
        }

    def _ago(self, given: GivenAnswer) -> str:
        when = given.people[-1][1]
        ago = max(self._at - when, timedelta())
        return f"{round(ago.total_seconds())} s ago" if ago < _SECONDS_AGO else f"at {when:%Y-%m-%d %H:%M} UTC"


def _with_numbers(
    connection: Connection, results: Sequence[AnswerResult], entries: Mapping[RequestKey, Sequence[QueueEntry]]
) -> list[AnswerResult]:
    """The results with the numbers of the recorded answers."""
    requests = {each.key: entries[each.key][0].request_number for each in results if each.status.recorded}
    numbers = last_numbers(connection, _NEWEST, requests.values())
    return [replace(each, number=numbers[requests[each.key]]) if each.status.recorded else each for each in results]


def _lock(connection: Connection, keys: Iterable[RequestKey]) -> None:
    """Keep other reviewers and answers away from the requests with these keys until the transaction ends."""
    locked = select(request_table.c.id).where(has_one_of(keys)).order_by(request_table.c.id)
    connection.execute(locked.with_for_update())


_NEWEST = last_of_each_request(answer_table)
_RECORDED = BulkStatement(answer_table.insert())
_AGREED = BulkStatement(
    answer_table.update()
    .where(answer_table.c.id == bindparam("number"))
    .values(people=bindparam("who"), due_at=bindparam("due"))
)
