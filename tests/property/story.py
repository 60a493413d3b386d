"""Runs one drawn story with the real cycle, client, ledger and simulator, and writes down all that happened."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import strategies as st

from pm_autoaccept.cycle import Cycle
from pm_autoaccept.ledger import Database, SqlLedger
from pm_autoaccept.ledger.engines import address, writing
from pm_autoaccept.model import Action, CustomField, Decision, Kind, Mode, Plan, RequestKey
from pm_autoaccept.policy import load
from pm_autoaccept.portfolio_manager import Pace, PortfolioManager
from pm_autoaccept.record import DecisionRow
from pm_autoaccept.simulator import Call, Effect, Fault, FaultKind, Simulator, Tie, World
from tests.property.customers_acting import CYCLES, Act, Moment, acts, perform
from tests.property.dying import Death, Killed, Life, mortal
from tests.property.policies_made import MadePolicy, policies
from tests.property.small_worlds import START, SmallWorld, small_worlds

LISTS = {
    Kind.CONNECTION: "list_pending_connections",
    Kind.PROPERTY: "list_pending_properties",
    Kind.METER: "list_pending_meters",
}
ANSWERS = {"answer_connection": Kind.CONNECTION, "answer_property": Kind.PROPERTY, "answer_meter": Kind.METER}


CYCLES_AFTER_DEATH = 6
"""How often a story looks in which the process dies: until what was left open can be settled or sent again."""


@dataclass(frozen=True, slots=True)
class Failed:
    """What fails once: in one cycle the list of one kind, or one answer, before or after it was processed."""

    cycle: int
    kind: Kind
    answer: bool
    after: bool

    def fault(self) -> Fault:
        """The fault to put in force."""
        if not self.answer:
            return Fault(kind=FaultKind.STATUS, status=404, service=LISTS[self.kind])
        service = next(name for name, kind in ANSWERS.items() if kind is self.kind)
        return Fault(kind=FaultKind.STATUS, status=500, after=self.after, service=service, times=1)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One story as it was drawn.

    `turns` shuffle the order in which steps that need not wait get their turn; at its `death` the process dies.
    """

    world: SmallWorld
    policy: MadePolicy
    acts: tuple[Act, ...]
    failed: Failed | None
    turns: tuple[int, ...]
    death: Death | None = None


failures = st.builds(
    Failed, st.sampled_from((0, 0, 1, 2)), st.sampled_from(Kind), st.sampled_from((True, False)), st.booleans()
)
lists_failing = st.builds(Failed, st.just(0), st.sampled_from(Kind), st.just(False), st.just(False))  # noqa: FBT003


def stories_where(failed: st.SearchStrategy[Failed | None]) -> st.SearchStrategy[Drawn]:
    """Stories in which this fails."""
    turns = st.lists(st.integers(0, 9), min_size=5, max_size=5).map(tuple)
    return st.builds(Drawn, small_worlds, policies, acts.map(tuple), failed, turns)


stories = stories_where(st.sampled_from((True, True, False)).flatmap(lambda fails: failures if fails else st.none()))


@dataclass(frozen=True, slots=True)
class Acted:
    """A customer did something; `ties` are as they stood after it."""

    look: int
    moment: Moment
    effects: tuple[Effect, ...]
    ties: Mapping[RequestKey, Tie]


@dataclass(frozen=True, slots=True)
class Posted:
    """An answer of ours was processed, or failed before; `ties` and `answers` are as they stood before it."""

    look: int
    key: RequestKey
    action: Action
    note: str | None
    call: Call
    ties: Mapping[RequestKey, Tie]
    answers: Mapping[RequestKey, tuple[CustomField, ...]]
    unread: bool = False
    """The process died before it had recorded what came."""

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What it changed."""
        return self.call.effects

    @property
    def lost(self) -> bool:
        """Whether its answer never came to us, processed or not."""
        return self.unread or self.call.fault is not None


@dataclass(frozen=True, slots=True)
class Look:
    """One look: its plan, and the place among the events at which it began."""

    plan: Plan
    begun: int

    def decision(self, key: RequestKey) -> Decision | None:
        """What was decided of this request."""
        return next((each for each in self.plan.decisions if each.key == key), None)


@dataclass(slots=True)
class Story:
    """All that happened."""

    drawn: Drawn
    before: Mapping[RequestKey, Tie]
    world: World
    looks: list[Look] = field(default_factory=list)
    events: list[Acted | Posted] = field(default_factory=list)
    rows: Sequence[DecisionRow] = ()
    unprocessed: set[tuple[RequestKey, datetime | None]] = field(default_factory=set)
    """The requests, and when they were asked, to which an answer of ours failed before it was processed."""
    died: bool = False

    @property
    def lost(self) -> list[Posted]:
        """Our answers that changed something, and of which the process never learnt what came."""
        return [posted for _, posted in self.posts if posted.lost and posted.effects]

    @property
    def posts(self) -> list[tuple[int, Posted]]:
        """Our answers, each with its place among the events."""
        return [(place, each) for place, each in enumerate(self.events) if isinstance(each, Posted)]


class Clock:
    """A clock that goes on by a millisecond whenever it is read."""

    def __init__(self) -> None:
        self._now = START

    def __call__(self) -> datetime:
        """The next moment."""
        self._now += timedelta(milliseconds=1)
        return self._now

    def wait(self, for_: timedelta) -> None:
        """Let time pass."""
        self._now += for_


class DrawnPace(Pace):
    """A pace whose turns come in a drawn order, for those who wait at the same time."""

    def __init__(self, turns: tuple[int, ...]) -> None:
        super().__init__(in_flight=1, rate=None)
        self._drawn = turns
        self._asked = 0

    def turn(self, *, unless: Callable[[], bool] = lambda: False) -> AbstractAsyncContextManager[bool]:
        """A turn, as soon as the loop has gone round as often as was drawn."""
        rounds = self._drawn[self._asked % len(self._drawn)]
        self._asked += 1
        return self._later(rounds, unless)

    @asynccontextmanager
    async def _later(self, rounds: int, unless: Callable[[], bool]) -> AsyncIterator[bool]:
        for _ in range(rounds):
            await asyncio.sleep(0)
        async with super().turn(unless=unless) as free:
            yield free


class Stories:
    """Runs stories one after the other on one event loop; the ledger's tables are made only once."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._template = sqlite3.connect(":memory:", check_same_thread=False)
        self._runner.run(self._make_template())

    async def _make_template(self) -> None:
        ledger = await SqlLedger.open("sqlite://")
        with ledger.database._engine.connect() as connection:
            connection.rollback()
            connection.connection.driver_connection.backup(self._template)
        await ledger.close()

    def _ledger(self) -> SqlLedger:
        engine = writing(address("sqlite://"))
        with engine.connect() as connection:
            connection.rollback()
            self._template.backup(connection.connection.driver_connection)
        return SqlLedger(Database(engine))

    def close(self) -> None:
        """Leave nothing behind."""
        self._template.close()
        self._runner.close()

    def run(self, drawn: Drawn, *, mode: Mode = Mode.ENFORCE) -> Story:
        """Let the story happen."""
        return self._runner.run(self._run(drawn, mode))

    async def _run(self, drawn: Drawn, mode: Mode) -> Story:
        clock, world, ledger = Clock(), drawn.world.made(), self._ledger()
        story = Story(drawn, before=dict(world.ties), world=world)
        policy = load({"policy.yaml": drawn.policy.text.encode()})
        try:
            async with (
                Simulator(world, inferred=drawn.world.inferred, clock=clock) as simulator,
                PortfolioManager(
                    base_url=simulator.url,
                    username=simulator.username,
                    password=simulator.password,
                    pace=DrawnPace(drawn.turns),
                    sleep=_at_once,
                    now=clock,
                ) as pm,
            ):
                provider = await pm.account()
                await ledger.claim(service=simulator.url, provider=provider, at=clock())
                cycle = Cycle(pm=pm, provider=provider, ledger=ledger, policy=policy, tables={}, mode=mode, now=clock)
                telling = _Telling(story, simulator)
                simulator.before_processing = telling.before
                for number in range(CYCLES if drawn.death is None else CYCLES_AFTER_DEATH):
                    await telling.cycle(cycle, number)
                    clock.wait(timedelta(minutes=10))
                for _ in range(2):
                    await cycle.look()
                story.rows = await ledger.decisions()
        finally:
            await ledger.close()
        return story


@dataclass(slots=True)
class _Telling:
    """A story in the making."""

    story: Story
    simulator: Simulator
    _number: int = -1
    _moment: Moment | None = None
    _calls: int = 0

    async def cycle(self, cycle: Cycle, number: int) -> None:
        """Look and answer once, with the customers and the failures of this cycle."""
        story, failed = self.story, self.story.drawn.failed
        self._number = number
        self._act(Moment.BETWEEN)
        begun, calls = len(story.events), len(self.simulator.log.calls)
        now_failing = failed is not None and failed.cycle == number
        if now_failing:
            self.simulator.faults.add(failed.fault())
        death = story.drawn.death
        life = Life(death if death is not None and death.cycle == number else None)
        alive = mortal(cycle, life) if life.death is not None else cycle
        self._moment, self._calls = Moment.READING, 0
        planned = Plan(decisions=(), steps=(), kept_back=(), fresh_from=START, fresh_until=START)
        try:
            planned = await alive.look()
        except Killed:
            story.died = True
        if now_failing and not failed.answer:
            self.simulator.faults.clear()
        story.looks.append(Look(planned, begun))
        self._moment, self._calls = Moment.ANSWERING, 0
        try:
            await alive.answer(planned)
        except Killed:
            story.died = True
        self._moment = None
        self.simulator.faults.clear()
        self._bury(life, begun)
        processed = {posted.call.number for _, posted in story.posts}
        for call in self.simulator.log.calls[calls:]:
            if call.service in ANSWERS and call.number not in processed:
                meant = story.looks[number].decision(_key(call))
                story.unprocessed.add((_key(call), meant.request.requested_at if meant else None))

    def _bury(self, life: Life, begun: int) -> None:
        """Write down what a process that died in this cycle never knew."""
        if not life.dead:
            return
        events, processed = self.story.events, set()
        for place, event in enumerate(events):
            if place >= begun and isinstance(event, Posted):
                processed.add(event.key)
                events[place] = replace(event, unread=event.key not in life.concluded)
        self.story.unprocessed |= {each for each in life.intended if each[0] not in processed}

    def before(self, call: Call) -> None:
        """Called right before a call is processed."""
        key = _key(call) if call.service in ANSWERS else None
        if self._moment is not None and (self._moment is Moment.READING or key is not None):
            self._act(self._moment, in_hand=key)
            self._calls += 1
        if key is not None:
            self._post(key, call)

    def _act(self, moment: Moment, *, in_hand: RequestKey | None = None) -> None:
        due = (
            act
            for act in self.story.drawn.acts
            if (act.cycle, act.moment) == (self._number, moment)
            and (moment is Moment.BETWEEN or act.after == self._calls)
        )
        for act in due:
            for _ in perform(self.simulator, act, in_hand=in_hand):
                done = self.simulator.log.calls[-1]
                self.story.events.append(Acted(self._number, moment, done.effects, dict(self.simulator.world.ties)))

    def _post(self, key: RequestKey, call: Call) -> None:
        action = re.search(rb"<action>(\w+)</action>", call.body)
        note = re.search(rb"<note>(.*)</note>", call.body, re.DOTALL)
        assert action is not None, call.body
        self.story.events.append(
            Posted(
                look=self._number,
                key=key,
                action=Action(action[1].decode()),
                note=note[1].decode() if note else None,
                call=call,
                ties=dict(self.simulator.world.ties),
                answers=dict(self.simulator.world.answers),
            )
        )


def _key(call: Call) -> RequestKey:
    """What an answer names."""
    (number,) = call.ids.values()
    return RequestKey(ANSWERS[call.service or ""], number)


async def _at_once(_seconds: float) -> None:
    """Wait for nothing."""
