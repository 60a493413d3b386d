"""The notice sender against targets that are slow, refuse, are down and come back, on both databases."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from pm_autoaccept.clock import utc_now
from pm_autoaccept.daemon import Stop
from pm_autoaccept.daemon.notice_sender import CLAIM_LASTS, NoticeSender
from pm_autoaccept.ledger import Database, Leases, SqlLedger
from pm_autoaccept.ledger.notices import Event, add_events
from pm_autoaccept.ledger.outbox import count_notices, list_notices, resend
from pm_autoaccept.model import (
    Dead,
    Delivered,
    DeliveryResult,
    Mode,
    NoticeKind,
    NoticeState,
    NoticeTarget,
    Outgoing,
    ProviderAccount,
    TargetKind,
    TryLater,
)
from pm_autoaccept.telemetry.notice_metrics import NoticeMetrics
from tests.examples import NOW, connection, decided, snapshot
from tests.unit.ledger.acting import HOLD

SECOND = timedelta(seconds=1)
HOOK = NoticeTarget(name="hook", kind=TargetKind.WEBHOOK, groups=None, time_zone=UTC)
OTHER = replace(HOOK, name="other")
TEAM = NoticeTarget(name="team", kind=TargetKind.PEOPLE, groups=None, time_zone=UTC, digest_hour=7)

Answer = Callable[[NoticeTarget, Outgoing], Awaitable[DeliveryResult]]


@dataclass
class Clock:
    """A clock that tests set."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        """The time."""
        return self.at


@dataclass
class Receiver:
    """Targets that answer as they are told, and remember what they got."""

    answer: Answer | None = None
    got: dict[str, list[Outgoing]] = field(default_factory=lambda: defaultdict(list))

    async def __call__(self, target: NoticeTarget, notice: Outgoing, /) -> DeliveryResult:
        """Take a notice."""
        self.got[target.name].append(notice)
        return Delivered() if self.answer is None else await self.answer(target, notice)

    def ids(self, target: NoticeTarget) -> list[str]:
        """The ids that a target got, in order."""
        return [notice.event_id for notice in self.got[target.name]]


@pytest.fixture
async def database(ledger_address) -> AsyncIterator[Database]:
    """A database with the ledger's tables."""
    made = await Database.open(ledger_address)
    yield made
    await made.close()


@pytest.fixture
def clock() -> Clock:
    """A clock at rest."""
    return Clock()


def sender_of(
    database: Database, receiver: Receiver, *targets: NoticeTarget, now: Callable[[], datetime] = utc_now
) -> NoticeSender:
    """A sender, as a replica runs it."""
    registry = CollectorRegistry()
    return NoticeSender(
        database=database,
        leases=Leases(database, holder="here", ttl=timedelta(seconds=2)),
        targets=targets,
        deliver=receiver,
        stop=Stop(),
        ttl=timedelta(seconds=2),
        metrics=NoticeMetrics(registry),
        now=now,
    )


@asynccontextmanager
async def running(sender: NoticeSender) -> AsyncIterator[None]:
    """Run a sender in the background; at the end it stops cleanly."""
    task = asyncio.create_task(sender.run())
    try:
        yield
    finally:
        sender.stop.requested.set()
        await asyncio.wait_for(task, 10)


async def happen(
    database: Database, number: int = 1, *targets: NoticeTarget, request: int | None = None, at: datetime | None = None
) -> None:
    """Events that these targets are told."""
    events = [
        Event(
            kind=NoticeKind.REQUEST_HELD,
            account="prairie",
            request=request,
            for_people=True,
            body={"number": each},
            mode=Mode.ENFORCE,
        )
        for each in range(number)
    ]
    when = at or utc_now()
    await database.run(lambda connection: add_events(connection, events, targets or (HOOK,), at=when))


async def send_all(sender: NoticeSender, target: NoticeTarget = HOOK) -> None:
    """Send whatever is due to a target now."""
    while await sender.send_next(target):
        pass


async def states(database: Database) -> set[NoticeState]:
    """The states of all notices."""
    return {row.state for row in await database.read(lambda connection: list(list_notices(connection)))}


async def until(condition: Callable[[], bool], *, within: float = 10) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 — what it waits for has no event
            await asyncio.sleep(0.01)


async def held(database: Database, *owners: int) -> list[int]:
    """Requests that are held, and the numbers of their rows."""
    ledger = SqlLedger(database)
    await ledger.claim(service="https://x", provider=ProviderAccount(1, "us"), at=NOW)
    requests = [connection(owner) for owner in owners]
    await ledger.record_snapshot(snapshot(*requests), at=NOW)
    appended = await ledger.record_decisions([decided(each, HOLD) for each in requests], [], mode=Mode.ENFORCE, at=NOW)
    return list(range(1, len(appended) + 1))


async def test_a_webhook_gets_a_notice_within_five_seconds(database) -> None:
    """For real: the ledger is asked once a second."""
    receiver = Receiver()
    async with running(sender_of(database, receiver, HOOK)):
        await asyncio.sleep(0.5)
        begun = asyncio.get_running_loop().time()
        await happen(database, 3)
        await until(lambda: len(receiver.got["hook"]) == 3)
        assert asyncio.get_running_loop().time() - begun < 5
        await asyncio.sleep(0.1)
    assert await states(database) == {NoticeState.DELIVERED}


async def test_a_target_that_hangs_does_not_hold_up_the_others(database) -> None:
    """Each has a task of its own. When the program stops, the delivery is given up and sent again later."""
    forever = asyncio.Event()

    async def answer(target: NoticeTarget, _: Outgoing) -> DeliveryResult:
        if target is HOOK:
            await forever.wait()
        return Delivered()

    receiver = Receiver(answer)
    sender = sender_of(database, receiver, HOOK, OTHER)
    await happen(database, 3, HOOK, OTHER)
    async with running(sender):
        await until(lambda: len(receiver.got["other"]) == 3)
        assert len(receiver.got["hook"]) == 1
    counts = await database.read(count_notices)
    assert (counts["hook"].waiting, "other" in counts) == (3, False)
    again = Receiver()
    async with running(sender_of(database, again, HOOK, OTHER)):
        await until(lambda: len(again.got["hook"]) == 3)
    assert again.ids(HOOK)[0] == receiver.ids(HOOK)[0]
    assert again.got["other"] == []


async def test_only_one_replica_sends(database) -> None:
    """Another one takes over when it stops."""
    first, second = Receiver(), Receiver()
    one, two = sender_of(database, first, HOOK), sender_of(database, second, HOOK)
    async with running(one):
        await asyncio.sleep(0.2)
        async with running(two):
            await happen(database, 5)
            await until(lambda: len(first.got["hook"]) == 5)
            one.stop.requested.set()
            await happen(database, 5)
            await until(lambda: len(second.got["hook"]) == 5)
    assert set(first.ids(HOOK)).isdisjoint(second.ids(HOOK))


async def test_order_is_kept_per_request_while_a_target_is_down_and_nothing_is_lost(database, clock) -> None:
    """500, 429 with Retry-After and time-outs at random, then it is back: each event arrives, in order per request."""
    random = Random(7)  # noqa: S311 — a seed for a test
    down = True

    async def answer(_: NoticeTarget, __: Outgoing) -> DeliveryResult:
        if down or random.random() < 0.5:
            return random.choice([TryLater(why="500"), TryLater(why="429", after=timedelta(minutes=7))])
        return Delivered()

    receiver = Receiver(answer)
    numbers = await held(database, 1, 2, 3)
    sender = sender_of(database, receiver, HOOK, now=clock)
    for each in range(5):
        for number in numbers:
            await happen(database, 1, HOOK, request=number, at=clock.at + each * SECOND)
    while clock.at < NOW + timedelta(hours=120):
        down = clock.at < NOW + timedelta(hours=1)
        await send_all(sender)
        clock.at += timedelta(minutes=10)
    assert await states(database) == {NoticeState.DELIVERED}
    taken = list(dict.fromkeys(receiver.ids(HOOK)))
    rows = await database.read(lambda connection: list(list_notices(connection)))
    order = [row.event_id for row in rows]
    assert sorted(taken) == sorted(order)
    for number in range(3):
        one = order[number::3]
        assert [each for each in taken if each in one] == one


async def test_a_target_that_asks_to_wait_is_left_alone(database, clock) -> None:
    """With everything else for it too."""
    receiver = Receiver(lambda *_: _later(TryLater(why="429", after=timedelta(minutes=2))))
    sender = sender_of(database, receiver, HOOK, now=clock)
    await happen(database, 3, at=NOW)
    await send_all(sender)
    assert len(receiver.got["hook"]) == 1
    assert await sender.due() == frozenset()
    clock.at += timedelta(minutes=2)
    assert await sender.due() == {"hook"}


async def _later(result: DeliveryResult) -> DeliveryResult:
    return result


async def test_gone_is_dead_at_once_and_the_metrics_say_so(database, clock) -> None:
    """A refusal for good is not tried again."""
    receiver = Receiver(lambda *_: _later(Dead("410")))
    sender = sender_of(database, receiver, HOOK, now=clock)
    await happen(database, 2, at=NOW)
    await send_all(sender)
    await sender.add_rounds()
    assert await states(database) == {NoticeState.DEAD}
    assert _metric(sender, "dead", "hook") == 2
    assert _metric(sender, "waiting", "hook") == 0


async def test_others_are_told_once_that_a_target_does_not_get_its_notices(database, clock) -> None:
    """And once that it does again, after a resend."""
    gone = True

    async def answer(target: NoticeTarget, _: Outgoing) -> DeliveryResult:
        return Dead("410") if target is HOOK and gone else Delivered()

    receiver = Receiver(answer)
    for _ in range(3):
        sender = sender_of(database, receiver, HOOK, OTHER, now=clock)
        await happen(database, 1, at=clock.at)
        await send_all(sender, HOOK)
        await sender.add_rounds()
        await send_all(sender, OTHER)
    assert [notice.kind for notice in receiver.got["other"]] == [NoticeKind.STOPPED]
    assert "3 notices" not in receiver.got["other"][0].body["what"]
    gone = False
    await database.run(lambda connection: resend(connection, at=clock.at))
    await send_all(sender, HOOK)
    await sender.add_rounds()
    await send_all(sender, OTHER)
    assert [notice.kind for notice in receiver.got["other"]] == [NoticeKind.STOPPED, NoticeKind.OVER]


def _metric(sender: NoticeSender, name: str, target: str) -> float:
    return getattr(sender.metrics, f"_{name}").labels(target)._value.get()


async def test_an_internal_error_of_a_channel_is_tried_again(database, clock) -> None:
    """It must not end the sender."""

    async def answer(_: NoticeTarget, __: Outgoing) -> DeliveryResult:
        raise ZeroDivisionError

    sender = sender_of(database, Receiver(answer), HOOK, now=clock)
    await happen(database, 1, at=NOW)
    await send_all(sender)
    (row,) = await database.read(lambda connection: list(list_notices(connection)))
    assert (row.state, row.error, row.attempts) == (NoticeState.WAITING, "internal error: ZeroDivisionError", 1)


async def test_people_hear_within_a_minute_and_once_for_what_happens_together(database, clock) -> None:
    """Thirty seconds to gather, and a second until the ledger is asked."""
    receiver = Receiver()
    sender = sender_of(database, receiver, TEAM, now=clock)
    heard: list[timedelta] = []
    for second in range(90):
        if second < 20:
            await happen(database, 1, TEAM, at=clock.at)
        await send_all(sender, TEAM)
        heard += [clock.at - NOW] * (len(receiver.got["team"]) - len(heard))
        clock.at += SECOND
    assert heard == [30 * SECOND]
    assert len(receiver.got["team"][0].body["events"]) == 20


async def test_a_digest_is_sent_once_also_after_a_restart_and_when_the_clock_was_set_back(database, clock) -> None:
    """Its local date is its key."""
    await held(database, 1)
    receiver = Receiver()
    for hour in (1, 20, 19, 18, 30, 22, 45, 21):
        clock.at = NOW + timedelta(hours=hour)
        sender = sender_of(database, receiver, TEAM, now=clock)
        await sender.add_rounds()
        await send_all(sender, TEAM)
    assert [notice.body["date"] for notice in receiver.got["team"]] == ["2026-03-05", "2026-03-06"]


async def test_what_is_killed_while_sending_is_sent_again_with_the_same_id(database, clock) -> None:
    """200 kills at random moments: each event arrives, and what arrives twice has the same id."""
    random = Random(11)  # noqa: S311 — a seed for a test
    receiver = Receiver()
    numbers = await held(database, 1, 2, 3)
    for each in range(20):
        for number in numbers:
            await happen(database, 1, HOOK, request=number, at=NOW + each * SECOND)
    clock.at += timedelta(minutes=1)
    kills = 0
    while kills < 200:
        sender = sender_of(database, receiver, HOOK, now=clock)
        if random.random() < 0.6:
            await _killed(sender, receiver, received=random.random() < 0.5)
            kills += 1
            clock.at += CLAIM_LASTS
        elif not await sender.send_next(HOOK):
            await happen(database, 1, HOOK, request=random.choice(numbers), at=clock.at)
    await send_all(sender_of(database, receiver, HOOK, now=clock))
    rows = await database.read(lambda connection: list(list_notices(connection)))
    assert {row.state for row in rows} == {NoticeState.DELIVERED}
    assert set(receiver.ids(HOOK)) == {row.event_id for row in rows}


async def _killed(sender: NoticeSender, receiver: Receiver, *, received: bool) -> None:
    """Send one notice and be killed before its result is recorded, after or before the target got it."""

    async def deliver(target: NoticeTarget, notice: Outgoing, /) -> DeliveryResult:
        if received:
            await receiver(target, notice)
        raise KilledError

    sender.deliver = deliver
    with suppress(KilledError):
        await sender.send_next(HOOK)


class KilledError(BaseException):
    """Nothing after it runs, as after SIGKILL."""
