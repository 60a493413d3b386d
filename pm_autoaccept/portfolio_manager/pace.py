"""How many calls are in flight at once, and how fast they leave: over all calls on one account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from aiolimiter import AsyncLimiter

from pm_autoaccept.errors import ConfigurationError


class Pace:
    """At most `in_flight` calls at once, and at most `rate` in any `period` seconds (None: as fast as they go).

    One Pace serves one provider account and belongs to one event loop.

    Raises:
        ConfigurationError: a number below what makes sense.
    """

    def __init__(self, in_flight: int = 4, *, rate: float | None = 4.0, period: float = 1.0) -> None:
        if in_flight < 1 or period <= 0 or (rate is not None and rate <= 0):
            raise ConfigurationError(
                f"a pace of {in_flight} in flight and {rate} per {period} s: "
                "let at least one call be in flight, at a rate above 0"
            )
        self._places = asyncio.Semaphore(in_flight)
        # The limiter lets a call through only if a whole one fits its period: half a call per second is one in two.
        fitting = 1.0 if rate is None else min(1.0, rate)
        self._limiter = None if rate is None else AsyncLimiter(rate / fitting, period / fitting)

    def turn(self, *, unless: Callable[[], bool] = lambda: False) -> AbstractAsyncContextManager[None]:
        """A place in flight and in the rate: entered when it is one's turn, left when the call is over.

        `unless` is asked when a place is free: if true, the turn begins at once, for what then will not be sent and
        need not wait for the rate.
        """
        return self._turn(unless)

    async def again(self) -> None:
        """A further place in the rate, for a call that is repeated within its turn."""
        if self._limiter is not None:
            await self._limiter.acquire()

    @asynccontextmanager
    async def _turn(self, unless: Callable[[], bool]) -> AsyncIterator[None]:
        async with self._places:
            if not unless():
                await self.again()
            yield
