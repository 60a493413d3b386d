"""Notices from `run` and `once`, through simulator and ledger to a real webhook receiver: held, answered, accepted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

standardwebhooks = pytest.importorskip("standardwebhooks", reason="needs standardwebhooks, which `make setup` installs")

from pm_autoaccept.cli.once import _once  # noqa: E402 — what needs the library comes after the check for it
from pm_autoaccept.clock import utc_now  # noqa: E402
from pm_autoaccept.config import Program, Target, load_accounts  # noqa: E402
from pm_autoaccept.daemon import Stop  # noqa: E402
from pm_autoaccept.daemon import run as run_daemon  # noqa: E402
from pm_autoaccept.daemon.notice_sender import NOTICE_LEASE, send_once  # noqa: E402
from pm_autoaccept.ledger import Database, Leases  # noqa: E402
from pm_autoaccept.ledger.new_answers import record_answers  # noqa: E402
from pm_autoaccept.ledger.outbox import count_notices  # noqa: E402
from pm_autoaccept.ledger.review_queue import review_queue  # noqa: E402
from pm_autoaccept.model import Action, Kind, NewAnswer, NoticeTarget, Reviewer, TargetKind  # noqa: E402

SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HOLD = (
    "version: 1\nrules:\n"
    "  - {id: wait, on: [connection, property, meter], when: always, then: hold, tell: benchmarking}\n"
)


class Receiver:
    """A webhook receiver that verifies by the scheme's own library."""

    def __init__(self) -> None:
        self.events: list[dict] = []
        self.waited: list[timedelta] = []

    async def take(self, request: web.Request) -> web.Response:
        """Verify and keep an event."""
        self.events.append(standardwebhooks.Webhook(SIGNING).verify(await request.read(), dict(request.headers)))
        self.waited.append(utc_now() - datetime.fromisoformat(self.events[-1]["time"]))
        return web.Response(status=204)

    def of(self, kind: str, key: str | None = None) -> list[dict]:
        """The events of this kind, or those about one request."""
        return [
            each for each in self.events if each["type"] == f"pm-autoaccept.{kind}" and key in (None, each["subject"])
        ]

    async def has(self, number: int, kind: str, key: str | None = None) -> None:
        """Wait until it has this many events of this kind."""
        async with asyncio.timeout(20):
            while len(self.of(kind, key)) < number:  # noqa: ASYNC110 — what it waits for has no event
                await asyncio.sleep(0.02)


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    """A receiver and its address."""
    made = Receiver()
    app = web.Application()
    app.router.add_post("/hook", made.take)
    async with TestServer(app) as server:
        yield made, str(server.make_url("/hook"))


@pytest.fixture
def program_of(tmp_path, said_of, receiver):
    """Settings for a simulator, with a webhook for everything."""
    (tmp_path / "policy" / "policy.yaml").write_text(HOLD)
    routing = NoticeTarget(name="hook", kind=TargetKind.WEBHOOK, groups=None, time_zone=UTC)
    target = Target(routing=routing, address=SecretStr(receiver[1]), secret=SecretStr(SIGNING))

    def make(simulator, **said) -> Program:
        return replace(load_accounts(**said_of(simulator, **said)), targets={"hook": target})

    return make


@asynccontextmanager
async def running(program: Program) -> AsyncIterator[None]:
    """Run the daemon in the background; at the end it stops cleanly."""
    stop = Stop()
    task = asyncio.create_task(run_daemon(program, stop=stop))
    try:
        yield
    finally:
        stop.requested.set()
        await asyncio.wait_for(task, 15)


async def accept(database: Database, program: Program) -> str:
    """Accept a pending connection as a reviewer; returns its key."""
    targets = [target.routing for target in program.targets.values()]
    entries = await database.read(lambda connection: list(review_queue(connection)))
    entry = next(entry for entry in entries if entry.row.kind is Kind.CONNECTION)
    new = NewAnswer(key=entry.row.key, stamp=entry.stamp, action=Action.ACCEPT)
    await database.run(
        lambda connection: record_answers(
            connection, [new], account=None, by=Reviewer(name="ana"), grace=timedelta(), at=utc_now(), targets=targets
        )
    )
    return str(new.key)


async def test_what_is_held_and_answered_reaches_a_webhook_in_order(simulate, program_of, receiver) -> None:
    """Within seconds, each event once, signed; after a restart nothing is told again."""
    got, _ = receiver
    simulator = await simulate()
    program = program_of(simulator, mode="enforce", interval="2s")
    database = await Database.open(program.ledger)
    async with running(program):
        await got.has(3, "request.held")
        key = await accept(database, program)
        await got.has(1, "request.accepted")
    held = len(got.of("request.held"))
    assert sorted(got.waited)[round(len(got.waited) * 0.95) - 1] < timedelta(seconds=5)
    assert [each["type"].removeprefix("pm-autoaccept.") for each in got.events if each["subject"] == key] == [
        "request.held",
        "request.answered",
        "request.accepted",
    ]
    (accepted,) = got.of("request.accepted")
    assert accepted["data"]["answered_by"] == "people"
    assert "ana" not in str(got.events)
    assert len({each["id"] for each in got.events}) == len(got.events)
    async with running(program):
        await asyncio.sleep(3)
    assert len(got.of("request.held")) == held
    assert await database.read(count_notices) == {}
    await database.close()


async def test_in_observe_mode_nothing_reaches_the_webhook(simulate, program_of, receiver) -> None:
    """The notices are in the ledger."""
    simulator = await simulate()
    program = program_of(simulator, mode="observe", interval="1s")
    async with running(program):
        await asyncio.sleep(3)
    assert receiver[0].events == []


async def test_once_sends_what_is_due_too(simulate, program_of, receiver, capsys) -> None:
    """Without `run`, for example under cron; again nothing is told twice."""
    got, _ = receiver
    program = program_of(await simulate(pending=6), mode="enforce")
    assert await _once(program, Stop(), now=True, output="json") == 0
    sent = [each["id"] for each in got.of("request.held")]
    assert len(sent) >= 6
    assert await _once(program, Stop(), now=True, output="json") == 0
    assert [each["id"] for each in got.events] == sent
    assert SIGNING not in capsys.readouterr().out


async def test_once_leaves_the_notices_to_a_run_that_sends_them(simulate, program_of) -> None:
    """One process sends for each ledger."""
    program = program_of(await simulate())
    database = await Database.open(program.ledger)
    ours, others = (Leases(database, holder=name, ttl=timedelta(minutes=1)) for name in ("us", "them"))
    assert await others.take(NOTICE_LEASE) is not None

    async def deliver(*_: object) -> None:
        raise AssertionError

    sent = await send_once(
        database,
        ours,
        targets=[target.routing for target in program.targets.values()],
        deliver=deliver,
        stop=Stop(),
        ttl=timedelta(minutes=1),
    )
    assert not sent
    await database.close()
