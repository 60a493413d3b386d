"""How many calls are in flight at once, and how fast they leave: over all calls on one account."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from pm_autoaccept.errors import ConfigurationError

QUIET = 60.0
"""Seconds without a 429 after which a rate that was lowered rises by a quarter."""

SLOWEST = 1 / 30
"""Calls per second; a rate is not lowered below it."""

SOON = 0.25
"""Seconds ahead for which answers are made ready."""

LOOKS = 1.0
"""Seconds between two looks at whether what waits is still wanted."""


class Pace:
    """At most `in_flight` calls at once, and at most `rate` in any `period` seconds (None: as fast as they go).

    A 429 halves the rate; quiet time raises it again, step by step, to what was set. What a Retry-After asks for is
    waited for by all. One Pace serves one provider account and belongs to one event loop.

    Args:
        clock: seconds that only ever grow, kept as `clock`.
        sleep: waits so many seconds of that clock.

    Attributes:
        in_flight: calls at once, at most.
        slowed: how often a 429 has slowed it.

    Raises:
        ConfigurationError: a number below what makes sense.
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
                f"a pace of {in_flight} in flight and {rate} per {period} s: "
                "let at least one call be in flight, at a rate above 0"
            )
        self.in_flight = in_flight
        self.slowed = 0
        self._places = asyncio.Semaphore(in_flight)
        self.clock = clock
        self._sleep = sleep
        self._period = period
        self._highest = None if rate is None else rate / period
        self._lowered = self._highest
        self._held_until = self._since = clock()
        self._left = deque[float](maxlen=max(1, int(rate or 1)))

    @property
    def rate(self) -> float | None:
        """Calls per second that leave at most, as things are now; None where there is no limit."""
        if self._highest is None or self._lowered is None:
            return None
        steps = min(max(0, int((self.clock() - self._since) / QUIET)), 100)
        return min(self._highest, self._lowered * 1.25**steps)

    @property
    def ahead(self) -> int:
        """Answers that are worth making ready ahead of their turn: as many as soon leave, and as may be in flight."""
        rate = self.rate
        return self.in_flight if rate is None else min(self.in_flight, max(1, int(rate * SOON)))

    @property
    def held(self) -> float:
        """Seconds for which nothing leaves, because a Retry-After asked for it."""
        return max(0.0, self._held_until - self.clock())

    def rest(self, seconds: float) -> None:
        """A Retry-After asks for a rest: let everything wait so long."""
        self._held_until = max(self._held_until, self.clock() + seconds)

    def too_fast(self, *, seen: int, retry_after: float | None) -> None:
        """A call was answered 429: slow down, and let everything wait as long as it asks.

        Args:
            seen: what `slowed` was when the call left; calls that left side by side slow it once.
            retry_after: seconds, None where it does not say.
        """
        rate = self.rate
        self.rest(retry_after or 0.0)
        if seen == self.slowed:
            self.slowed += 1
            self._lowered = rate and max(rate / 2, min(rate, SLOWEST))
        else:
            self._lowered = rate
        self._since = max(self.clock(), self._held_until)

    def turn(self, *, unless: Callable[[], bool] = lambda: False) -> AbstractAsyncContextManager[bool]:
        """A place in flight and in the rate: entered when it is one's turn, left when the call is over.

        `unless` is asked when a place is free and while it waits for the rate: once true, the turn begins at once,
        without a place in the rate, for what then will not be sent. Entering says whether there is one.
        """
        return self._turn(unless)

    async def again(self, *, unless: Callable[[], bool] = lambda: False) -> bool:
        """A further place in the rate, for a call that is repeated within its turn; `unless` as for a turn."""
        # Only those who have a place in flight wait here: they are few, and need no queue.
        while not unless():
            wait = self._wait()
            if wait <= 0:
                self._left.append(self.clock())
                return True
            await self._sleep(min(wait, LOOKS))
        return False

    def _wait(self) -> float:
        """Seconds until the next call may leave, 0 or less if it may now."""
        rate, now = self.rate, self.clock()
        wait = self._held_until - now
        if rate is None:
            return wait
        # So many whole calls fit into a period; where none does, one fits into a longer one.
        fit = max(1, int(rate * self._period + 1e-9))
        if len(self._left) < fit:
            return wait
        return max(wait, self._left[-fit] + max(self._period, 1 / rate) - now)

    @asynccontextmanager
    async def _turn(self, unless: Callable[[], bool]) -> AsyncIterator[bool]:
        async with self._places:
            yield await self.again(unless=unless)
