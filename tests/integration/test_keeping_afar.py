"""Sources at an address or in a database: asked again beside the cycle, in doubt as soon as they fail."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from aiohttp import web
from pydantic import SecretStr

from pm_autoaccept.account import PolicyInForce, cycle_of
from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import load_accounts
from pm_autoaccept.data_sources.fetch import Places
from pm_autoaccept.data_sources.refresh import LONGEST, SOONER, Keeper
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import Kind, NotLearnt, Outcome, Verdict
from pm_autoaccept.policy import Form, Query, Source, load
from pm_autoaccept.sign_in import sign_in
from pm_autoaccept.simulator import State
from tests.reloading import write

MINUTE = timedelta(minutes=1)
POLICY = b"""\
version: 1
data:
  known:
    url: https://data.example/known.csv
    key: username
    require: {rows: 5, age: 2d, shrink: 20%, grow: 50%}
rules:
  - {id: known, on: connection, when: {account.username: {in: known}}, then: accept}
  - {id: stranger, on: connection, when: {not: {account.username: {in: known}}}, then: reject}
limits: {accept: none, reject: none}
"""


@dataclass
class Table:
    """A server of one table; what it answers is the test's."""

    names: list[str] = field(default_factory=list)
    status: int = 200
    type: str = "text/csv"
    dated: datetime = field(default_factory=utc_now)
    silent: asyncio.Event | None = None
    asked: int = 0
    url: str = ""

    def mend(self, names: list[str], dated: datetime) -> None:
        """Answer as it should again."""
        if self.silent is not None:
            self.silent.set()
        self.names, self.status, self.type, self.dated, self.silent = list(names), 200, "text/csv", dated, None

    async def answer(self, _request: web.Request) -> web.Response:
        """The table, with a header."""
        self.asked += 1
        if self.silent is not None:
            await self.silent.wait()
        text = "\n".join(["username", *self.names, ""])
        headers = {"Last-Modified": format_datetime(self.dated, usegmt=True)}
        return web.Response(text=text, status=self.status, content_type=self.type, headers=headers)


@pytest.fixture
async def server(until_the_end):
    """The table, served on this machine."""
    table = Table()
    application = web.Application()
    application.router.add_get("/known.csv", table.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
    await runner.setup()
    until_the_end.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    table.url = f"http://127.0.0.1:{runner.addresses[0][1]}/known.csv"
    yield table
    if table.silent is not None:
        table.silent.set()


@pytest.fixture
def clock():
    """A clock that the test moves on."""
    return SimpleNamespace(now=utc_now())


@pytest.fixture
async def keep(tmp_path, clock, until_the_end):
    """Begin to keep sources."""

    async def begin(*sources: Source, connections: dict[str, str] | None = None) -> Keeper:
        places = Places(tmp_path, {name: SecretStr(address) for name, address in (connections or {}).items()})
        keeper = Keeper(sources={each.name: each for each in sources}, places=places, now=lambda: clock.now)
        until_the_end.push_async_callback(keeper.close)
        await keeper.begin()
        keeper.stirred.clear()
        return keeper

    return begin


async def refreshed(keeper: Keeper, clock, wait: timedelta) -> object:
    """What the source `known` holds when this time has gone by, and it was asked again."""
    clock.now += wait
    keeper.look()
    await keeper.stirred.wait()
    keeper.stirred.clear()
    table = keeper.tables["known"]
    return table.why if isinstance(table, NotLearnt) else table.rows


def at(server: Table, **more) -> Source:
    """The source at that address."""
    return replace(load({"policy.yaml": POLICY}).sources["known"], url=server.url, **more)


async def test_an_address_is_asked_again_when_its_time_has_come_and_sooner_after_a_failure(server, keep, clock):
    """Each quarter of an hour; after a failure, which is in force at once, each minute."""
    server.names = ["anna", "otto"]
    keeper = await keep(at(server))
    assert (server.asked, keeper.tables["known"].rows) == (1, 2)
    clock.now += 15 * MINUTE - timedelta(seconds=1)
    keeper.look()
    await keeper.catch_up()
    assert server.asked == 1
    server.names.append("jana")
    assert await refreshed(keeper, clock, timedelta(seconds=1)) == 3
    server.status = 500
    assert "the server responded with 500" in await refreshed(keeper, clock, 15 * MINUTE)
    server.status = 200
    clock.now += SOONER - timedelta(seconds=1)
    keeper.look()
    assert server.asked == 3
    assert await refreshed(keeper, clock, timedelta(seconds=1)) == 3
    clock.now -= timedelta(days=1)
    await keeper.catch_up()
    assert server.asked == 5


async def test_a_source_that_does_not_answer_holds_up_neither_a_cycle_nor_the_others(server, keep, clock, tmp_path):
    """What it said before is in force until it has kept silent for too long, and then no more."""
    server.names = ["anna"]
    write(tmp_path / "other.txt", "anna\n")
    keeper = await keep(at(server), Source(name="other", form=Form.LINES, path="other.txt"))
    server.silent = asyncio.Event()
    clock.now += 15 * MINUTE
    await keeper.catch_up()
    assert keeper.tables["known"].rows == 1
    write(tmp_path / "other.txt", "anna\notto\n")
    await keeper.catch_up()
    assert keeper.tables["other"].rows == 2
    keeper.stirred.clear()
    assert "timed out after 5 minutes" in await refreshed(keeper, clock, LONGEST)
    server.silent.set()
    server.silent = None
    await keeper.stirred.wait()
    assert keeper.tables["known"].rows == 1


async def test_what_was_read_before_the_machine_slept_is_in_force_no_more(server, keep, clock):
    """A cycle that begins then waits for the new contents, since nothing is known."""
    server.names = ["anna"]
    keeper = await keep(at(server))
    server.names = ["otto", "jana"]
    clock.now += timedelta(hours=8)
    await keeper.catch_up()
    assert (keeper.tables["known"].rows, server.asked) == (2, 2)


async def test_a_database_is_asked_again_when_its_time_has_come(tmp_path, keep, clock):
    """A table that is gone is in doubt at once, and good again when it has come back."""
    address = f"sqlite:///{tmp_path / 'billing.db'}"

    def do(*statements: str) -> None:
        with closing(sqlite3.connect(tmp_path / "billing.db")) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()

    do("CREATE TABLE customer (username TEXT)", "INSERT INTO customer VALUES ('anna'), ('otto'), ('  ')")
    query = Query(connection="billing", query="SELECT username FROM customer")
    source = Source(name="known", form=Form.SQL, query=query, key=("username",))
    keeper = await keep(source, connections={"billing": address})
    assert (keeper.tables["known"].rows, keeper.readings["known"].dropped) == (2, 1)
    do("ALTER TABLE customer RENAME TO client")
    assert "customer" in await refreshed(keeper, clock, 15 * MINUTE)
    do("ALTER TABLE client RENAME TO customer", "INSERT INTO customer VALUES ('jana')")
    assert await refreshed(keeper, clock, SOONER) == 3


def breaks(**said):
    """Let the server answer so."""

    def do(server: Table, _clock) -> None:
        for name, value in said.items():
            setattr(server, name, value(getattr(server, name)) if callable(value) else value)

    return do


BREAKAGES = {
    "answers 500": breaks(status=500),
    "answers 404": breaks(status=404),
    "returns HTML": breaks(type="text/html"),
    "times out": breaks(silent=lambda _: asyncio.Event()),
    "is emptied": breaks(names=lambda _: []),
    "shrinks": breaks(names=lambda names: names[: len(names) * 3 // 4]),
    "grows": breaks(names=lambda names: [*names, *(f"more-{number}" for number in range(len(names)))]),
    "goes stale": breaks(dated=lambda moment: moment - timedelta(days=3)),
}


@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=[name.replace(" ", "-") for name in BREAKAGES])
async def test_no_answer_depends_on_an_address_that_breaks(  # noqa: PLR0917 — fixtures
    simulate, said_of, server, keep, clock, tmp_path, breakage
):
    """What was decided before is not sent, what is decided then is held, and all goes on when it is good again."""
    # Only what the sources are asked by goes on: the cycle's clock and the service's stay together.
    simulator = await simulate(clock=utc_now, pending=40)
    world = simulator.world
    waiting = [
        world.accounts[key.id].username
        for key, tie in world.ties.items()
        if key.kind is Kind.CONNECTION and tie.state is State.PENDING
    ]
    names = [*waiting[::2], *(f"nobody-{number}" for number in range(len(waiting)))]
    server.names = list(names)
    policy = load({"policy.yaml": POLICY})
    policy = replace(policy, sources={"known": at(server)})
    keeper = await keep(policy.sources["known"])
    write(tmp_path / "policy" / "policy.yaml", POLICY.decode())
    settings = load_accounts(**said_of(simulator, mode="enforce")).accounts[0]
    ledger = await SqlLedger.open(settings.ledger)
    in_force = PolicyInForce(policy, {}).with_data(keeper)
    async with sign_in(settings, ledger) as session:
        cycle = cycle_of(session, settings, in_force)
        planned = await cycle.look()
        assert len(planned.steps) == len(waiting) >= 8

        breakage(server, clock)
        if server.silent is not None:
            clock.now += 15 * MINUTE
            keeper.look()
        await refreshed(keeper, clock, LONGEST if server.silent is not None else 15 * MINUTE)
        receipts = await cycle.answer(planned)
        assert {receipt.outcome for receipt in receipts} == {None}
        decided = [each for each in (await cycle.look()).decisions if each.key.kind is Kind.CONNECTION]
        assert {(each.verdict, each.rule, each.unknown, each.sources) for each in decided} == {
            (Verdict.HOLD, "known", ("known",), ())
        }
        assert [call for call in simulator.log.calls if call.method == "POST"] == []

        server.mend(names, utc_now())
        await refreshed(keeper, clock, 15 * MINUTE)
        planned = await cycle.look()
        assert len(planned.steps) == len(waiting)
        receipts = await cycle.answer(planned)
        assert {receipt.outcome for receipt in receipts} == {Outcome.DONE}
    await ledger.close()
