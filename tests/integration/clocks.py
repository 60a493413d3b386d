"""A service whose clock is right, and cycles by a clock of ours that somebody sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pm_autoaccept.cycle import Cycle
from tests.integration.test_cycle import EVERYBODY, posts

CONNECTIONS = EVERYBODY.replace(b"[connection, property, meter]", b"[connection]")


@dataclass
class Time:
    """True time, as the service has it, and our clock, which somebody sets."""

    true: datetime
    set_by: timedelta = timedelta()
    none_there: bool = False

    def service(self) -> datetime:
        """What the service's clock says."""
        self.true += timedelta(milliseconds=1)
        return self.true

    def ours(self) -> datetime:
        """What our clock says."""
        return self.service() + self.set_by


@dataclass
class Ground:
    """A simulator, and cycles over it by a clock that may be set."""

    simulator: Any
    cycle: Cycle
    time: Time
    answered: list[Any] = field(default_factory=list)

    async def once(self) -> Any:
        """One cycle; returns its plan."""
        planned = await self.cycle.look()
        self.answered += await self.cycle.answer(planned)
        return planned

    def later(self, passes: timedelta, *, set_by: timedelta = timedelta()) -> None:
        """Let so much time pass, and our clock be set forward, or back, by so much."""
        self.time.true += passes
        self.time.set_by += set_by

    @property
    def posts(self) -> int:
        """How many answers came."""
        return len(posts(self.simulator))
