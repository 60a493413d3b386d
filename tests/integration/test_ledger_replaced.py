"""`run` and `once` with a ledger that is taken away from under them, or that was made just now: what is not sent."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from pm_autoaccept.cli.once import _once
from pm_autoaccept.config import Program, Settings, load_accounts
from pm_autoaccept.model import Kind, RequestKey
from tests.integration.test_cycle import EVERYBODY, posts
from tests.integration.test_daemon import run
from tests.stops import Rounds
from tests.unit.ledger.test_replaced import backup, delete_all


@pytest.fixture
def settings_of(tmp_path, said_of):
    """Settings in enforce mode, with a policy that lets everybody in, and a ledger in a folder of its own."""
    (tmp_path / "policy" / "policy.yaml").write_bytes(EVERYBODY)
    (tmp_path / "state").mkdir()
    ledger = f"sqlite:///{tmp_path / 'state' / 'ledger.db'}"
    return lambda simulator, **more: load_accounts(**said_of(simulator, mode="enforce", ledger=ledger) | more)


def another_asks(simulator: Any) -> None:
    """A customer asks for a connection who is not connected and does not ask for one yet."""
    ties = simulator.world.ties
    number = next(owner for owner in simulator.world.accounts if RequestKey(Kind.CONNECTION, owner) not in ties)
    simulator.act("connect", account=number)


async def once(settings: Settings, stop: Rounds | None = None) -> None:
    """What cron starts."""
    await _once(Program(accounts=(settings,), origins={}), stop or Rounds(after=9), output="json")


async def cron_makes_another(path: Path, settings: Settings) -> None:
    """Somebody deletes the ledger, and `once` finds none: it makes one, and no lease in it keeps it from working."""
    delete_all(path, path)
    await once(settings)


def known_by(path: Path) -> set[int]:
    """The requests whose answers stand in the ledger that people find."""
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path)) as ledger:
        query = "SELECT pm_id FROM request JOIN intent ON intent.request_id = request.id"
        return {number for (number,) in ledger.execute(query)}


@pytest.mark.parametrize("how", ["deleted", "restored", "replaced by once"])
async def test_run_sends_nothing_with_a_ledger_that_nobody_finds_any_more(simulate, settings_of, tmp_path, how):
    """It says what happened, each time that it tries; whatever is sent stands in the ledger that people find."""
    simulator = await simulate(pending=20)
    settings = settings_of(simulator)
    path, sent = tmp_path / "state" / "ledger.db", []

    def copied(call: Any) -> None:
        if call.method == "POST":
            simulator.before_processing = None
            backup(path, tmp_path / "copy.db")

    async def between(number: int) -> None:
        if number == 2:
            another_asks(simulator)
            if how == "deleted":
                delete_all(path, path)
            elif how == "restored":
                backup(tmp_path / "copy.db", path)
            else:
                await cron_makes_another(path, settings.accounts[0])
            sent.extend(posts(simulator))

    simulator.before_processing = copied
    with structlog.testing.capture_logs() as logged:
        await run(settings, stop=Rounds(after=4, between=between))
    assert posts(simulator) == sent, "an answer was sent whose record is lost"
    told = [each["error"] for each in logged if each["event"] in ("cycle_failed", "sign_in_failed")]
    assert len(told) == 2
    assert all("nothing is sent" in each for each in told)
    if how == "replaced by once":
        assert {int(call.path.rpartition("/")[2]) for call in posts(simulator)[-1:]} <= known_by(path)


async def test_answers_on_their_way_end_when_the_ledger_is_deleted(simulate, settings_of, tmp_path):
    """What had its intent in time leaves; what has none yet does not."""
    simulator = await simulate(pending=60)
    path, sent = tmp_path / "state" / "ledger.db", []

    def during(call: Any) -> None:
        if call.method == "POST":
            sent.append(call)
            if len(sent) == 3:
                delete_all(path, path)

    simulator.before_processing = during
    await run(settings_of(simulator, in_flight=2), stop=Rounds(after=1))
    gone = known_by(path.with_name("gone"))
    assert {int(call.path.rpartition("/")[2]) for call in sent} <= gone
    assert len(sent) <= 3 + 2 * 2, "it went on answering into a file that is gone"


@pytest.fixture
def as_if_real(monkeypatch):
    """As with EPA's services: an answer that an earlier ledger knew of may be on its way."""

    def begin() -> None:
        monkeypatch.setattr(Settings, "is_simulator", property(lambda _settings: False))

    return begin


def made_earlier(path: Path) -> None:
    """Let the ledger be six minutes older."""
    with closing(sqlite3.connect(path)) as ledger:
        ledger.execute("UPDATE ledger SET made_at = datetime(made_at, '-6 minutes')")
        ledger.commit()


async def test_run_waits_before_the_first_answer_with_a_new_ledger(simulate, settings_of, tmp_path, as_if_real):
    """It reads and decides meanwhile, over a restart too; five minutes after it was made answers leave."""
    simulator = await simulate(pending=20)
    settings = settings_of(simulator)
    as_if_real()
    for _ in range(2):
        with structlog.testing.capture_logs() as logged:
            await run(settings, stop=Rounds(after=2))
        assert posts(simulator) == [], "an answer was sent that an earlier ledger may know of"
        paused = [each["why"] for each in logged if each["event"] == "answering_paused"]
        assert len(paused) == 2
        assert all("this ledger is new" in why for why in paused)
    made_earlier(tmp_path / "state" / "ledger.db")
    await run(settings, stop=Rounds(after=1))
    assert posts(simulator)


async def test_once_waits_before_the_first_answer_with_a_new_ledger(simulate, settings_of, tmp_path, as_if_real):
    """For the whole of UNKNOWN_WAIT, and reads only then; one that was killed meanwhile has waited for nobody."""
    simulator = await simulate(pending=20)
    settings = settings_of(simulator).accounts[0]
    as_if_real()
    stop = Rounds(after=9)
    await once(settings, stop)
    assert posts(simulator) == [], "an answer was sent that an earlier ledger may know of"
    assert [timedelta(minutes=4) < wait <= timedelta(minutes=5) for wait in stop.waits] == [True]
    made_earlier(tmp_path / "state" / "ledger.db")
    await once(settings)
    assert posts(simulator)


async def test_neither_waits_in_observe_mode_nor_with_a_simulator(simulate, settings_of, as_if_real):
    """Where nothing is sent nothing is waited for."""
    simulator = await simulate(pending=20)
    stop = Rounds(after=9)
    await once(settings_of(simulator).accounts[0], stop)
    assert posts(simulator)
    observing = settings_of(simulator, mode="observe", ledger="sqlite://").accounts[0]
    as_if_real()
    await once(observing, stop)
    assert stop.waits == []


async def test_what_run_makes_is_private_whatever_the_umask(simulate, settings_of, tmp_path):
    """Ledger, log, index and heartbeat; a heartbeat that is there keeps its mode."""
    simulator, heartbeat, modes = await simulate(pending=5), tmp_path / "state" / "heartbeat", {}

    def between(_number: int) -> None:
        modes.update({each.name: oct(stat.S_IMODE(each.stat().st_mode)) for each in heartbeat.parent.iterdir()})

    before = os.umask(0)
    try:
        await run(settings_of(simulator, heartbeat=heartbeat), stop=Rounds(after=1, between=between))
        assert set(modes.values()) == {"0o600"}, modes
        assert len(modes) == 4
        await asyncio.to_thread(heartbeat.chmod, 0o644)
        await run(settings_of(simulator, heartbeat=heartbeat), stop=Rounds(after=1, between=between))
    finally:
        os.umask(before)
    assert modes["heartbeat"] == "0o644"
