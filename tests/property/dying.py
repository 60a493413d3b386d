"""A process that dies, in a story, at a drawn moment: from then on it neither records nor sends anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pm_autoaccept.cycle import Cycle
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import Kind, Receipt, RequestKey, Step, VoidedAnswer
from pm_autoaccept.portfolio_manager import PortfolioManager
from pm_autoaccept.record import AppendedDecision


class Killed(BaseException):
    """Nobody catches SIGKILL."""


class Boundary(StrEnum):
    """The steps of a cycle between which a process may die."""

    SEE = "see"
    DECIDE = "decide"
    INTEND = "intend"
    ANSWER = "answer"
    CONCLUDE = "conclude"


@dataclass(frozen=True, slots=True)
class Death:
    """In which cycle, before or after the how manieth passing of which boundary."""

    cycle: int
    boundary: Boundary
    passing: int
    after: bool


@dataclass(slots=True)
class Life:
    """One process's life: what it recorded, until it died.

    Attributes:
        intended: what it recorded that it was about to answer, and when that was asked.
        concluded: the requests of which it recorded what became of the answer.
    """

    death: Death | None
    dead: bool = False
    passed: dict[Boundary, int] = field(default_factory=dict)
    intended: set[tuple[RequestKey, datetime | None]] = field(default_factory=set)
    concluded: set[RequestKey] = field(default_factory=set)

    async def passing(self, boundary: Boundary, work: Callable[[], Any]) -> Any:
        """Do the work of a boundary, or die before it, or after it."""
        if self.dead:
            raise Killed
        count = self.passed[boundary] = self.passed.get(boundary, 0) + 1
        due = self.death is not None and (self.death.boundary, self.death.passing) == (boundary, count)
        if due and not self.death.after:
            self.dead = True
            raise Killed
        result = await work()
        if due:
            self.dead = True
        if self.dead:
            raise Killed
        return result


class MortalLedger:
    """A ledger in the hands of a process that may die: what was written stays, nothing more comes."""

    def __init__(self, ledger: SqlLedger, life: Life) -> None:
        self._ledger, self._life = ledger, life

    def __getattr__(self, name: str) -> Any:
        """What is only read is the ledger's own."""
        return getattr(self._ledger, name)

    async def record_snapshot(self, *args: Any, **said: Any) -> Sequence[VoidedAnswer]:
        """As the ledger's, or die."""
        return await self._life.passing(Boundary.SEE, lambda: self._ledger.record_snapshot(*args, **said))

    async def record_decisions(self, *args: Any, **said: Any) -> Sequence[AppendedDecision]:
        """As the ledger's, or die."""
        return await self._life.passing(Boundary.DECIDE, lambda: self._ledger.record_decisions(*args, **said))

    async def record_intent(self, step: Step, *, at: datetime) -> int:
        """As the ledger's, or die."""

        async def work() -> int:
            intent = await self._ledger.record_intent(step, at=at)
            self._life.intended.add((step.key, step.decision.request.requested_at))
            return intent

        return await self._life.passing(Boundary.INTEND, work)

    async def record_outcome(self, intent: int, receipt: Receipt, *, at: datetime) -> None:
        """As the ledger's, or die."""

        async def work() -> None:
            await self._ledger.record_outcome(intent, receipt, at=at)
            self._life.concluded.add(receipt.step.key)

        await self._life.passing(Boundary.CONCLUDE, work)

    async def withdraw_intent(self, intent: int) -> None:
        """As the ledger's, or die."""
        await self._life.passing(Boundary.CONCLUDE, lambda: self._ledger.withdraw_intent(intent))


class MortalClient:
    """A client in the hands of a process that may die before an answer leaves, or before its answer is read."""

    def __init__(self, pm: PortfolioManager, life: Life) -> None:
        self._pm, self._life = pm, life

    def __getattr__(self, name: str) -> Any:
        """All else is the client's own."""
        return getattr(self._pm, name)

    async def answer(self, kind: Kind, *args: Any, **said: Any) -> None:
        """As the client's, or die."""
        await self._life.passing(Boundary.ANSWER, lambda: self._pm.answer(kind, *args, **said))


def mortal(cycle: Cycle, life: Life) -> Cycle:
    """The same cycle, in the hands of a process that may die."""
    return Cycle(
        pm=MortalClient(cycle.pm, life),
        provider=cycle.provider,
        ledger=MortalLedger(cycle.ledger, life),
        policy=cycle.policy,
        tables=cycle.tables,
        mode=cycle.mode,
        now=cycle.now,
    )
