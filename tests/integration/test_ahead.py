"""Intents are recorded while others are in flight, a few ahead of their turn; those may still be stopped."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from pm_autoaccept.act import MOMENT
from pm_autoaccept.cycle import Cycle
from pm_autoaccept.errors import LedgerUnavailable
from pm_autoaccept.ledger import SqlLedger, pauses
from pm_autoaccept.model import Mode, Outcome, Receipt, Step
from pm_autoaccept.policy import load
from pm_autoaccept.portfolio_manager import Pace
from tests.integration.test_cycle import EVERYBODY

IN_FLIGHT = 4


@dataclass(slots=True)
class Withholding:
    """A client whose answers come only when they are let go; it tells when as many are in flight as may be."""

    pm: Any
    sent: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pm, name)

    async def answer(self, *args: Any, **said: Any) -> None:
        """Answer, and wait until it is let go."""
        await self.pm.answer(*args, **said)
        self.sent += 1
        if self.sent == IN_FLIGHT:
            self.full.set()
        await self.let_go.wait()


@dataclass(slots=True)
class Counting:
    """A ledger that tells when it has recorded as many intents as are in flight, and as many again."""

    ledger: SqlLedger
    intents: int = 0
    all_that_may_be: asyncio.Event = field(default_factory=asyncio.Event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)

    async def intend(self, step: Step, *, at: datetime) -> int:
        """Record an intent, and count it."""
        intent = await self.ledger.record_intent(step, at=at)
        self.intents += 1
        if self.intents == 2 * IN_FLIGHT:
            self.all_that_may_be.set()
        return intent


@dataclass(slots=True)
class Underway:
    """A plan of which some answers are in flight, and withheld, while others have their intents."""

    simulator: Any
    cycle: Cycle
    pm: Withholding
    ledger: Counting
    time: list[datetime]
    answering: asyncio.Task[tuple[Receipt, ...]]

    async def finish(self) -> tuple[Receipt, ...]:
        """Let go what is withheld, and return what came of all."""
        self.pm.let_go.set()
        return await self.answering

    async def on_record(self) -> list[Outcome | None]:
        """What the ledger says came of each answer."""
        return [row.outcome for row in await self.ledger.decisions() if row.answer]

    @property
    def posts(self) -> int:
        """How many answers Portfolio Manager has received."""
        return sum(call.method == "POST" for call in self.simulator.log.calls)


@pytest.fixture
async def underway(simulate, sign_in, now):
    """Four answers are in flight, and nothing goes on until they are let go."""
    simulator, ledger = await simulate(pending=60), await SqlLedger.open("sqlite://")
    pm = await sign_in(simulator, pace=Pace(in_flight=IN_FLIGHT, rate=None))
    provider, time = await pm.account(), [now]
    await ledger.claim(service=simulator.url, provider=provider, at=now)
    cycle = Cycle(
        pm=pm,
        provider=provider,
        ledger=ledger,
        policy=load({"policy.yaml": EVERYBODY}),
        tables={},
        mode=Mode.ENFORCE,
        now=lambda: time[0],
    )
    planned = await cycle.look()
    assert len([step for step in planned.steps if not step.needs]) > 2 * IN_FLIGHT
    cycle.pm, cycle.ledger = withholding, counting = Withholding(pm), Counting(ledger)
    answering = asyncio.create_task(cycle.answer(planned))
    await asyncio.gather(counting.all_that_may_be.wait(), withholding.full.wait())
    yield Underway(simulator, cycle, withholding, counting, time, answering)
    await asyncio.wait({answering})
    await ledger.close()


async def test_as_many_intents_are_recorded_ahead_as_may_be_in_flight_and_no_more(underway):
    """What leaves next is ready; a process that is killed leaves but few open that were never sent."""
    assert underway.posts == IN_FLIGHT
    assert await underway.ledger.count_open_intents() == underway.ledger.intents == 2 * IN_FLIGHT
    receipts = await underway.finish()
    assert {receipt.outcome for receipt in receipts} == {Outcome.DONE}
    assert underway.posts == len(receipts) == len(await underway.on_record())


async def test_stopping_withdraws_what_is_intended_and_not_in_flight(underway):
    """What is in flight is finished and recorded; of the rest the ledger says nothing."""
    underway.cycle.blocked_reason = lambda: "the program is stopping"
    receipts = await underway.finish()
    assert "the program is stopping" in {receipt.text for receipt in receipts if receipt.outcome is None}
    assert await underway.on_record() == [Outcome.DONE] * IN_FLIGHT
    assert underway.posts == IN_FLIGHT


async def test_a_pause_stops_what_is_intended_and_not_in_flight(underway):
    """Whether somebody has paused is looked at with an intent, and again if that was more than a moment ago."""
    at = underway.time[0]
    await underway.ledger.database.run(lambda it: pauses.add_pause(it, None, by="ada", why="", at=at))
    underway.time[0] += 2 * MOMENT
    await underway.finish()
    assert await underway.on_record() == [Outcome.DONE] * IN_FLIGHT
    assert underway.posts == IN_FLIGHT


async def test_what_stops_all_while_a_pause_is_looked_for_stops_what_looks(underway, monkeypatch):
    """That nobody has paused does not undo that the ledger failed."""
    looking, failed = asyncio.Event(), asyncio.Event()

    async def nobody_has_paused() -> None:
        looking.set()
        await failed.wait()

    async def conclude(*_args: object, **_said: object) -> None:
        await looking.wait()
        failed.set()
        raise LedgerUnavailable("the disk is full")

    monkeypatch.setattr(underway.ledger.ledger, "pause_reason", nobody_has_paused)
    monkeypatch.setattr(underway.ledger.ledger, "record_outcome", conclude)
    underway.time[0] += 2 * MOMENT
    with pytest.raises(LedgerUnavailable):
        await underway.finish()
    assert await underway.on_record() == [Outcome.OPEN] * IN_FLIGHT
    assert underway.posts == IN_FLIGHT


async def test_what_has_waited_too_long_for_its_turn_is_not_sent(underway):
    """Reads may be settling already what became of it. What has no intent yet has its own time."""
    underway.time[0] += timedelta(minutes=3)
    receipts = await underway.finish()
    late = [receipt for receipt in receipts if receipt.text == "it was begun too long ago"]
    assert len(late) == IN_FLIGHT
    assert {receipt.outcome for receipt in late} == {None}
    assert set(await underway.on_record()) == {Outcome.DONE}
    assert underway.posts == len(await underway.on_record()) > IN_FLIGHT
