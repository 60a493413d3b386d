"""A copy that was made while answers went out, and what a ledger that knows less than the world does about it."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pm_autoaccept.cycle import Cycle
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import Mode, Outcome
from pm_autoaccept.policy import load
from tests.integration.test_cycle import EVERYBODY, posts, ticking


def backup_api(ledger: str, copy: Path) -> str:
    """What `sqlite3 FILE ".backup COPY"` does."""
    with (
        closing(sqlite3.connect(ledger.removeprefix("sqlite:///"))) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return f"sqlite:///{copy}"


def vacuum_into(ledger: str, copy: Path) -> str:
    """What `sqlite3 FILE "VACUUM INTO 'COPY'"` does."""
    with closing(sqlite3.connect(ledger.removeprefix("sqlite:///"))) as source:
        source.execute("VACUUM INTO ?", [str(copy)])
    return f"sqlite:///{copy}"


@pytest.fixture(params=["backup", "vacuum", "pg_dump"])
def made(request, tmp_path):
    """The address of an empty ledger, and how to copy it: each way of the manual in turn."""
    if request.param != "pg_dump":
        return f"sqlite:///{tmp_path / 'ledger.db'}", backup_api if request.param == "backup" else vacuum_into
    postgres = request.getfixturevalue("postgres")

    def dump(ledger: str, copy: Path) -> str:
        restored = postgres.database()
        for command in (
            [postgres.program("pg_dump"), "--format=custom", f"--file={copy}", ledger],
            [postgres.program("pg_restore"), "--exit-on-error", f"--dbname={restored}", str(copy)],
        ):
            subprocess.run(command, check=True)  # noqa: S603 — the server's own programs
        return restored

    return postgres.database(), dump


@pytest.fixture
def make_cycle(sign_in, now, until_the_end):
    """Make a cycle over a simulator with the ledger at this address."""

    async def make(simulator: Any, address: str, *, minutes: int = 0) -> Cycle:
        ledger = await SqlLedger.open(address)
        until_the_end.push_async_callback(ledger.close)
        pm = await sign_in(simulator)
        provider = await pm.account()
        await ledger.claim(service=simulator.url, provider=provider, at=now)
        policy, clock = load({"policy.yaml": EVERYBODY}), ticking(now + timedelta(minutes=minutes))
        return Cycle(pm=pm, provider=provider, ledger=ledger, policy=policy, tables={}, mode=Mode.ENFORCE, now=clock)

    return make


async def test_a_copy_that_was_made_while_answers_went_out_is_a_ledger(simulate, make_cycle, made, tmp_path):
    """It says of each answer what was known then; restored, it settles the rest by the world, and sends nothing."""
    simulator = await simulate(pending=60)
    address, copy = made
    cycle = await make_cycle(simulator, address)
    planned = await cycle.look()
    copied: list[asyncio.Future[str]] = []

    def in_the_middle(call: Any) -> None:
        if call.method == "POST" and not copied:
            copied.append(asyncio.ensure_future(asyncio.to_thread(copy, address, tmp_path / "copy")))

    simulator.before_processing = in_the_middle
    await cycle.answer(planned)
    restored_at = await copied[0]
    before = len(posts(simulator))
    for minutes in (6, 12, 18):
        restored = await make_cycle(simulator, restored_at, minutes=minutes)
        assert (await restored.look()).steps == ()
    assert len(posts(simulator)) == before
    outcomes = Counter(row.outcome for row in await restored.ledger.decisions())
    assert set(outcomes) - {None} <= {
        Outcome.DONE,
        Outcome.DONE_INFERRED,
        Outcome.GONE,
        Outcome.SETTLED_ELSEWHERE,
    }
    assert outcomes.total() == len(planned.decisions)


async def test_what_a_restored_ledger_answers_again_portfolio_manager_refuses(simulate, make_cycle, made, tmp_path):
    """Where a list still shows what was answered after the copy was made: 400/-200, settled elsewhere, nothing done."""
    simulator = await simulate(pending=30)
    address, copy = made
    cycle = await make_cycle(simulator, address)
    planned = await cycle.look()
    restored = await make_cycle(simulator, await asyncio.to_thread(copy, address, tmp_path / "copy"))
    as_before = await restored.look()
    assert {step.key for step in as_before.steps} == {step.key for step in planned.steps}
    await cycle.answer(planned)
    world = {key: tie.state for key, tie in simulator.world.ties.items()}
    receipts = [receipt for receipt in await restored.answer(as_before) if not receipt.step.needs]
    assert {receipt.outcome for receipt in receipts} == {Outcome.SETTLED_ELSEWHERE}
    assert {key: tie.state for key, tie in simulator.world.ties.items()} == world
