"""What reviewers do in a story: they look at the queue, answer what they saw then or later, and take answers back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from hypothesis import strategies as st
from sqlalchemy import select

from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.db.tables import human_answer as answer_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.human_answers import take_back
from pm_autoaccept.ledger.new_answers import record_answers
from pm_autoaccept.ledger.review_queue import review_queue
from pm_autoaccept.model import Action, AnswerStatus, HumanAnswerState, Kind, NewAnswer, RequestKey, Reviewer
from pm_autoaccept.record import QueueEntry

WHO = (Reviewer(name="ana"), Reviewer(name="ben"))


class When(StrEnum):
    """Between which steps of a cycle a reviewer acts."""

    BEFORE_LOOK = "before the look"
    BEFORE_ANSWER = "between look and answer"
    AFTER = "after the answers"


@dataclass(frozen=True, slots=True)
class Review:
    """One act of a reviewer.

    Attributes:
        cycle, when: when the reviewer answers.
        stale: whether by what was in the queue the first time that somebody looked.
        pick: which of the requests in the queue; several in a row with `many`.
        grace: how long the answer can be taken back.
        back: takes one of the waiting answers back instead.
    """

    cycle: int
    when: When
    stale: bool
    pick: int
    many: int
    action: Action
    note: str | None
    by: Reviewer
    grace: timedelta
    back: bool


reviews = st.lists(
    st.builds(
        Review,
        st.sampled_from((0, 0, 1, 1, 2)),
        st.sampled_from(When),
        st.sampled_from((False, False, True)),
        st.integers(0, 9),
        st.sampled_from((1, 2, 3)),
        st.sampled_from((Action.ACCEPT, Action.ACCEPT, Action.REJECT)),
        st.sampled_from((None, "Hello.", "By hand.")),
        st.sampled_from(WHO),
        st.sampled_from((timedelta(), timedelta(), timedelta(hours=2))),
        st.sampled_from((False, False, False, True)),
    ),
    min_size=2,
    max_size=6,
).map(tuple)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer that the ledger took.

    Attributes:
        place: the place among the story's events at which it was recorded.
        request: which request the reviewer saw: key, sender, createdDate.
    """

    number: int
    place: int
    request: tuple[RequestKey, int | None, datetime | None]
    action: Action
    note: str | None
    observed: bool


@dataclass(slots=True)
class Desk:
    """All that reviewers did in a story."""

    seen: list[QueueEntry] = field(default_factory=list)
    recorded: dict[int, Recorded] = field(default_factory=dict)
    taken_back: dict[int, int] = field(default_factory=dict)
    """Number of an answer → the place among the events at which it was taken back."""
    results: list[AnswerStatus] = field(default_factory=list)
    states: dict[int, HumanAnswerState] = field(default_factory=dict)

    async def act(self, ledger: SqlLedger, review: Review, *, place: int, at: datetime) -> None:
        """Let a reviewer act."""
        fresh = await ledger.database.read(lambda connection: list(review_queue(connection)))
        self.seen = self.seen or fresh
        queue = self.seen if review.stale else fresh
        if review.back:
            await self._take_back(ledger, review, place=place, at=at)
            return
        picked = [queue[(review.pick + more) % len(queue)] for more in range(min(review.many, len(queue)))]
        if not picked:
            return
        new = [
            NewAnswer(key=entry.row.key, stamp=entry.stamp, action=review.action, note=review.note) for entry in picked
        ]
        requests = await self._requests(ledger, [entry.request_number for entry in picked])
        results = await ledger.database.run(
            lambda connection: record_answers(connection, new, account=None, by=review.by, grace=review.grace, at=at)
        )
        for entry, result in zip(picked, results, strict=True):
            self.results.append(result.status)
            if result.number is not None:
                self.recorded[result.number] = Recorded(
                    number=result.number,
                    place=place,
                    request=requests[entry.request_number],
                    action=review.action,
                    note=review.note,
                    observed=result.status is AnswerStatus.OBSERVED,
                )

    async def _take_back(self, ledger: SqlLedger, review: Review, *, place: int, at: datetime) -> None:
        waiting = [each for each in self.recorded.values() if each.number not in self.taken_back]
        if not waiting:
            return
        answer = waiting[review.pick % len(waiting)]
        ((_, done, _),) = await ledger.database.run(
            lambda connection: take_back(connection, [answer.request[0]], account=None, by=review.by, at=at)
        )
        if done:
            states = await self._states(ledger)
            gone = [number for number in self.recorded if states[number] is HumanAnswerState.TAKEN_BACK]
            self.taken_back |= {number: place for number in gone if number not in self.taken_back}

    async def end(self, ledger: SqlLedger) -> None:
        """Note how all answers stand at the end."""
        self.states = await self._states(ledger)

    @staticmethod
    async def _states(ledger: SqlLedger) -> dict[int, HumanAnswerState]:
        query = select(answer_table.c.id, answer_table.c.state)
        rows = await ledger.database.read(lambda connection: connection.execute(query).all())
        return {row.id: HumanAnswerState(row.state) for row in rows}

    @staticmethod
    async def _requests(
        ledger: SqlLedger, numbers: list[int]
    ) -> dict[int, tuple[RequestKey, int | None, datetime | None]]:
        table = request_table.c
        query = select(table.id, table.kind, table.pm_id, table.sender_id, table.requested_at)
        rows = await ledger.database.read(lambda connection: connection.execute(query).all())
        return {
            row.id: (RequestKey(Kind(row.kind), row.pm_id), row.sender_id, row.requested_at)
            for row in rows
            if row.id in numbers
        }

    def due(self, drawn: tuple[Review, ...], cycle: int, when: When) -> Iterator[Review]:
        """Who acts now."""
        return (review for review in drawn if (review.cycle, review.when) == (cycle, when))
