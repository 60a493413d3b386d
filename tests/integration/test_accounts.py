"""Many accounts in one daemon, and several daemons on one ledger: leases, trouble that stays with its account, rest."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from pm_autoaccept.account import load_policy
from pm_autoaccept.config import Program, load_accounts
from pm_autoaccept.daemon import LeaseHold, Stop, policy_watch, run
from pm_autoaccept.errors import ConfigurationError, LeaseLost
from pm_autoaccept.ledger import Database, Leases, monotonic_seconds
from pm_autoaccept.model import Kind, Mode
from pm_autoaccept.simulator import Fault, FaultKind, State
from pm_autoaccept.telemetry.health import LeaseState, readiness
from pm_autoaccept.telemetry.telemetry import Telemetry
from tests.stops import Rounds

HOLD = "version: 1\nrules:\n  - {id: wait, on: [connection, property, meter], when: always, then: hold}\n"


@pytest.fixture
def program_of(tmp_path):
    """A program with an account for each simulator, from a settings file."""

    def make(accounts: dict[str, Any], **more: Any) -> Program:
        lines = [f"ledger: sqlite:///{tmp_path / 'ledger.db'}", "rate: none", "accounts:"]
        for name, simulator in accounts.items():
            policy = tmp_path / f"policy-{name}"
            policy.mkdir(exist_ok=True)
            if not list(policy.iterdir()):
                (policy / "policy.yaml").write_text(HOLD)
            password = tmp_path / f"password-{name}"
            if not password.exists():
                password.write_text(simulator.password)
            lines += [
                f"  {name}:",
                f"    service: {simulator.url}",
                f"    username: {simulator.username}",
                f"    password_file: {password}",
                f"    policy: {policy}",
            ]
        (tmp_path / "settings.yaml").write_text("\n".join(lines) + "\n")
        return load_accounts(settings=tmp_path / "settings.yaml", **more)

    return make


def cycles_of(logged: list[dict[str, Any]]) -> int:
    """How many cycles were finished."""
    return sum(entry["event"] == "cycle_finished" for entry in logged)


def readiness_then(telemetry: Telemetry, account: str) -> Any:
    """The readiness of each account at the end of this one's last good cycle.

    The waits of the others move the clock that all share, and by any number of minutes while a cycle of this one runs.
    """
    last = {health.account: health.last_good_cycle for health in telemetry.accounts}[account]
    assert last is not None, f"no good cycle of {account}"
    return readiness(telemetry.accounts, now=last).body["accounts"]


async def test_trouble_with_one_account_does_not_keep_the_others_from_their_work(simulate, program_of, tmp_path):
    """A wrong password, a policy with faults, a service that is down: each is told, and the fourth account goes on."""
    simulators = {name: await simulate(seed=seed) for seed, name in enumerate(("well", "wrong", "broken", "down"), 7)}
    (tmp_path / "password-wrong").write_text("Wrong-Password-1")
    (tmp_path / "policy-broken").mkdir()
    (tmp_path / "policy-broken" / "policy.yaml").write_text("version: 2\n")
    simulators["down"].faults.add(Fault(kind=FaultKind.STATUS, status=403, service="GET"))
    telemetry = Telemetry(version="test")
    with structlog.testing.capture_logs() as logged:
        stop = Rounds(enough=lambda: cycles_of(logged) >= 3)
        await run(program_of(simulators), stop=stop, telemetry=telemetry, now=stop.now)
    assert {"not_authorised", "policy_refused", "sign_in_failed"} <= {entry["event"] for entry in logged}
    told = readiness_then(telemetry, "well")
    assert {name: state["ready"] for name, state in told.items()} == {
        "well": True,
        "wrong": False,
        "broken": False,
        "down": False,
    }


@pytest.fixture
def breaks(monkeypatch):
    """A policy folder whose files break the program itself, as no folder that is known does."""

    def load_or_break(folder: Path) -> Any:
        if folder.name == "policy-breaks":
            raise RecursionError(folder.name)
        return load_policy(folder)

    monkeypatch.setattr(policy_watch, "load_policy", load_or_break)


@pytest.mark.usefixtures("breaks")
async def test_a_policy_that_breaks_the_program_does_not_keep_other_accounts_from_their_work(simulate, program_of):
    """Neither at the start nor at each later try: the account has no policy, the others go on."""
    simulators = {name: await simulate(seed=seed) for seed, name in enumerate(("well", "breaks"), 7)}
    telemetry = Telemetry(version="test")
    with structlog.testing.capture_logs() as logged:
        stop = Rounds(enough=lambda: cycles_of(logged) >= 3)
        await run(program_of(simulators), stop=stop, telemetry=telemetry, now=stop.now)
    refused = [entry["error"] for entry in logged if entry["event"] == "policy_refused"]
    assert "internal error (RecursionError)" in refused[0]
    assert "policy_not_loaded" in {entry["event"] for entry in logged}
    told = readiness_then(telemetry, "well")
    assert {name: state["ready"] for name, state in told.items()} == {"well": True, "breaks": False}


@pytest.mark.usefixtures("breaks")
async def test_a_policy_that_breaks_the_program_is_said_where_no_account_has_another(simulate, program_of):
    """One sentence that names the folder ends `run`, and no traceback."""
    program = program_of({"breaks": await simulate()})
    with pytest.raises(ConfigurationError, match="policy-breaks cannot be loaded: internal error"):
        await run(program, stop=Stop())


async def test_an_account_that_another_replica_holds_is_stood_by_for_and_taken_over(simulate, program_of):
    """While the other's lease lasts not one call leaves; once it is free the account is served here."""
    simulator = await simulate()
    program = program_of({"only": simulator})
    database = await Database.open(program.ledger)
    other = Leases(database, holder="other", ttl=timedelta(minutes=2))
    held_lease = await other.take("only")
    telemetry = Telemetry(version="test")
    seen: list[LeaseState] = []

    def enough() -> bool:
        seen.append(next(iter(telemetry.accounts)).lease)
        assert simulator.log.calls == []
        return len(seen) == 3

    stop = Rounds(enough=enough)
    await run(program, stop=stop, telemetry=telemetry, now=stop.now)
    assert seen == [LeaseState.ELSEWHERE] * 3
    await other.release(held_lease)
    with structlog.testing.capture_logs() as logged:
        stop = Rounds(enough=lambda: cycles_of(logged) >= 1)
        await run(program, stop=stop, now=stop.now)
    await database.close()
    assert cycles_of(logged) == 1


async def test_a_lease_that_another_takes_ends_the_work_here(simulate, program_of):
    """Nothing is recorded any more, since each writing transaction is fenced; another attempt to take it stands by."""
    simulator = await simulate()
    program = program_of({"only": simulator})
    database = await Database.open(program.ledger)
    thief = Leases(
        database, holder="thief", ttl=timedelta(minutes=2), now=lambda: datetime.now(UTC) + timedelta(days=1)
    )

    simulator.faults.add(Fault(kind=FaultKind.DELAY, service="list_pending_meters", times=1))

    async def steal() -> None:
        await simulator.faults.until_withheld(1)
        await thief.take("only")
        simulator.faults.release()

    with structlog.testing.capture_logs() as logged:
        stop = Rounds(enough=lambda: len(stop.waits) >= 2)
        stealing = asyncio.create_task(steal())
        await run(program, stop=stop, now=stop.now)
        await stealing
    await database.close()
    events = [entry["event"] for entry in logged]
    assert "lease_lost" in events
    assert cycles_of(logged) == 0


async def test_a_password_that_is_changed_is_tried_at_once(simulate, program_of, tmp_path):
    """The file is looked at again every half minute, so that nobody has to restart anything."""
    simulator = await simulate()
    (tmp_path / "password-only").write_text("Wrong-Password-1")
    program = program_of({"only": simulator})

    def reload_settings(name: str) -> Any:
        (tmp_path / "password-only").write_text(simulator.password)
        return load_accounts(settings=tmp_path / "settings.yaml", account=name).accounts[0]

    with structlog.testing.capture_logs() as logged:
        stop = Rounds(enough=lambda: cycles_of(logged) >= 1)
        await run(program, stop=stop, reload_settings=reload_settings, now=stop.now)
    events = [entry["event"] for entry in logged if entry["event"] not in ("call_made", "lease_taken")]
    assert events[:4] == ["not_authorised", "password_changed", "signed_in", "cycle_finished"]
    assert stop.waits[0] == timedelta(seconds=30)


async def test_an_account_rested_after_repeated_failures_and_is_probed_with_one_call(simulate, program_of):
    """While Portfolio Manager is down, one GET asks whether it is back; then the lists are read again."""
    simulator = await simulate()
    program = program_of({"only": simulator})
    down = Fault(kind=FaultKind.STATUS, status=403, service="GET")
    rounds: list[list[str]] = []

    def enough() -> bool:
        if not rounds:
            simulator.faults.add(down)
        if len(rounds) == 5:
            simulator.faults.clear()
        rounds.append([call.service for call in simulator.log.calls])
        simulator.log.calls.clear()
        return len(rounds) == 7

    with structlog.testing.capture_logs() as logged:
        stop = Rounds(enough=enough)
        await run(program, stop=stop, now=stop.now)
    assert [len(calls) > 1 for calls in rounds] == [True, True, True, True, False, False, True]
    assert rounds[4] == rounds[5] == ["get_account"]
    events = [entry["event"] for entry in logged]
    assert events.count("account_rested") == 1
    assert events.count("account_resumed") == 1
    assert [wait.total_seconds() for wait in stop.waits] == [60, 5, 10, 20, 40, 80, 60]


async def test_no_answer_leaves_that_could_outlive_the_lease():
    """The holder's own clock says so right before a byte is written; the rest of the lease must hold a whole POST.

    Renewed, it holds one again, however long the work before took; taken by another, it never does.
    """
    clock, database = [100.0], await Database.open("sqlite://")
    leases = Leases(database, holder="us", ttl=timedelta(seconds=120), monotonic=lambda: clock[0])
    held_lease = await leases.take("only")
    assert held_lease is not None
    hold = LeaseHold(leases=leases, held_lease=held_lease, answer_timeout=timedelta(seconds=60), clock=lambda: clock[0])
    assert hold.blocked_reason() is None
    clock[0] = 160.0
    assert hold.blocked_reason() is None
    clock[0] = 160.1
    assert "could expire" in (hold.blocked_reason() or "")
    clock[0] = 500.0
    await hold.renew()
    assert hold.blocked_reason() is None
    later = Leases(
        database, holder="other", ttl=timedelta(minutes=2), now=lambda: datetime.now(UTC) + timedelta(days=1)
    )
    await later.take("only")
    with pytest.raises(LeaseLost):
        await hold.renew()
    assert "another replica" in (hold.blocked_reason() or "")
    await database.close()


async def test_answers_leave_though_reading_and_deciding_outlasted_the_lease(simulate, program_of, tmp_path):
    """A large account on a slow disk: the lease is renewed before the answers, so that not all of them are dropped."""
    simulator = await simulate(pending=20)
    (tmp_path / "policy-only").mkdir()
    (tmp_path / "policy-only" / "policy.yaml").write_text(HOLD.replace("then: hold", "then: reject"))
    program = program_of({"only": simulator})
    settings = program.accounts[0].model_copy(
        update={"lease": timedelta(seconds=2), "timeout": timedelta(seconds=1), "mode": Mode.ENFORCE}
    )

    def dawdle(call: Any) -> None:
        if call.service == "list_customers" and not stop.waits:
            until = monotonic_seconds() + 1.5  # a loop that is kept busy: the renewing task gets no turn
            while monotonic_seconds() < until:
                pass

    simulator.before_processing = dawdle
    with structlog.testing.capture_logs() as logged:
        stop = Rounds(enough=lambda: cycles_of(logged) >= 1)
        await run(replace(program, accounts=(settings,)), stop=stop, now=stop.now)
    events = [entry["event"] for entry in logged]
    assert "request_rejected" in events
    assert "step_dropped" not in events


async def test_what_came_in_undecided_and_what_was_masked_is_told(simulate, program_of):
    """An account that connects by no answer of ours stands in the metrics; rows that are too old lose their names."""
    simulator = await simulate(pending=20)
    program = program_of({"only": simulator})
    settings = program.accounts[0].model_copy(update={"retention": timedelta(days=30)})
    telemetry = Telemetry(version="test")

    def enough() -> bool:
        if len(stop.waits) == 1:
            (tie, *_) = simulator.world.having(Kind.CONNECTION, "pending")
            simulator.world.ties[tie.key] = replace(tie, state=State.ACTIVE)
            stop.clock += timedelta(days=60)
        return cycles_of(logged) >= 3

    with structlog.testing.capture_logs() as logged:
        stop = Rounds(enough=enough)
        await run(replace(program, accounts=(settings,)), stop=stop, telemetry=telemetry, now=stop.now)
    (account,) = telemetry._accounts.values()
    assert account.undecided_in == 1
    events = [entry["event"] for entry in logged]
    assert "undecided_share_found" in events
    assert events.count("old_rows_masked") == 2
