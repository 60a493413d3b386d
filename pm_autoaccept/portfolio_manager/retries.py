"""Retries and backoff: which calls are repeated, after how long, Retry-After, and what happens after a 401."""

from __future__ import annotations

import asyncio
import math
import time
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
from pm_autoaccept.portfolio_manager.rate_limit import RateLimiter
from pm_autoaccept.portfolio_manager.responses import check_post_reply, clock_difference, parse_get_reply
from pm_autoaccept.portfolio_manager.services import Call, Service
from pm_autoaccept.portfolio_manager.transport import Transport

T = TypeVar("T")

MAX_BACKOFF_S = 30.0
"""The longest backoff between two attempts without a Retry-After, in seconds."""

PASSWORD_CONFIRMED_S = 1.0
"""For this many seconds after a success, the password counts as valid and reads are sent side by side. Later, one read
goes first, alone."""

CANCELLED = "Cancelled"


async def no_objection() -> None:
    """Give no reason against a retry."""


async def do_nothing() -> None:
    """Do nothing before a retry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMade:
    """One attempt at a call, for metrics and logs.

    Attributes:
        service: its name in `services`.
        method: GET or POST.
        status: the HTTP status; None if there was no reply.
        error: the class name in `errors` of what went wrong, or `Cancelled`; None after a success.
        seconds: from requesting a connection to the last byte, without waiting for the rate limit.
    """

    service: str
    method: str
    status: int | None = None
    error: str | None = None
    seconds: float


class RefusalStore(Protocol):
    """Keeps 401s and Retry-After waits beyond one session, so that restarts, replicas and commands obey them."""

    async def refused(self) -> datetime | None:
        """Record a 401. Returns when the same credentials may be tried again; None if unknown."""

    async def asked_to_wait(self, seconds: float) -> None:
        """Record that no call may be sent for this many seconds."""


class NoRefusalStore:
    """A `RefusalStore` that keeps nothing."""

    async def refused(self) -> datetime | None:
        """The next permitted try is unknown."""
        return None

    async def asked_to_wait(self, seconds: float) -> None:
        """Only the rate limiter of this session obeys it."""


@dataclass(slots=True, kw_only=True)
class RetryingSender:
    """Sends calls within the rate limit, and retries what is safe to repeat. Attributes as in `PortfolioManager`."""

    transport: Transport
    rate_limiter: RateLimiter
    attempts: int
    max_retry_after_s: float
    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], datetime]
    on_call: Callable[[CallMade], None]
    refusal_store: RefusalStore
    _last_reply: tuple[Mapping[str, str], datetime] | None = field(default=None, init=False)
    _last_success: float | None = field(default=None, init=False)
    _probe_lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _refusal_lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _recorded: bool = field(default=False, init=False)
    _retry_at: datetime | None = field(default=None, init=False)
    _recorded_until: float = field(default=0.0, init=False)

    async def get(
        self, call: Call, read: Callable[[bytes], T], *, repeat: type[PortfolioManagerError] = Transient
    ) -> T:
        """Send a GET, each attempt in its own turn. Attempts that raise TooFast or `repeat` are retried.

        If the last success is too old, one read is sent alone first. So a password that was changed meanwhile is tried
        once, and not by all reads that would be sent side by side.
        """

        async def in_turn(slow_downs: int) -> T:
            async with self.rate_limiter.turn(unless=self._must_wait) as free:
                if not free:
                    raise self._too_fast(call)
                return await self._attempt(call, None, partial(parse_get_reply, read=read), slow_downs=slow_downs)

        async def attempt() -> T:
            slow_downs = self.rate_limiter.slow_downs
            if self._password_stale():
                async with self._probe_lock:
                    if self._password_stale():
                        return await in_turn(slow_downs)
            return await in_turn(slow_downs)

        return await self._retry(attempt, TooFast, repeat)

    async def post(
        self,
        service: Service,
        id: int,  # noqa: A002 - Portfolio Manager's own word
        document: Callable[[], bytes],
        *,
        blocked_reason: Callable[[], str | None] = lambda: None,
        may_repeat: Callable[[], Awaitable[str | None]] = no_objection,
        **query: str,
    ) -> None:
        """Send a POST, within a turn that the caller holds. It is retried only if it was certainly not processed.

        Raises:
            Invalid: it does not fit EPA's schema, so it was not sent.
            NotSent: `blocked_reason` gave a reason before the first attempt.
            PortfolioManagerError: another of its kinds, by docs/architecture.md#failures.
        """
        try:
            call, body = service.call(id, **query), document()
        except ValueError as error:
            raise Invalid(f"not sent: {error}", call=f"POST {service.path}") from error

        last: PortfolioManagerError | None = None

        def nothing_may_leave() -> bool:
            return self._must_wait() or blocked_reason() is not None

        async def attempt() -> None:
            nonlocal last
            try:
                if self._must_wait():
                    raise self._too_fast(call)
                await self._attempt(call, body, check_post_reply, slow_downs=self.rate_limiter.slow_downs)
            except PortfolioManagerError as error:
                last = error
                raise

        async def before_repeating() -> None:
            await self.rate_limiter.wait_for_rate(unless=nothing_may_leave)
            why = await may_repeat() or blocked_reason()
            if why is not None and last is not None:
                last.add_note(f"not retried: {why}")
                raise last

        # The turn may have begun before another call got a 429 with a Retry-After.
        if self.rate_limiter.seconds_held:
            await self.rate_limiter.wait_for_rate(unless=nothing_may_leave)
        why = blocked_reason()
        if why is not None:
            raise NotSent(f"not sent: {why}", call=str(call))
        await self._retry(attempt, TooFast, NotSent, before_repeating=before_repeating)

    @property
    def clock(self) -> Fact[timedelta]:
        """The difference between the service's clock and ours, from its last reply."""
        if self._last_reply is None:
            return NotLearnt("Portfolio Manager has not replied yet")
        headers, now = self._last_reply
        return clock_difference(headers, now=now)

    async def record_refusal(self) -> datetime | None:
        """Record a 401 once. Returns when the same credentials may be tried again."""
        async with self._refusal_lock:
            if not self._recorded:
                self._retry_at = await self.refusal_store.refused()
                self._recorded = True
        return self._retry_at

    @property
    def waiting_reason(self) -> str | None:
        """Why no call is sent now: a Retry-After is longer than `max_retry_after_s`. None if calls may be sent."""
        return (
            f"Portfolio Manager asked us to wait {self.rate_limiter.seconds_held:.0f} s (Retry-After)"
            if self._must_wait()
            else None
        )

    def _must_wait(self) -> bool:
        return self.rate_limiter.seconds_held > self.max_retry_after_s

    def _too_fast(self, call: Call) -> TooFast:
        return TooFast(
            f"not sent: {self.waiting_reason}", call=str(call), status=None, retry_after=self.rate_limiter.seconds_held
        )

    async def _attempt(self, call: Call, body: bytes | None, understand: Callable[..., T], *, slow_downs: int) -> T:
        """Send the call once, unless this session's credentials were refused, and interpret the reply.

        `slow_downs` is the rate limiter's count when the call was ready: a 429 to a call ahead of it has already
        lowered the rate for it too.
        """
        begun = time.monotonic()
        status: int | None = None
        error: str | None = CANCELLED
        try:
            reply = await self.transport.exchange(call, body)
            status, now = reply.status, self.now()
            self._last_reply = reply.headers, now
            brought = understand(call, reply, now=now)
        except PortfolioManagerError as failure:
            error = type(failure).__name__
            if isinstance(failure, TooFast):
                self.rate_limiter.slow_down(seen=slow_downs, retry_after=failure.retry_after)
            if failure.retry_after:
                await self._hold_off(failure.retry_after)
            if isinstance(failure, NotAuthorised) and not isinstance(failure, ProxyNotAuthorised):
                failure.until = await self.record_refusal()
            raise
        else:
            error = None
            self._last_success = self.rate_limiter.clock()
            return brought
        finally:
            seconds = time.monotonic() - begun
            service = call.service
            self.on_call(
                CallMade(service=service.name, method=service.method, status=status, error=error, seconds=seconds)
            )

    async def _hold_off(self, seconds: float) -> None:
        """Delay all calls, and record that for later sessions; not again for an extension of less than a second."""
        self.rate_limiter.hold_off(seconds)
        until = self.rate_limiter.clock() + seconds
        if until > self._recorded_until + 1.0:
            self._recorded_until = until
            await self.refusal_store.asked_to_wait(seconds)

    def was_idle(self) -> None:
        """Note that no call was sent for a while, so the last success no longer shows that the password is valid."""
        if self._last_success is not None:
            self._last_success = -math.inf

    def _password_stale(self) -> bool:
        """Whether the last success is too old to show that the password is still valid.

        Before the first success no call waits for this, because a session begins with one call, alone.
        """
        return self._last_success is not None and self.rate_limiter.clock() - self._last_success > PASSWORD_CONFIRMED_S

    async def _retry(
        self,
        attempt: Callable[[], Awaitable[T]],
        *errors: type[PortfolioManagerError],
        before_repeating: Callable[[], Awaitable[None]] = do_nothing,
    ) -> T:
        """Retry on these errors. Any other error, and the last one, is raised unchanged."""
        try:
            return await attempt()
        except errors as error:
            failed = [error]

        # Set up only now, because nearly every call succeeds at once and the retry machinery costs more than a call.
        async def next_attempt() -> T:
            if failed:
                raise failed.pop()
            return await attempt()

        async def wait_then_prepare(seconds: float) -> None:
            await self.sleep(seconds)
            await before_repeating()

        repeating = AsyncRetrying(
            retry=retry_if_exception_type(errors),
            wait=_seconds_until_next,
            stop=lambda state: (
                stop_after_attempt(self.attempts)(state) or (_retry_after(state) or 0.0) > self.max_retry_after_s
            ),
            sleep=wait_then_prepare,
            reraise=True,
        )
        return await repeating(next_attempt)


def _seconds_until_next(state: RetryCallState) -> float:
    """The Retry-After, or an exponential backoff from 1 s; always with jitter, so that calls do not retry together."""
    asked = _retry_after(state)
    if asked is None:
        return wait_exponential_jitter(initial=1.0, max=MAX_BACKOFF_S, jitter=1.0)(state)
    return asked + wait_random(0.0, 1.0)(state)


def _retry_after(state: RetryCallState) -> float | None:
    """The Retry-After of the last attempt, in seconds."""
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, PortfolioManagerError) else None
