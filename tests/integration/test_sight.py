"""What a working daemon shows: the daemon, a simulator and the operators' port, all real."""

from __future__ import annotations

import json
from datetime import timedelta

import aiohttp
import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from pm_autoaccept.config import load_accounts
from pm_autoaccept.daemon import run
from pm_autoaccept.ledger import Database, Leases
from pm_autoaccept.model import Kind
from pm_autoaccept.simulator import Fault, FaultKind
from pm_autoaccept.telemetry.server import serving
from pm_autoaccept.telemetry.telemetry import Telemetry
from tests.stops import Rounds

POLICY = """
version: 1
rules:
  - {id: turn-away, on: [connection], when: always, then: reject}
  - {id: wait, on: [property, meter], when: always, then: hold}
"""


@pytest.fixture
def program_of(tmp_path, said_of):
    """A program with one account, for a simulator."""
    (tmp_path / "policy" / "policy.yaml").write_text(POLICY)
    return lambda simulator, **said: load_accounts(**said_of(simulator, **said))


@pytest.fixture
def shown(until_the_end):
    """What the port of this telemetry shows: the samples by name and labels, readiness, and the page's text."""

    async def ask(telemetry):
        async with serving(telemetry, host="127.0.0.1", port=0) as (host, port), aiohttp.ClientSession() as session:
            async with session.get(f"http://{host}:{port}/metrics") as response:
                text = await response.text()
            async with session.get(f"http://{host}:{port}/readyz") as response:
                ready = response.status, json.loads(await response.text())["accounts"]["default"]["why"]
        samples = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = tuple(value for name, value in sorted(sample.labels.items()) if name != "account")
                samples.setdefault(sample.name.removeprefix("pm_autoaccept_"), {})[labels] = sample.value
        return samples, ready, text

    assert until_the_end is not None
    return ask


async def test_the_page_agrees_with_what_the_simulator_saw(simulate, program_of, shown):
    """Answers, calls and what pends are those of the simulator's own log; no customer and no secret stands on it."""
    simulator = await simulate(pending=60)
    waiting = simulator.world.pending()
    stop = Rounds(after=5)  # what fell with an answer is known after two reads
    telemetry = Telemetry(version="1", now=stop.now)
    with structlog.testing.capture_logs() as logged:
        await run(program_of(simulator, mode="enforce"), stop=stop, telemetry=telemetry, now=stop.now)
    samples, ready, text = await shown(telemetry)
    posts = [call for call in simulator.log.calls if call.method == "POST"]
    assert len(posts) == waiting[Kind.CONNECTION] > 0
    assert samples["answers_total"] == {("Reject", "connection", "done", "turn-away"): len(posts)}
    assert sum(samples["calls_total"].values()) == len(simulator.log.calls)
    assert sum(samples["call_duration_seconds_count"].values()) == len(simulator.log.calls)
    assert samples["calls_total"][("ok", "answer_connection")] == len(posts)
    assert samples["pending_requests"][("connection", "reject")] == 0
    pending = simulator.world.pending()
    assert samples["pending_requests"][("property", "hold")] == pending[Kind.PROPERTY]
    assert samples["pending_requests"][("meter", "hold")] == pending[Kind.METER]
    assert samples["open_intents"] == {(): 0}
    assert samples["cycles_total"][("good",)] >= 3
    assert samples["rate_calls_per_second"] == {(): float("inf")}
    assert samples["signed_in"] == samples["lease_held"] == {(): 1}
    assert ready[0] == 200
    owners = {entry["owner"] for entry in logged if "owner" in entry}
    assert owners
    assert not [each for each in (*owners, simulator.username, simulator.password) if each in text + ready[1]]
    calls = [entry for entry in logged if entry["event"] == "call_made"]
    assert len(calls) == len(simulator.log.calls)
    # capture_logs leaves out what is bound: the account and the cycle.
    assert {name for entry in calls for name in entry} == {
        "event",
        "log_level",
        "service",
        "status",
        "error",
        "seconds",
    }


async def test_an_answer_of_unknown_fate_is_an_open_intent(simulate, program_of, shown):
    """It is counted from the cycle that sent it."""
    simulator = await simulate(pending=60)
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=500, service="answer_connection", times=1))
    stop = Rounds()
    telemetry = Telemetry(version="1", now=stop.now)
    await run(program_of(simulator, mode="enforce"), stop=stop, telemetry=telemetry, now=stop.now)
    samples, _, _ = await shown(telemetry)
    assert samples["open_intents"] == {(): 1}
    assert samples["answers_total"][("Reject", "connection", "open", "turn-away")] == 1
    assert samples["calls_total"][("answer_unknown", "answer_connection")] == 1


async def test_a_password_that_is_refused_in_mid_cycle_is_told(simulate, program_of, shown):
    """The cycle is counted as not authorised, and the account is not signed in."""
    simulator = await simulate()

    async def between(number):
        if number == 1:
            simulator.faults.add(Fault(kind=FaultKind.STATUS, status=401, service="GET"))

    stop = Rounds(after=2, between=between)
    telemetry = Telemetry(version="1", now=stop.now)
    await run(program_of(simulator), stop=stop, telemetry=telemetry, now=stop.now)
    samples, ready, _ = await shown(telemetry)
    assert samples["cycles_total"][("not_authorised",)] == samples["cycles_total"][("good",)] == 1
    assert samples["signed_in"] == {(): 0}
    assert ready[0] == 503
    assert "refused the username or the password" in ready[1]


async def test_a_pause_is_told_while_it_lasts(simulate, program_of, shown, tmp_path):
    """A paused account is ready: nothing is wrong with it."""
    simulator = await simulate()
    file = tmp_path / "pause"
    file.touch()
    seen = []

    async def between(_number):
        samples, ready, _ = await shown(telemetry)
        seen.append((samples["paused"][()], *ready))
        file.unlink(missing_ok=True)

    stop = Rounds(after=2, between=between)
    telemetry = Telemetry(version="1", now=stop.now)
    await run(program_of(simulator, pause_file=file), stop=stop, telemetry=telemetry, now=stop.now)
    assert [(paused, status, "it is paused" in why) for paused, status, why in seen] == [
        (1, 200, True),
        (0, 200, False),
    ]


async def test_a_replica_that_stands_by_is_healthy(simulate, program_of, shown, tmp_path):
    """It is ready, and touches its heartbeat, so that nobody restarts it for having nothing to do."""
    simulator = await simulate()
    beat = tmp_path / "heartbeat"
    program = program_of(simulator, heartbeat=beat)
    database = await Database.open(program.ledger)
    held_lease = await Leases(database, holder="other", ttl=timedelta(minutes=2)).take("default")
    assert held_lease is not None
    stop = Rounds()
    telemetry = Telemetry(version="1", now=stop.now)
    await run(program, stop=stop, telemetry=telemetry, now=stop.now)
    await database.close()
    samples, ready, _ = await shown(telemetry)
    assert ready == (200, "another replica holds its lease and does its work; this one stands by")
    assert samples["lease_held"] == {(): 0}
    assert beat.exists()
    assert simulator.log.calls == []
