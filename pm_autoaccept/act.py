"""Sends the answers of a plan: records an intent, sends one POST, records the outcome; limits what is in flight.

A stop never cancels an answer in flight: it is finished and recorded. Steps that have not begun are dropped, and the
next cycle decides them again.
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
"""Errors of a POST (docs/architecture.md#failures): the outcome to record, and when the answer may be sent again.

A duration: after this time. A `Change`: when this or the program has changed. None: by the rule of unknowns.
"""

PAUSE_RECHECK = timedelta(milliseconds=50)
"""How long a check for a pause is trusted. After that, the ledger is asked again before an answer is sent."""


@dataclass(slots=True)
class AnswerSender:
    """Sends the answers of one plan.

    Attributes:
        pm: the signed-in client.
        ledger: where intents and outcomes are recorded.
        now: the clock.
        blocked_reason: called just before each POST; returns why the step must not be sent now, or None.
        on_receipt: called with the receipt of each step, for progress and logs.
        repeat_within: how long after its intent an answer that was certainly not processed may be sent again.
    """

    pm: PortfolioManager
    ledger: Ledger
    now: Callable[[], datetime]
    blocked_reason: Callable[[Step], str | None]
    on_receipt: Callable[[Receipt], None] = lambda _receipt: None
    repeat_within: timedelta = RETRY_WITHIN
    _halted: str | None = field(default=None, init=False)
    _preparing: asyncio.Semaphore = field(init=False)
    _pause_check: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _unpaused_at: datetime | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._preparing = asyncio.Semaphore(self.pm.rate_limiter.prepare_ahead)

    async def act(self, plan: Plan) -> tuple[Receipt, ...]:
        """Send every step after the steps that it needs are done, and return the receipts.

        Raises:
            NotAuthorised: the credentials were refused. Every step in flight was finished and recorded first.
            LedgerError: the ledger failed. Nothing more was sent, and steps in flight were finished.
        """
        tasks: dict[RequestKey, asyncio.Task[Receipt]] = {}
        for step in plan.steps:
            needed = [tasks[key] for key in step.needs]
            tasks[step.key] = asyncio.create_task(self._step(step, needed), name=f"answer {step.key}")
        results = await asyncio.gather(*tasks.values(), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            raise _most_serious(failures)
        return tuple(result for result in results if isinstance(result, Receipt))

    async def _step(self, step: Step, needed: list[asyncio.Task[Receipt]]) -> Receipt:
        for task in needed:
            try:
                before = await asyncio.shield(task)
            except PmAutoacceptError:
                return self._dropped(step, "an answer that it needs failed")
            if before.outcome is not Outcome.DONE:
                return self._dropped(step, f"it needs {before.step.key}, which is not done")
        async with AsyncExitStack() as turn:
            # The intent is recorded while other answers are in flight, so that no place in flight waits for the disk.
            async with self._preparing:
                begun = self.now()
                intent = self._blocked_reason(step) or await self._intend(step, at=begun)
                if isinstance(intent, str):
                    return self._dropped(step, intent)
                await turn.enter_async_context(self.pm.turn(unless=lambda: self._blocked_reason(step) is not None))
            receipt, refusal = await self._send(step, begun=begun)
            if refusal is not None:
                self._halted = str(refusal)
        # While the outcome is recorded, the place in flight is free for the next answer.
        await self._record(intent, receipt)
        if refusal is not None:
            raise refusal
        return receipt

    async def _intend(self, step: Step, *, at: datetime) -> int | str:
        """Record the intent. Returns its number, or why the step must not be sent."""
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
        self._unpaused_at = at
        return intent

    async def _record(self, intent: int, receipt: Receipt) -> None:
        """Record the outcome of an intent. If that fails, nothing more is sent."""
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
        """Why the step must not be sent now, or None."""
        return self._halted or self.pm.waiting_reason or self.blocked_reason(step)

    async def _pause_reason(self) -> str | None:
        """Why answering is paused, or None: it may have been paused since the intent was recorded."""
        try:
            return await self.ledger.pause_reason()
        except LedgerError as error:
            return str(error)

    async def _recent_pause_reason(self) -> str | None:
        """Like `_pause_reason`, but skips the query right after an intent was recorded, which checks it too."""
        async with self._pause_check:
            now = self.now()
            if self._unpaused_at is None or not timedelta() <= now - self._unpaused_at <= PAUSE_RECHECK:
                paused = await self._pause_reason()
                # Read only now: something else may have stopped all answers meanwhile.
                self._halted = self._halted or paused
                self._unpaused_at = now
        return self._halted

    def _too_late_reason(self, begun: datetime) -> str | None:
        """Why an answer with an intent of this time is too old to send, or None; also if the clock was set back."""
        return (
            None if timedelta() <= self.now() - begun <= self.repeat_within else "its intent was recorded too long ago"
        )

    async def _send(self, step: Step, *, begun: datetime) -> tuple[Receipt, NotAuthorised | None]:
        """Send the POST of a recorded intent. Returns the receipt, and the error if the credentials were refused."""
        why = self._blocked_reason(step) or self._too_late_reason(begun) or await self._recent_pause_reason()
        if why is not None:
            return Receipt(step=step, outcome=None, text=why), None
        try:
            await self.pm.answer(
                step.key.kind,
                step.key.id,
                step.action,
                step.decision.note,
                blocked_reason=lambda: self._blocked_reason(step) or self._too_late_reason(begun),
                may_repeat=self._pause_reason,
            )
        except PortfolioManagerError as error:
            return self._failed_receipt(step, error), error if isinstance(error, NotAuthorised) else None
        return Receipt(step=step, outcome=Outcome.DONE), None

    def _failed_receipt(self, step: Step, error: PortfolioManagerError) -> Receipt:
        """The receipt by `OUTCOMES`. An error without a row there counts as an unknown outcome, the careful reading."""
        for kind, outcome, again in OUTCOMES:
            if isinstance(error, kind):
                if isinstance(error, TooFast) and error.retry_after is not None:
                    again = timedelta(seconds=error.retry_after)  # noqa: PLW2901 — a Retry-After overrides the table
                came = Receipt(step=step, outcome=outcome, text=str(error))
                if isinstance(again, timedelta):
                    return replace(came, retry_not_before=self.now() + again)
                return replace(came, awaits=again)
        return Receipt(step=step, outcome=Outcome.OPEN, text=str(error))

    def _dropped(self, step: Step, why: str) -> Receipt:
        receipt = Receipt(step=step, outcome=None, text=why)
        self.on_receipt(receipt)
        return receipt


def _most_serious(failures: list[BaseException]) -> BaseException:
    """The most serious of several failures: an internal error, then a ledger error, then the others."""

    def rank(error: BaseException) -> int:
        if not isinstance(error, PmAutoacceptError):
            return 0
        return 1 if isinstance(error, LedgerError) else 2

    return min(failures, key=rank)
