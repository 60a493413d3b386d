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
from pm_autoaccept.errors import LedgerError
from pm_autoaccept.ledger import Database, SqlLedger
from pm_autoaccept.ledger.db.engines import parse_address, write_engine
from pm_autoaccept.model import Action, CustomField, Decision, Kind, Limit, Mode, Plan, RequestKey
from pm_autoaccept.policy import Policy, load
from pm_autoaccept.portfolio_manager import PortfolioManager, RateLimiter
from pm_autoaccept.record import DecisionRow
from pm_autoaccept.simulator import Call, Effect, Fault, FaultKind, Listed, Simulator, State, Tie, World
from tests.property.customers_acting import CYCLES, ODD, STAFF, Act, Moment, What, acts, perform, together
from tests.property.dying import Death, Killed, Life, mortal
from tests.property.policies_made import MadePolicy, limits_written, policies
from tests.property.reviewers_acting import Desk, Review, When
from tests.property.small_worlds import BETWEEN_CYCLES, LAGS, START, SmallWorld, small_worlds, worlds_where

LISTS = {
    Kind.CONNECTION: "list_pending_connections",
    Kind.PROPERTY: "list_pending_properties",
    Kind.METER: "list_pending_meters",
}
LISTED = {service: kind for kind, service in LISTS.items()}
ANSWERS = {"answer_connection": Kind.CONNECTION, "answer_property": Kind.PROPERTY, "answer_meter": Kind.METER}

QUIET = timedelta(hours=25)
"""How long nothing happens between two quiet cycles: longer than any limit's period, any lag, any wait."""
QUIET_CYCLES = 12
"""In so many quiet cycles a world must have come to rest."""

Identity = tuple[RequestKey, int | None, datetime | None]
"""What makes two elements the same request, whatever they say beside: key, sender, createdDate."""


@dataclass(frozen=True, slots=True)
class Failed:
    """What fails once: in one cycle the list of one kind, or one answer, before or after it was processed.

    With `again` every later answer of this kind is refused with that status, until the world becomes quiet.
    """

    cycle: int
    kind: Kind
    answer: bool
    after: bool
    again: int | None = None

    def fault(self) -> Fault:
        """The fault to put in force."""
        if not self.answer:
            return Fault(kind=FaultKind.STATUS, status=404, service=LISTS[self.kind])
        return Fault(kind=FaultKind.STATUS, status=500, after=self.after, service=self._service, times=1)

    def refusing(self) -> Fault:
        """The fault that refuses what is answered later."""
        return Fault(kind=FaultKind.STATUS, status=self.again or 405, service=self._service)

    @property
    def _service(self) -> str:
        return next(name for name, kind in ANSWERS.items() if kind is self.kind)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One story as it was drawn.

    Attributes:
        turns: shuffle the order in which steps that need not wait get their turn.
        death: the moment at which the process dies.
        limits: of the policy.
        later: the policy that comes into force with a cycle.
        reviews: what reviewers do.
    """

    world: SmallWorld
    policy: MadePolicy
    acts: tuple[Act, ...]
    failed: Failed | None
    turns: tuple[int, ...]
    death: Death | None = None
    limits: tuple[Limit, ...] = ()
    later: tuple[int, MadePolicy] | None = None
    reviews: tuple[Review, ...] = ()

    def policy_at(self, cycle: int) -> MadePolicy:
        """The policy that is in force in a cycle."""
        return self.policy if self.later is None or cycle < self.later[0] else self.later[1]

    def loaded(self, policy: MadePolicy) -> Policy:
        """A policy with the limits."""
        return load({"policy.yaml": f"{policy.text}{limits_written(self.limits) if self.limits else ''}".encode()})


REFUSALS = (302, 403, 405, 409)
"""Statuses that say outright that an answer was not processed."""

failures = st.builds(
    Failed,
    st.sampled_from((0, 0, 1, 2)),
    st.sampled_from(Kind),
    st.sampled_from((True, False)),
    st.booleans(),
    st.sampled_from((None, None, *REFUSALS)),
)
lists_failing = st.builds(Failed, st.just(0), st.sampled_from(Kind), st.just(False), st.just(False))  # noqa: FBT003
some_limits = st.lists(
    st.builds(
        Limit,
        action=st.sampled_from(Action),
        at_most=st.sampled_from((1, 2, 2, 3)),
        period=st.sampled_from((timedelta(minutes=30), timedelta(days=1))),
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda limit: limit.action,
).map(tuple)
MOSTLY_NOT = st.sampled_from((False, False, False, True))


def stories_where(
    failed: st.SearchStrategy[Failed | None],
    *,
    acting: st.SearchStrategy[tuple[Act, ...]] = acts,
    worlds: st.SearchStrategy[SmallWorld] = small_worlds,
) -> st.SearchStrategy[Drawn]:
    """Stories in which this fails, and these act."""
    return st.builds(
        Drawn,
        worlds,
        policies,
        acting,
        failed,
        st.lists(st.integers(0, 9), min_size=5, max_size=5).map(tuple),
        limits=MOSTLY_NOT.flatmap(lambda said: some_limits if said else st.just(())),
        later=MOSTLY_NOT.flatmap(lambda changes: st.tuples(st.integers(1, CYCLES), policies) if changes else st.none()),
    )


some_failure = st.sampled_from((True, True, False)).flatmap(lambda fails: failures if fails else st.none())
answers_doubted = st.builds(
    Failed,
    st.just(0),
    st.sampled_from(Kind),
    st.just(True),  # noqa: FBT003 — the fields in their order
    st.booleans(),
    st.sampled_from(REFUSALS),
)

stories = stories_where(some_failure)
shifting = stories_where(some_failure, acting=together(shifts=1), worlds=worlds_where(page_size=(1, 1, 2)))
returning = stories_where(some_failure, acting=together(comebacks=1), worlds=worlds_where(lag=(0, *LAGS)))
flapping = stories_where(some_failure, acting=together(flaps=1), worlds=worlds_where(lag=LAGS[-1:]))
doubted = stories_where(answers_doubted, worlds=worlds_where(lag=LAGS[-1:]))

EVERY = (stories, shifting, returning, stories, flapping, doubted)
"""Stories of all sorts, and of each sort that is rare among them."""


@dataclass(frozen=True, slots=True)
class Acted:
    """A customer or the provider's own people did something, or a list began to show it oddly.

    `ties` are as they stood after it.
    """

    look: int
    moment: Moment
    what: What
    effects: tuple[Effect, ...]
    ties: Mapping[RequestKey, Tie]
    reading: Kind | None = None
    """Of which kind the list is between whose pages it happened."""

    @property
    def by_staff(self) -> bool:
        """Whether the provider's own people did it."""
        return self.what in STAFF

    @property
    def by_people(self) -> bool:
        """Whether anybody did it at all."""
        return self.what not in ODD


@dataclass(frozen=True, slots=True)
class Posted:
    """An answer of ours came to the service; `ties` and `answers` are as they stood before it."""

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
    def processed(self) -> bool:
        """Whether it was processed, however its answer fared."""
        return self.call.processed is not None

    @property
    def refused(self) -> bool:
        """Whether it was not processed, and the answer said so."""
        return not self.processed and self.call.status in REFUSALS

    @property
    def settled(self) -> bool:
        """Whether it was processed, and nothing pended that it could have answered."""
        return self.processed and self.call.error is not None and self.call.fault is None

    @property
    def lost(self) -> bool:
        """Whether what came of it is not known to us, processed or not."""
        return self.unread or (self.call.fault is not None and not self.refused)


@dataclass(frozen=True, slots=True)
class Shown:
    """A page of a list as it was shown; `place` is the place among the events at which it was made."""

    look: int
    kind: Kind
    number: int
    place: int
    listed: tuple[Listed, ...]
    pending: frozenset[Identity]
    """What really pended of that kind when it was made."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look: its plan, the place among the events at which it began, and the policy in force.

    `died` is whether the process died in its cycle; `quiet` whether nothing happens any more.
    """

    plan: Plan
    begun: int
    policy: MadePolicy
    quiet: bool = False
    died: bool = False

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
    pages: list[Shown] = field(default_factory=list)
    rows: Sequence[DecisionRow] = ()
    never_left: set[Identity] = field(default_factory=set)
    """The requests of which an answer was intended by a process that died before it left."""
    died: bool = False
    desk: Desk = field(default_factory=Desk)
    failures: list[str] = field(default_factory=list)
    """What the ledger refused to do. It is never told to fail."""

    @property
    def lost(self) -> list[Posted]:
        """Our answers that changed something, and of which the process never learnt what came."""
        return [posted for _, posted in self.posts if posted.lost and posted.effects]

    @property
    def posts(self) -> list[tuple[int, Posted]]:
        """Our answers, each with its place among the events."""
        return [(place, each) for place, each in enumerate(self.events) if isinstance(each, Posted)]

    @property
    def unprocessed(self) -> set[Identity]:
        """The requests to which an answer of ours was sent in vain, and that is not known to us."""
        failed = {self.meant(posted) for _, posted in self.posts if posted.lost and not posted.effects}
        return failed | self.never_left

    def meant(self, posted: Posted) -> Identity:
        """The request that an answer of ours meant."""
        return meant(self.looks[posted.look], posted.key)


def identity(tie: Tie) -> Identity:
    """Which request this is."""
    return tie.key, tie.sender, tie.asked_at


def decided(decision: Decision) -> Identity:
    """Which request was decided."""
    return decision.key, decision.request.sender_id, decision.request.requested_at


def meant(look: Look, key: RequestKey) -> Identity:
    """The request that an answer with this key means, decided in this look."""
    decision = look.decision(key)
    return (key, None, None) if decision is None else decided(decision)


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


class DrawnPace(RateLimiter):
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
        engine = write_engine(parse_address("sqlite://"))
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
        try:
            async with (
                Simulator(world, inferred=drawn.world.inferred, clock=clock) as simulator,
                PortfolioManager(
                    base_url=simulator.url,
                    username=simulator.username,
                    password=simulator.password,
                    rate_limiter=DrawnPace(drawn.turns),
                    sleep=_at_once,
                    now=clock,
                ) as pm,
            ):
                provider = await pm.account()
                await ledger.claim(service=simulator.url, provider=provider, at=clock())
                policy = drawn.loaded(drawn.policy)
                cycle = Cycle(pm=pm, provider=provider, ledger=ledger, policy=policy, tables={}, mode=mode, now=clock)
                telling = _Telling(story, simulator)
                simulator.before_processing = telling.before
                for number in range(CYCLES):
                    if drawn.later is not None and drawn.later[0] == number:
                        cycle.replace_policy(drawn.loaded(drawn.later[1]), {})
                    await telling.cycle(cycle, number)
                    clock.wait(BETWEEN_CYCLES)
                if drawn.later is not None and drawn.later[0] == CYCLES:
                    cycle.replace_policy(drawn.loaded(drawn.later[1]), {})
                await _until_quiet(telling, cycle, clock)
                story.rows = await ledger.decisions()
                await story.desk.end(ledger)
        finally:
            await ledger.close()
        return story


async def _until_quiet(telling: _Telling, cycle: Cycle, clock: Clock) -> None:
    """Look and answer, while nobody acts and nothing fails, until two looks find the same and have nothing to send."""
    before: object = None
    for number in range(CYCLES, CYCLES + QUIET_CYCLES):
        clock.wait(QUIET)
        await telling.cycle(cycle, number)
        plan = telling.story.looks[-1].plan
        kept = frozenset((each.decision.key, each.reason.kind) for each in plan.kept_back)
        found = frozenset((decided(each), each.verdict, each.reason.kind) for each in plan.decisions), kept
        if found == before and (not plan.steps or cycle.mode is Mode.OBSERVE):
            return
        before = found


@dataclass(slots=True)
class _Telling:
    """A story in the making."""

    story: Story
    simulator: Simulator
    _number: int = -1
    _moment: Moment | None = None
    _calls: int = 0
    _pages: int = 0
    _passed: dict[Kind, set[RequestKey]] = field(default_factory=dict)
    _done: set[int] = field(default_factory=set)

    async def cycle(self, cycle: Cycle, number: int) -> None:
        """Look and answer once, with the customers and the failures of this cycle."""
        story, failed = self.story, self.story.drawn.failed
        self._number, self._passed, self._pages = number, {}, 0
        self._act(Moment.BETWEEN)
        await self._review(cycle, When.BEFORE_LOOK)
        begun, calls = len(story.events), len(self.simulator.log.calls)
        now_failing = failed is not None and failed.cycle == number
        if now_failing:
            self.simulator.faults.add(failed.fault())
        elif failed is not None and failed.answer and failed.again and failed.cycle < number < CYCLES:
            self.simulator.faults.add(failed.refusing())
        death = story.drawn.death
        life = Life(death if death is not None and death.cycle == number else None)
        alive = mortal(cycle, life) if life.death is not None else cycle
        self._moment, self._calls = Moment.READING, 0
        planned = Plan(decisions=(), steps=(), kept_back=(), fresh_from=START, fresh_until=START)
        try:
            planned = await alive.look()
        except Killed:
            story.died = True
        except LedgerError as error:
            story.failures.append(f"look {number} failed: {error}")
        if now_failing and not failed.answer:
            self.simulator.faults.clear()
        look = Look(planned, begun, story.drawn.policy_at(number), quiet=number >= CYCLES)
        story.looks.append(look)
        self._moment = None
        await self._review(cycle, When.BEFORE_ANSWER)
        self._moment, self._calls = Moment.ANSWERING, 0
        try:
            await alive.answer(planned)
        except Killed:
            story.died = True
        except LedgerError as error:
            story.failures.append(f"the answers of look {number} failed: {error}")
        self._moment = None
        self.simulator.faults.clear()
        story.looks[-1] = replace(look, died=life.dead)
        self._bury(life, begun)
        self._add_the_unprocessed(begun, calls)
        await self._review(cycle, When.AFTER)

    async def _review(self, cycle: Cycle, when: When) -> None:
        """Let the reviewers act who act now, as another process on the same ledger."""
        desk, ledger = self.story.desk, cycle.ledger
        assert isinstance(ledger, SqlLedger)
        for review in desk.due(self.story.drawn.reviews, self._number, when):
            await desk.act(ledger, review, place=len(self.story.events), at=cycle.now())

    def _bury(self, life: Life, begun: int) -> None:
        """Write down what a process that died in this cycle never knew."""
        if not life.dead:
            return
        events, processed = self.story.events, set()
        for place, event in enumerate(events):
            if place >= begun and isinstance(event, Posted):
                processed.add(event.key)
                events[place] = replace(event, unread=event.key not in life.concluded)
        look = self.story.looks[-1]
        self.story.never_left |= {meant(look, key) for key, _ in life.intended if key not in processed}

    def _add_the_unprocessed(self, begun: int, calls: int) -> None:
        """Write down the answers that failed before they were processed, each in its place."""
        events = self.story.events
        for call in self.simulator.log.calls[calls:]:
            if call.service in ANSWERS and call.processed is None:
                later = (
                    place
                    for place, event in enumerate(events)
                    if place >= begun and isinstance(event, Posted) and event.call.number > call.number
                )
                events.insert(next(later, len(events)), self._posted(call))

    def before(self, call: Call) -> None:
        """Called right before a call is processed."""
        key = _key(call) if call.service in ANSWERS else None
        kind = LISTED.get(call.service or "")
        number = int(call.path.rpartition("=")[2]) if kind is not None and "=" in call.path else 1
        if self._moment is not None and (self._moment is Moment.READING or key is not None):
            self._act(self._moment, in_hand=key)
            self._calls += 1
        if kind is not None:
            self._show(kind, number)
        if key is not None:
            self.story.events.append(self._posted(call))

    def _show(self, kind: Kind, number: int) -> None:
        """Write down what a page is about to show, after those have acted who act before it."""
        passed = self._passed.setdefault(kind, set())
        if self._moment is Moment.READING and passed:
            self._act(Moment.PAGES, reading=kind)
            self._pages += 1
        page, world = self.simulator.page(kind, number), self.simulator.world
        passed |= {each.tie.key for each in page.listed}
        pending = frozenset(identity(tie) for tie in world.having(kind, State.PENDING))
        place = len(self.story.events)
        self.story.pages.append(Shown(self._number, kind, number, place, tuple(page.listed), pending))

    def _act(self, moment: Moment, *, in_hand: RequestKey | None = None, reading: Kind | None = None) -> None:
        due = [
            (number, act)
            for number, act in enumerate(self.story.drawn.acts)
            if number not in self._done
            and (act.cycle, act.moment) == (self._number, moment)
            and (moment is Moment.BETWEEN or act.after == (self._pages if moment is Moment.PAGES else self._calls))
        ]
        for number, act in due:
            self._done.add(number)
            passed = self._passed.get(reading, set()) if reading is not None else set()
            for _ in perform(self.simulator, act, in_hand=in_hand, passed=passed):
                done, ties = self.simulator.log.calls[-1], dict(self.simulator.world.ties)
                self.story.events.append(Acted(self._number, moment, act.what, done.effects, ties, reading))

    def _posted(self, call: Call) -> Posted:
        action = re.search(rb"<action>(\w+)</action>", call.body)
        note = re.search(rb"<note>(.*)</note>", call.body, re.DOTALL)
        assert action is not None, call.body
        return Posted(
            look=self._number,
            key=_key(call),
            action=Action(action[1].decode()),
            note=note[1].decode() if note else None,
            call=call,
            ties=dict(self.simulator.world.ties),
            answers=dict(self.simulator.world.answers),
        )


def _key(call: Call) -> RequestKey:
    """What an answer names."""
    (number,) = call.ids.values()
    return RequestKey(ANSWERS[call.service or ""], number)


async def _at_once(_seconds: float) -> None:
    """Wait for nothing."""
