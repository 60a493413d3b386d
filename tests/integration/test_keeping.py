"""A data source that breaks in the middle of a run: no accept and no reject depends on it until it is good again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pm_autoaccept.cli.support.preview import load_preview
from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import load_accounts
from pm_autoaccept.daemon import policy_watch
from pm_autoaccept.model import Kind, NotLearnt, Verdict
from pm_autoaccept.simulator import State
from tests.reloading import events, run_until, write

POLICY = """\
version: 1
data:
  known:
    csv: data/known.csv
    key: username
    require: {rows: 5, age: 2d, shrink: 20%, grow: 50%}
rules:
  - {id: known, on: connection, when: {account.username: {in: known}}, then: accept}
  - {id: stranger, on: connection, when: {not: {account.username: {in: known}}}, then: reject}
limits: {accept: none, reject: none}
"""
DAYS = 24 * 3600

BREAKAGES: dict[str, Callable[[Path, list[str]], object]] = {
    "vanishes": lambda file, _: file.unlink(),
    "is a folder": lambda file, _: (file.unlink(), file.mkdir()),
    "is emptied": lambda file, _: fill(file, []),
    "shrinks": lambda file, names: fill(file, names[: len(names) * 3 // 4]),
    "grows": lambda file, names: fill(file, [*names, *(f"more-{number}" for number in range(len(names)))]),
    "has too few rows": lambda file, names: fill(file, names[:4]),
    "goes stale": lambda file, names: (fill(file, names), os.utime(file, (time.time() - 3 * DAYS,) * 2)),
    "is dated in the future": lambda file, names: (fill(file, names), os.utime(file, (time.time() + 3 * DAYS,) * 2)),
    "lacks its column": lambda file, names: write(file, "\n".join(["user", *names])),
    "was spoilt by a spreadsheet": lambda file, names: fill(file, [*names[1:], "1.23E+11"]),
    "is a page of a web server": lambda file, _: write(file, "<html><body>502 Bad Gateway</body></html>\n"),
    "is no UTF-8": lambda file, names: file.write_bytes("\n".join(["username", *names, "café"]).encode("latin-1")),
}


def fill(file: Path, names: list[str]) -> None:
    """Write the table."""
    if file.is_dir():
        file.rmdir()
    write(file, "\n".join(["username", *names, ""]))


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    """Files are looked at much more often than every second, and none is waited for."""
    monkeypatch.setattr(policy_watch, "FILE_CHECK_INTERVAL", timedelta(milliseconds=5))
    monkeypatch.setattr("pm_autoaccept.data_sources.file_stamps.SETTLE_TIME", timedelta(0))


@pytest.fixture
def file(tmp_path) -> Path:
    """The table's file, in the policy's folder."""
    write(tmp_path / "policy" / "policy.yaml", POLICY)
    return tmp_path / "policy" / "data" / "known.csv"


@pytest.fixture
def said(said_of, ledger_address):
    """Settings for a simulator, on a ledger of each kind."""
    usual = {"ledger": ledger_address, "interval": "1d", "mode": "enforce", "in_flight": 2}
    return lambda simulator, **more: said_of(simulator, **usual | more)


def pending(simulator) -> list[str]:
    """Who waits for an answer to a connection request."""
    world = simulator.world
    keys = [key for key, tie in world.ties.items() if key.kind is Kind.CONNECTION and tie.state is State.PENDING]
    return [world.accounts[key.id].username for key in keys]


def posts(simulator) -> int:
    """How many answers came."""
    return sum(call.method == "POST" for call in simulator.log.calls)


def why(logged) -> list[str]:
    """Why data were not good."""
    return [entry["why"] for entry in logged if entry["event"] in {"guard_broken", "data_lost"}]


EACH = [(breaks, "sqlite") for breaks in BREAKAGES] + [(breaks, "postgresql") for breaks in ("vanishes", "shrinks")]


IDS = ["-".join(each).replace(" ", "-") for each in EACH]


@pytest.mark.parametrize(("breaks", "ledger_address"), EACH, indirect=["ledger_address"], ids=IDS)
async def test_no_answer_depends_on_a_source_that_breaks(simulate, said, file, breaks):
    """It breaks while answers leave; what is not on its way waits, over a restart too, until it is good again."""
    simulator = await simulate(clock=utc_now, pending=40)
    waiting = pending(simulator)
    assert len(waiting) >= 8
    # Half of them are in the table, and as many who ask for nothing.
    names = [*waiting[::2], *(f"nobody-{number}" for number in range(len(waiting)))]
    fill(file, names)
    counted: list[int] = []

    def break_it(call) -> None:
        if call.method == "POST" and not counted:
            counted.append(0)
            BREAKAGES[breaks](file, names)

    simulator.before_processing = break_it
    logged = await run_until(said(simulator), lambda: counted.append(posts(simulator)))
    assert 1 <= counted[1] <= 2
    assert posts(simulator) == counted[1]
    assert len(why(logged)) == 1
    cycles = [entry for entry in logged if entry["event"] == "cycle_finished"]
    assert {"decided_accept", "decided_reject"} & set(cycles[-1]) == set()

    # A new process finds what is broken just as broken: the ledger remembers what was there before.
    logged = await run_until(said(simulator), lambda: (counted.append(posts(simulator)), fill(file, names)))
    assert counted[2] == counted[1]
    assert len(why(logged)) == 1
    assert "data_good_again" in events(logged)
    assert pending(simulator) == []


@pytest.mark.parametrize("ledger_address", ["sqlite"], indirect=True)
async def test_what_people_are_shown_hangs_on_the_guards_too(simulate, said, file):
    """`explain` and `pending` read the data themselves, and judge by them as the daemon does."""
    simulator = await simulate(clock=utc_now, pending=40)
    fill(file, pending(simulator)[:4])
    looked = await load_preview(load_accounts(**said(simulator)).accounts[0])
    table = looked.tables["known"]
    assert isinstance(table, NotLearnt)
    assert "it has 4 rows; the policy requires at least 5" in table.why
    decided = [each for each in looked.plan.decisions if each.key.kind is Kind.CONNECTION]
    assert {(each.verdict, each.unknown) for each in decided} == {(Verdict.HOLD, ("known",))}
