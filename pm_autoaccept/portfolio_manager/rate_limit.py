"""Rate limit and concurrency of calls on one account: slows down after a 429, speeds up again, obeys Retry-After."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from pm_autoaccept.errors import ConfigurationError

QUIET_S = 60.0
"""Seconds without a 429 after which a lowered rate rises by 25 %."""

MIN_CALLS_PER_S = 1 / 30
"""The lowest rate, in calls per second."""

PREPARE_AHEAD_S = 0.25
"""How many seconds ahead answers are prepared."""

RECHECK_S = 1.0
"""Seconds between two checks whether a waiting call is still needed."""


class RateLimiter:
    """Allows at most `in_flight` calls at once, and at most `rate` calls in any `period` seconds (None: no limit).

    A 429 halves the rate. Time without a 429 raises it step by step to the configured rate. A Retry-After delays all
    calls. One RateLimiter serves one provider account and belongs to one event loop.

    Args:
        clock: a monotonic clock in seconds, kept as `clock`.
        sleep: waits this many seconds of that clock.

    Attributes:
        in_flight: the maximum number of calls in flight.
        slow_downs: how often a 429 has lowered the rate.

    Raises:
        ConfigurationError: a number is too small.
    """

    def __init__(
        self,
        in_flight: int = 4,
        *,
        rate: float | None = 4.0,
        period: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if in_flight < 1 or period <= 0 or (rate is not None and rate <= 0):
            raise ConfigurationError(
                f"invalid rate limit: {in_flight} in flight, {rate} per {period} s; "
                "allow at least one call in flight and a rate above 0"
            )
        self.in_flight = in_flight
        self.slow_downs = 0
        self._places = asyncio.Semaphore(in_flight)
        self.clock = clock
        self._sleep = sleep
        self._period = period
        self._maximum = None if rate is None else rate / period
        self._current = self._maximum
        self._held_until = self._quiet_since = clock()
        self._most_per_period = max(1, int(rate or 1))
        self._departures = deque[float](maxlen=self._most_per_period)

    @property
    def rate(self) -> float | None:
        """The current maximum of calls per second; None if there is no limit."""
        if self._maximum is None or self._current is None:
            return None
        steps = min(max(0, int((self.clock() - self._quiet_since) / QUIET_S)), 100)
        return min(self._maximum, self._current * 1.25**steps)

    @property
    def prepare_ahead(self) -> int:
        """How many answers to prepare ahead of their turn: those that can be sent soon, up to `in_flight`."""
        rate = self.rate
        return self.in_flight if rate is None else min(self.in_flight, max(1, int(rate * PREPARE_AHEAD_S)))

    @property
    def seconds_held(self) -> float:
        """Seconds for which no call is sent because of a Retry-After."""
        return max(0.0, self._held_until - self.clock())

    def hold_off(self, seconds: float) -> None:
        """Delay all calls by a Retry-After."""
        self._held_until = max(self._held_until, self.clock() + seconds)

    def slow_down(self, *, seen: int, retry_after: float | None) -> None:
        """Lower the rate after a 429, and delay all calls by its Retry-After.

        Args:
            seen: the value of `slow_downs` when the call was sent. Calls sent side by side lower the rate only once.
            retry_after: in seconds; None if the response has none.
        """
        rate = self.rate
        self.hold_off(retry_after or 0.0)
        if seen == self.slow_downs:
            self.slow_downs += 1
            self._current = rate and max(rate / 2, min(rate, MIN_CALLS_PER_S))
        else:
            self._current = rate
        self._quiet_since = max(self.clock(), self._held_until)

    def turn(self, *, unless: Callable[[], bool] = lambda: False) -> AbstractAsyncContextManager[bool]:
        """A turn to send one call. Entering waits for a free place in flight and for the rate; leaving frees the place.

        `unless` is called when a place is free and while the turn waits for the rate. Once it returns true, the turn
        begins at once and uses nothing of the rate, because the call will not be sent. Entering then returns False.
        """
        return _Turn(self, unless, self._places)

    async def wait_for_rate(self, *, unless: Callable[[], bool] = lambda: False) -> bool:
        """Wait until the rate allows another call, for a retry within the same turn. `unless` works as for a turn."""
        # Only calls with a place in flight wait here. They are few, so they need no queue.
        while not unless():
            wait = self._wait()
            if wait <= 0:
                self._departures.append(self.clock())
                return True
            await self._sleep(min(wait, RECHECK_S))
        return False

    def _wait(self) -> float:
        """Seconds until the next call may be sent; 0 or less if it may be sent now."""
        rate, now = self.rate, self.clock()
        wait = self._held_until - now
        if rate is None:
            return wait
        # The number of whole calls that fit into a period. If none fits, one call fits into a longer period.
        fit = min(max(1, int(rate * self._period + 1e-9)), self._most_per_period)
        if len(self._departures) < fit:
            return wait
        return max(wait, self._departures[-fit] + max(self._period, 1 / rate) - now)


class _Turn:
    """A turn: a place in flight, and entering waits for the rate too. A generator would take twice as long."""

    __slots__ = ("_places", "_rate_limiter", "_unless")

    def __init__(self, rate_limiter: RateLimiter, unless: Callable[[], bool], places: asyncio.Semaphore) -> None:
        self._rate_limiter, self._unless, self._places = rate_limiter, unless, places

    async def __aenter__(self) -> bool:
        await self._places.acquire()
        try:
            return await self._rate_limiter.wait_for_rate(unless=self._unless)
        except BaseException:
            self._places.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._places.release()
