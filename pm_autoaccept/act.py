"""Sends the steps of a plan: one POST each, at most so many in flight, an intent before it and its outcome after.

Stopping is an event, never a cancellation: what is in hand is finished and recorded, what has not begun is dropped, and
the next cycle decides it afresh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pm_autoaccept.errors import (
    AlreadyAnswered,
    AlreadyFulfilled,
    AnswerUnknown,
    Invalid,
    LedgerError,
    NotAuthorised,
    NotOurs,
    NotSent,
    OverLimit,
    Paused,
    PmAutoacceptError,
    PortfolioManagerError,
    Redirected,
    Refused,
    TooFast,
)
from pm_autoaccept.model import Change, NotLearnt, Outcome, Plan, Receipt, RequestKey, Step
from pm_autoaccept.portfolio_manager import PortfolioManager
from pm_autoaccept.record import RETRY_WITHIN, Ledger

OUTCOMES: tuple[tuple[type[PortfolioManagerError], Outcome, timedelta | Change | None], ...] = (
    (AlreadyFulfilled, Outcome.SETTLED_ELSEWHERE, Change.REQUEST),
    (Invalid, Outcome.REFUSED, Change.NOTE),
    (Refused, Outcome.REFUSED, Change.REQUEST),
    (Redirected, Outcome.REFUSED, Change.REQUEST),
    (NotOurs, Outcome.REFUSED, timedelta(hours=1)),
    (NotAuthorised, Outcome.REFUSED, timedelta()),
    (TooFast, Outcome.REFUSED, timedelta(minutes=1)),
    (NotSent, Outcome.REFUSED, timedelta()),
    (AnswerUnknown, Outcome.OPEN, None),
)
"""What comes to a POST (docs/architecture.md#failures): the error, what is recorded, and when it may be tried again.

After so long, whatever changes; or when this has changed, or the program; None: by the rule of unknowns.
"""

MOMENT = timedelta(milliseconds=50)
"""Somebody may have paused answering since that was looked at last: after so long it is looked at again."""


@dataclass(slots=True)
class AnswerSender:
    """Answers one plan.

    Attributes:
        pm: the signed-in client.
        ledger: where intents and outcomes are kept.
        now: the clock.
        blocked_reason: asked just before each POST; says why the step must not be sent now, or None.
        on_receipt: called with each receipt as it comes, for progress and logs.
        repeat_within: an answer that surely was not processed is sent again only so long after its intent.
    """

    pm: PortfolioManager
    ledger: Ledger
    now: Callable[[], datetime]
    blocked_reason: Callable[[Step], str | None]
    on_receipt: Callable[[Receipt], None] = lambda _receipt: None
    repeat_within: timedelta = RETRY_WITHIN
    _halted: str | None = field(default=None, init=False)
    _ahead: asyncio.Semaphore = field(init=False)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _unpaused: datetime | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._ahead = asyncio.Semaphore(self.pm.pace.ahead)

    async def act(self, plan: Plan) -> tuple[Receipt, ...]:
        """Send every step, each after those it needs are done, and return what came of each.

        Raises:
            NotAuthorised: the credentials were refused; every step in hand was finished and recorded before.
            LedgerError: the ledger failed; nothing more was sent, what was in hand was finished.
        """
        tasks: dict[RequestKey, asyncio.Task[Receipt]] = {}
        for step in plan.steps:
            needed = [tasks[key] for key in step.needs]
            tasks[step.key] = asyncio.create_task(self._step(step, needed), name=f"answer {step.key}")
        results = await asyncio.gather(*tasks.values(), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            raise _gravest(failures)
        return tuple(result for result in results if isinstance(result, Receipt))

    async def _step(self, step: Step, needed: list[asyncio.Task[Receipt]]) -> Receipt:
        for task in needed:
            try:
                before = await asyncio.shield(task)
            except PmAutoacceptError:
                return self._dropped(step, "what it needs could not be answered")
            if before.outcome is not Outcome.DONE:
                return self._dropped(step, f"{before.step.key}, which it needs, is not done")
        async with AsyncExitStack() as turn:
            # It is written while others are in flight: no place in flight waits for the disk.
            async with self._ahead:
                begun = self.now()
                intent = self._blocked_reason(step) or await self._intend(step, at=begun)
                if isinstance(intent, str):
                    return self._dropped(step, intent)
                await turn.enter_async_context(self.pm.turn(unless=lambda: self._blocked_reason(step) is not None))
            receipt, refusal = await self._send(step, begun=begun)
            if refusal is not None:
                self._halted = str(refusal)
        # While what came of it is written, the place in flight is free for the next answer.
        await self._record(intent, receipt)
        if refusal is not None:
            raise refusal
        return receipt

    async def _intend(self, step: Step, *, at: datetime) -> int | str:
        """Record the intent, and return its number, or why the step is not to be sent."""
        try:
            apart = self.pm.clock
            known = None if isinstance(apart, NotLearnt) else apart
            intent = await self.ledger.record_intent(replace(step, clock_skew=known), at=at)
        except (AlreadyAnswered, OverLimit) as error:
            return str(error)
        except Paused as error:
            self._halted = str(error)
            return self._halted
        except LedgerError as error:
            self._halted = str(error)
            raise
        self._unpaused = at
        return intent

    async def _record(self, intent: int, receipt: Receipt) -> None:
        """Write what came of an intent; where that fails, nothing more is sent."""
        try:
            if receipt.outcome is None:
                await self.ledger.withdraw_intent(intent)
            else:
                await self.ledger.record_outcome(intent, receipt, at=self.now())
        except LedgerError as error:
            self._halted = str(error)
            raise
        self.on_receipt(receipt)

    def _blocked_reason(self, step: Step) -> str | None:
        """Say why the step must not be sent now."""
        return self._halted or self.pm.resting or self.blocked_reason(step)

    async def _paused(self) -> str | None:
        """Say why nothing more may leave: somebody may have paused answering since the intent was recorded."""
        try:
            return await self.ledger.pause_reason()
        except LedgerError as error:
            return str(error)

    async def _paused_lately(self) -> str | None:
        """As `_paused`, unless nobody had a moment ago; that was looked at with each intent."""
        async with self._looking:
            now = self.now()
            if self._unpaused is None or not timedelta() <= now - self._unpaused <= MOMENT:
                paused = await self._paused()
                # Asked only now: meanwhile something else may have stopped all.
                self._halted = self._halted or paused
                self._unpaused = now
        return self._halted

    def _too_late(self, begun: datetime) -> str | None:
        """Say why an answer that was begun then must not be repeated; a clock that was set back cannot tell."""
        return None if timedelta() <= self.now() - begun <= self.repeat_within else "it was begun too long ago"

    async def _send(self, step: Step, *, begun: datetime) -> tuple[Receipt, NotAuthorised | None]:
        """POST what is on record as intended, and say what came of it; if the credentials were refused, also that."""
        why = self._blocked_reason(step) or self._too_late(begun) or await self._paused_lately()
        if why is not None:
            return Receipt(step=step, outcome=None, text=why), None
        try:
            await self.pm.answer(
                step.key.kind,
                step.key.id,
                step.action,
                step.decision.note,
                blocked_reason=lambda: self._blocked_reason(step) or self._too_late(begun),
                may_repeat=self._paused,
            )
        except PortfolioManagerError as error:
            return self._failed(step, error), error if isinstance(error, NotAuthorised) else None
        return Receipt(step=step, outcome=Outcome.DONE), None

    def _failed(self, step: Step, error: PortfolioManagerError) -> Receipt:
        """The row of `OUTCOMES`. What no row names is of unknown fate, the careful reading."""
        for kind, outcome, again in OUTCOMES:
            if isinstance(error, kind):
                if isinstance(error, TooFast) and error.retry_after is not None:
                    again = timedelta(seconds=error.retry_after)  # noqa: PLW2901 — the service's own word beats the table
                came = Receipt(step=step, outcome=outcome, text=str(error))
                if isinstance(again, timedelta):
                    return replace(came, retry_not_before=self.now() + again)
                return replace(came, awaits=again)
        return Receipt(step=step, outcome=Outcome.OPEN, text=str(error))

    def _dropped(self, step: Step, why: str) -> Receipt:
        receipt = Receipt(step=step, outcome=None, text=why)
        self.on_receipt(receipt)
        return receipt


def _gravest(failures: list[BaseException]) -> BaseException:
    """Of several failures the one that people must hear of: a fault of the program, then the ledger, then the rest."""

    def rank(error: BaseException) -> int:
        if not isinstance(error, PmAutoacceptError):
            return 0
        return 1 if isinstance(error, LedgerError) else 2

    return min(failures, key=rank)
