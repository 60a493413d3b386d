"""A clock for what waits."""

from __future__ import annotations

import asyncio


class FakeTime:
    """Seconds that pass only when somebody sleeps, and then at once."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """What the clock says."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds
        await asyncio.sleep(0)
