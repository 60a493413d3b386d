"""How a call is sent: in its turn, once or again, by which clock, and whom it is told."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential_jitter, wait_random

from pm_autoaccept.errors import (
    Invalid,
    NotAuthorised,
    NotSent,
    PortfolioManagerError,
    ProxyNotAuthorised,
    TooFast,
    Transient,
)
from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.portfolio_manager.rate_limit import Pace
from pm_autoaccept.portfolio_manager.responses import clock_difference, confirm, data_from
from pm_autoaccept.portfolio_manager.services import Call, Service
from pm_autoaccept.portfolio_manager.transport import Connection

T = TypeVar("T")

LONGEST_BACKOFF = 30.0
"""Seconds between two attempts, where the service does not say."""

LATELY = 1.0
"""Seconds for which a call that succeeded shows that the password is still taken: until then reads leave side by
side, afterwards one goes first, alone."""

CANCELLED = "Cancelled"


async def nothing_against_it() -> None:
    """Nothing stands against it."""


async def at_once() -> None:
    """Nothing is to be done before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMade:
    """One attempt at a call, for those who count.

    Attributes:
        service: its name in `services`.
        method: GET or POST.
        status: of the answer, None where none came.
        error: what went wrong, as the name of a class in `errors`, or `Cancelled`; None where nothing did.
        seconds: from asking for a connection to the last byte; waiting for a turn is not in it.
    """

    service: str
    method: str
    status: int | None = None
    error: str | None = None
    seconds: float


class Memory(Protocol):
    """What outlives a session: another one, of this process or of another, must know it."""

    async def refused(self) -> datetime | None:
        """Keep that a 401 came, and say when the same credentials may be tried again; None where nobody knows."""

    async def rests(self, seconds: float) -> None:
        """Keep that nothing may be called for so long."""


class Forgetful:
    """Keeps nothing."""

    async def refused(self) -> datetime | None:
        """Nobody knows when to try again."""
        return None

    async def rests(self, seconds: float) -> None:
        """Only the session's own pace knows."""


@dataclass(slots=True, kw_only=True)
class Sending:
    """Sends calls over one connection. Attributes as the arguments of `PortfolioManager`."""

    connection: Connection
    pace: Pace
    attempts: int
    patience: float
    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], datetime]
    on_call: Callable[[CallMade], None]
    memory: Memory
    _answered: tuple[Mapping[str, str], datetime] | None = field(default=None, init=False)
    _succeeded: float | None = field(default=None, init=False)
    _first: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _recording: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _recorded: bool = field(default=False, init=False)
    _until: datetime | None = field(default=None, init=False)
    _kept: float = field(default=0.0, init=False)

    async def get(
        self, call: Call, read: Callable[[bytes], T], *, repeat: type[PortfolioManagerError] = Transient
    ) -> T:
        """Reads, each attempt in a turn of its own; what raises TooFast or `repeat` is tried again.

        Where the last success is no longer news, one read leaves alone, so that a password that was changed meanwhile
        is tried once, and not by all that would leave side by side.
        """

        async def in_turn(slowed: int) -> T:
            async with self.pace.turn(unless=self._rests) as free:
                if not free:
                    raise self._resting(call)
                return await self._attempt(call, None, partial(data_from, read=read), slowed=slowed)

        async def attempt() -> T:
            slowed = self.pace.slowed
            if self._silent():
                async with self._first:
                    if self._silent():
                        return await in_turn(slowed)
            return await in_turn(slowed)

        return await self._persist(attempt, TooFast, repeat)

    async def post(
        self,
        service: Service,
        id: int,  # noqa: A002 - Portfolio Manager's own word
        document: Callable[[], bytes],
        *,
        blocked_reason: Callable[[], str | None] = lambda: None,
        may_repeat: Callable[[], Awaitable[str | None]] = nothing_against_it,
        **query: str,
    ) -> None:
        """Tells, within a turn that the caller holds. Only what surely was not processed is sent again.

        Raises:
            Invalid: it cannot be sent.
            NotSent: `blocked_reason` gave a reason before the first attempt.
            PortfolioManagerError: another of its kinds, by docs/architecture.md#failures.
        """
        try:
            call, body = service.call(id, **query), document()
        except ValueError as error:
            raise Invalid(f"not sent: {error}", call=f"POST {service.path}") from error

        last: PortfolioManagerError | None = None

        def nothing_may_leave() -> bool:
            return self._rests() or blocked_reason() is not None

        async def attempt() -> None:
            nonlocal last
            try:
                if self._rests():
                    raise self._resting(call)
                await self._attempt(call, body, confirm, slowed=self.pace.slowed)
            except PortfolioManagerError as error:
                last = error
                raise

        async def before_repeating() -> None:
            await self.pace.again(unless=nothing_may_leave)
            why = await may_repeat() or blocked_reason()
            if why is not None and last is not None:
                last.add_note(f"not repeated: {why}")
                raise last

        # A turn may have begun before somebody else's 429 asked for a pause.
        if self.pace.held:
            await self.pace.again(unless=nothing_may_leave)
        why = blocked_reason()
        if why is not None:
            raise NotSent(f"not sent: {why}", call=str(call))
        await self._persist(attempt, TooFast, NotSent, before_repeating=before_repeating)

    @property
    def clock(self) -> Fact[timedelta]:
        """What the service's clock says beside ours, by its last answer."""
        if self._answered is None:
            return NotLearnt("nothing has been answered yet")
        headers, now = self._answered
        return clock_difference(headers, now=now)

    async def refusal(self) -> datetime | None:
        """Have it on record that a 401 came, and say when the same credentials may be tried again."""
        async with self._recording:
            if not self._recorded:
                self._until = await self.memory.refused()
                self._recorded = True
        return self._until

    @property
    def resting(self) -> str | None:
        """Why nothing is sent for now: a Retry-After is longer than is waited for. None while calls may leave."""
        return f"Portfolio Manager asks for a rest of {self.pace.held:.0f} s" if self._rests() else None

    def _rests(self) -> bool:
        return self.pace.held > self.patience

    def _resting(self, call: Call) -> TooFast:
        return TooFast(f"not sent: {self.resting}", call=str(call), status=None, retry_after=self.pace.held)

    async def _attempt(self, call: Call, body: bytes | None, understand: Callable[..., T], *, slowed: int) -> T:
        """Sends once, unless this session's credentials were refused, and understands what came.

        `slowed` is the pace's when it was ready to leave: what it waited behind has slowed the pace for it too.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        status: int | None = None
        error: str | None = CANCELLED
        try:
            reply = await self.connection.exchange(call, body)
            status, now = reply.status, self.now()
            self._answered = reply.headers, now
            brought = understand(call, reply, now=now)
        except PortfolioManagerError as failure:
            error = type(failure).__name__
            if isinstance(failure, TooFast):
                self.pace.too_fast(seen=slowed, retry_after=failure.retry_after)
            if failure.retry_after:
                await self._rest(failure.retry_after)
            if isinstance(failure, NotAuthorised) and not isinstance(failure, ProxyNotAuthorised):
                failure.until = await self.refusal()
            raise
        else:
            error = None
            self._succeeded = self.pace.clock()
            return brought
        finally:
            seconds = loop.time() - begun
            service = call.service
            self.on_call(
                CallMade(service=service.name, method=service.method, status=status, error=error, seconds=seconds)
            )

    async def _rest(self, seconds: float) -> None:
        """Let every call wait so long, and whoever signs in next; what adds less than a second is not kept again."""
        self.pace.rest(seconds)
        until = self.pace.clock() + seconds
        if until > self._kept + 1.0:
            self._kept = until
            await self.memory.rests(seconds)

    def was_idle(self) -> None:
        """Say that time has passed in which nothing was called: the last success is no longer news."""
        if self._succeeded is not None:
            self._succeeded = -math.inf

    def _silent(self) -> bool:
        """Whether the last success was too long ago to show that the password is still taken.

        Before the first one nobody waits: a session begins with one call, alone.
        """
        return self._succeeded is not None and self.pace.clock() - self._succeeded > LATELY

    async def _persist(
        self,
        attempt: Callable[[], Awaitable[T]],
        *errors: type[PortfolioManagerError],
        before_repeating: Callable[[], Awaitable[None]] = at_once,
    ) -> T:
        """Repeats what raises one of these errors; any other error, and the last one, is raised as it is."""
        try:
            return await attempt()
        except errors as error:
            failed = [error]

        # Only now, since nearly every call succeeds at once: what repeats costs more than a call.
        async def again() -> T:
            if failed:
                raise failed.pop()
            return await attempt()

        async def rest(seconds: float) -> None:
            await self.sleep(seconds)
            await before_repeating()

        repeating = AsyncRetrying(
            retry=retry_if_exception_type(errors),
            wait=_seconds_until_next,
            stop=lambda state: stop_after_attempt(self.attempts)(state) or (_asked(state) or 0.0) > self.patience,
            sleep=rest,
            reraise=True,
        )
        return await repeating(again)


def _seconds_until_next(state: RetryCallState) -> float:
    """What the service asks for, else a back-off that doubles from 1 s; always with jitter, so that crowds part."""
    asked = _asked(state)
    if asked is None:
        return wait_exponential_jitter(initial=1.0, max=LONGEST_BACKOFF, jitter=1.0)(state)
    return asked + wait_random(0.0, 1.0)(state)


def _asked(state: RetryCallState) -> float | None:
    """The Retry-After of the last attempt, in seconds."""
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, PortfolioManagerError) else None
