"""Whole cycles over a ledger that fails: nothing is sent without a durable intent, and what is known is found again.

Each fault comes twice: before the first answer leaves, and while answers are on their way.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import structlog

from pm_autoaccept.config import load_accounts
from pm_autoaccept.cycle import Cycle
from pm_autoaccept.errors import LedgerUnavailable
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import Kind, Mode, Outcome, Plan, RequestKey
from pm_autoaccept.policy import load
from tests.integration.test_cycle import EVERYBODY, posts, ticking
from tests.integration.test_daemon import run
from tests.postgresql import postgresql
from tests.stops import Rounds


@dataclass(slots=True)
class Faulty:
    """A ledger, what breaks it, and what mends it again."""

    ledger: SqlLedger
    says: str
    break_: Callable[[], Awaitable[object]]
    mend: Callable[[], Awaitable[object]]
    broken: list[asyncio.Future[Any]] = field(default_factory=list)

    def soon(self) -> None:
        """Break it from within the running loop, once what waits already is written."""
        self.broken.append(asyncio.ensure_future(self.break_()))


def pragma(ledger: SqlLedger, text: str) -> Callable[[], Awaitable[object]]:
    """Set something on the connection that writes."""

    def set_it() -> object:
        with ledger.database._engine.connect() as bound:
            return bound.connection.driver_connection.execute(f"PRAGMA {text}").fetchall()

    return lambda: ledger.database._writer.on_thread(set_it)


async def _full(ledger: SqlLedger, _path: Path) -> Faulty:
    """The file may not grow any more."""

    async def fill() -> None:
        (pages,) = (await pragma(ledger, "page_count")())[0]
        await pragma(ledger, f"max_page_count = {pages}")()

    return Faulty(ledger, "full", fill, pragma(ledger, "max_page_count = 1000000"))


async def _read_only(ledger: SqlLedger, _path: Path) -> Faulty:
    """What SQLite says when the file may only be read."""
    return Faulty(ledger, "readonly", pragma(ledger, "query_only = ON"), pragma(ledger, "query_only = OFF"))


async def _locked(ledger: SqlLedger, path: Path) -> Faulty:
    """Another process, that does not end, is writing."""
    await pragma(ledger, "busy_timeout = 1")()
    other = sqlite3.connect(path, isolation_level=None, timeout=60, check_same_thread=False)

    async def lock() -> None:
        await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")

    async def unlock() -> None:
        other.close()

    return Faulty(ledger, "locked", lock, unlock)


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Any]:
    """A server that these tests may stop."""
    with postgresql() as server:
        yield server


@pytest.fixture(params=["full", "read_only", "locked", "postgresql_stopped", "postgresql_killed_connections"])
async def faulty(request, tmp_path):
    """A ledger for each fault in turn."""
    if request.param.startswith("postgresql"):
        server = request.getfixturevalue("own_postgres")
        ledger = await SqlLedger.open(server.database())
        made = _stopped(ledger, server) if request.param == "postgresql_stopped" else _cut(ledger, server)
    else:
        ledger = await SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
        break_ = {"full": _full, "read_only": _read_only, "locked": _locked}[request.param]
        made = await break_(ledger, tmp_path / "ledger.db")
    yield made
    await made.mend()
    await ledger.close()


def _stopped(ledger: SqlLedger, server: Any) -> Faulty:
    async def stop() -> None:
        await asyncio.to_thread(server.stop)

    async def start() -> None:
        await asyncio.to_thread(server.start)

    return Faulty(ledger, "connection", stop, start)


def _cut(ledger: SqlLedger, server: Any) -> Faulty:
    """Nobody may connect any more, and who is connected is cut off."""

    async def cut() -> None:
        name = ledger.database._engine.url.database
        await asyncio.to_thread(server.sql, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await asyncio.to_thread(server.cut_off, name)

    async def allow() -> None:
        name = ledger.database._engine.url.database
        await asyncio.to_thread(server.sql, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    return Faulty(ledger, "connection", cut, allow)


@pytest.fixture
def make_cycle(simulate, sign_in, now):
    """Make a simulator and a cycle over it, with this ledger."""

    async def make(ledger: SqlLedger, **world: Any) -> tuple[Any, Cycle]:
        simulator = await simulate(**world)
        pm = await sign_in(simulator)
        provider = await pm.account()
        await ledger.claim(service=simulator.url, provider=provider, at=now)
        policy = load({"policy.yaml": EVERYBODY})
        return simulator, Cycle(
            pm=pm, provider=provider, ledger=ledger, policy=policy, tables={}, mode=Mode.ENFORCE, now=ticking(now)
        )

    return make


def at(cycle: Cycle, moment: datetime) -> None:
    """Let it be later."""
    cycle.now = cycle._poller.now = ticking(moment)


async def go_on(cycle: Cycle, planned: Plan) -> None:
    """Answer and look again, as long as the ledger works."""
    for _ in range(3):
        await cycle.answer(planned)
        planned = await cycle.look()


async def the_end(cycle: Cycle, start: datetime) -> dict[str, Outcome | None]:
    """Run cycles until there is nothing to answer and nothing open, and say what became of each answer."""
    for minutes in (6, 12, 18, 24):
        at(cycle, start + timedelta(minutes=minutes))
        await cycle.answer(await cycle.look())
    assert (await cycle.look()).steps == ()
    return {str(row.key): row.outcome for row in await cycle.ledger.decisions() if row.answer}


def assert_agreement(simulator: Any, ended: dict[str, Outcome | None]) -> None:
    """Each request was answered once, and the ledger knows of each answer what became of it."""
    sent = Counter(str(call.path) for call in posts(simulator))
    assert set(sent.values()) == {1}
    assert len(sent) == len(ended)
    assert set(ended.values()) <= {Outcome.DONE, Outcome.DONE_INFERRED, Outcome.GONE}


async def test_nothing_is_sent_when_the_ledger_fails_before_the_first_answer(make_cycle, faulty, now):
    """The error says what is wrong; once the ledger works again all is answered, once."""
    simulator, cycle = await make_cycle(faulty.ledger, pending=110 if faulty.says == "full" else 40)
    planned = await cycle.look()
    await faulty.break_()
    with pytest.raises(LedgerUnavailable, match=faulty.says):
        await go_on(cycle, planned)
    before = len(posts(simulator))
    await faulty.mend()
    known = [row for row in await faulty.ledger.decisions() if row.answer]
    assert len(known) >= before
    # A full file has room in its last pages still: what is answered until they are full has its intent.
    assert before == 0 or faulty.says == "full"
    assert_agreement(simulator, await the_end(cycle, now))


async def test_every_answer_that_left_has_its_intent_when_the_ledger_fails_in_the_middle(make_cycle, faulty, now):
    """An outcome that could not be recorded stays open, and is settled later by what Portfolio Manager shows."""
    simulator, cycle = await make_cycle(faulty.ledger, pending=110 if faulty.says == "full" else 40)
    planned = await cycle.look()
    left: list[Any] = []

    def break_in_the_middle(call: Any) -> None:
        if call.method == "POST":
            left.append(call)
            if len(left) == 6:
                faulty.soon()

    simulator.before_processing = break_in_the_middle
    with pytest.raises(LedgerUnavailable, match=faulty.says):
        await go_on(cycle, planned)
    await asyncio.gather(*faulty.broken)
    await faulty.mend()
    simulator.before_processing = None
    known = {row.id for row in await faulty.ledger.decisions() if row.answer}
    assert {int(call.path.rpartition("/")[2]) for call in posts(simulator)} <= known
    assert_agreement(simulator, await the_end(cycle, now))


async def test_a_damaged_file_is_said_and_nothing_is_sent(make_cycle, tmp_path, now):
    """People restore a copy; a damaged ledger answers nothing."""
    path = tmp_path / "ledger.db"
    ledger = await SqlLedger.open(f"sqlite:///{path}")
    simulator, cycle = await make_cycle(ledger, pending=40)
    await cycle.look()
    await ledger.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
    with pytest.raises(LedgerUnavailable, match=r"malformed|not a database"):
        await SqlLedger.open(f"sqlite:///{path}")
    path.write_bytes(whole)
    cycle.ledger = await SqlLedger.open(f"sqlite:///{path}")
    await cycle.ledger.claim(service=simulator.url, provider=cycle.provider, at=now)
    assert posts(simulator) == []
    assert_agreement(simulator, await the_end(cycle, now))
    await cycle.ledger.close()


@contextmanager
def small_disk(folder: Path, *, kilobytes: int) -> Iterator[None]:
    """A disk of this size, mounted here; skips the test where nothing may be mounted."""
    mount, umount = which("mount"), which("umount")
    command = [str(mount), "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(folder)]
    if os.geteuid() != 0 or not (mount and umount) or subprocess.run(command, check=False).returncode:  # noqa: S603 — fixed
        pytest.skip("needs to mount a small disk, which only root may; you can do without")
    try:
        yield
    finally:
        subprocess.run([str(umount), "-l", str(folder)], check=True)  # noqa: S603 — fixed


async def test_a_disk_that_is_really_full(make_cycle, tmp_path, now):
    """With another file in the way; when that is gone all goes on."""
    with small_disk(tmp_path, kilobytes=16384):
        ledger = await SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
        simulator, cycle = await make_cycle(ledger, pending=110)
        planned = await cycle.look()
        with closing((tmp_path / "another").open("wb", buffering=0)) as another:
            try:
                while True:
                    another.write(b"\0" * 4096)
            except OSError:
                pass
        with pytest.raises(LedgerUnavailable, match="full"):
            await go_on(cycle, planned)
        assert len(posts(simulator)) <= len([row for row in await ledger.decisions() if row.answer])
        (tmp_path / "another").unlink()
        assert_agreement(simulator, await the_end(cycle, now))
        await ledger.close()


async def test_a_disk_that_may_only_be_read_is_said_when_the_ledger_is_opened(tmp_path):
    """What `run` says and then ends with, so that people notice."""
    with small_disk(tmp_path, kilobytes=2048):
        await (await SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}")).close()
        read_only = [str(which("mount")), "-o", "remount,ro", str(tmp_path)]
        await asyncio.to_thread(subprocess.run, read_only, check=True)
        with pytest.raises(LedgerUnavailable, match=r"readonly|unable to open"):
            await SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}")


async def test_run_stays_up_while_postgresql_is_away_and_goes_on_when_it_is_back(
    simulate, said_of, tmp_path, own_postgres
):
    """It says so each time that it tries, sends nothing, and needs nobody to start it again."""
    simulator = await simulate(pending=40)
    (tmp_path / "policy" / "policy.yaml").write_bytes(EVERYBODY)
    settings = load_accounts(**said_of(simulator, ledger=own_postgres.database(), mode="enforce"))
    sent: dict[int, int] = {}

    def between(wait: int) -> None:
        sent[wait] = len(posts(simulator))
        if wait == 1:
            simulator.act("connect", account=_stranger(simulator))
            own_postgres.stop()
        elif wait == 3:
            own_postgres.start()

    with structlog.testing.capture_logs() as logged:
        await run(settings, stop=Rounds(after=5, between=between))
    events = [entry["event"] for entry in logged if entry["event"].startswith("cycle_")]
    assert events == ["cycle_finished", "cycle_failed", "cycle_failed", "cycle_finished", "cycle_finished"]
    assert sent[1] == sent[2] == sent[3] < sent[5]


def _stranger(simulator: Any) -> int:
    """A customer who is not connected and does not ask to be."""
    ties = simulator.world.ties
    return next(owner for owner in simulator.world.accounts if RequestKey(Kind.CONNECTION, owner) not in ties)
