"""A stop whose waits take no time, for tests of the daemon."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pm_autoaccept.daemon import Stop


@dataclass(slots=True, kw_only=True)
class Rounds(Stop):
    """A stop that never really waits: it notes how long it was to wait, and its clock goes on by that.

    Attributes:
        faster: how many times as long as it was to take each wait takes by the clock.
        after: the wait with which it asks to stop …
        enough: … unless this says when.
        between: called, and awaited where it is to be, with the number of each wait.
    """

    faster: int = 1
    after: int = 1
    enough: Callable[[], bool] | None = None
    between: Callable[[int], Any] | None = None
    waits: list[timedelta] = field(default_factory=list)
    clock: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def wait(self, at_most: timedelta) -> None:
        """Note the wait, let something happen, and give everybody else a turn."""
        self.waits.append(at_most)
        self.clock += at_most * self.faster
        if self.between is not None and inspect.isawaitable(happening := self.between(len(self.waits))):
            await happening
        await asyncio.sleep(0)
        if self.enough() if self.enough is not None else len(self.waits) >= self.after:
            self.requested.set()

    def now(self) -> datetime:
        """What time it is by the waits."""
        return self.clock
