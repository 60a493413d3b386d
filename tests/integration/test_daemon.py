"""The daemon: what it waits for after a failure, what ends it, and how it takes over a changed policy."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
import structlog

from pm_autoaccept.cli.support.preview import load_preview
from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import load_accounts
from pm_autoaccept.cycle import Cycle
from pm_autoaccept.daemon import Stop, hold_lease
from pm_autoaccept.daemon import run as run_daemon
from pm_autoaccept.doctor import examine
from pm_autoaccept.errors import LedgerMismatch, LedgerUnavailable, PolicyRefused, TooFast, Transient
from pm_autoaccept.ledger import Database, Leases, SignInAttempts, SqlLedger
from pm_autoaccept.model import Decision, PendingRequest, Plan, Step
from pm_autoaccept.simulator import Fault, FaultKind
from pm_autoaccept.telemetry.telemetry import Telemetry
from tests.reloading import events
from tests.stops import Rounds

HOLD = "version: 1\nrules:\n  - {id: wait, on: [connection, property, meter], when: always, then: hold}\n"
REJECT = HOLD.replace("hold}", "reject}").replace("id: wait", "id: turn-away")


async def run(settings, *, stop, telemetry=None):
    """Run the daemon by the stop's own clock, where it has one."""
    await run_daemon(settings, stop=stop, now=getattr(stop, "now", utc_now), telemetry=telemetry)


@pytest.fixture
def settings_of(tmp_path, said_of):
    """Settings for a simulator, with a policy folder that the test may change."""
    (tmp_path / "policy" / "policy.yaml").write_text(HOLD)
    return lambda simulator, **said: load_accounts(**said_of(simulator, **said))


async def test_it_repeats_the_cycle_at_its_interval_and_touches_the_heartbeat(simulate, settings_of, tmp_path):
    """One sign-in, then cycle after cycle."""
    settings = settings_of(await simulate(), interval="7s", heartbeat=tmp_path / "heartbeat")
    stop = Rounds(after=3)
    with structlog.testing.capture_logs() as logged:
        await run(settings, stop=stop)
    assert events(logged) == ["signed_in", *["cycle_finished"] * 3]
    assert stop.waits == [timedelta(seconds=7)] * 3
    assert (tmp_path / "heartbeat").exists()


@pytest.mark.parametrize("mode", ["observe", "enforce"])
async def test_nothing_of_the_last_plan_is_left_when_the_next_look_begins(simulate, settings_of, monkeypatch, mode):
    """Otherwise twice the memory is needed. Reference counting alone frees it: the collector may come much later."""
    settings = settings_of(await simulate(pending=20), mode=mode)
    left: list[int] = []
    look = Cycle.look

    async def counting(self: Cycle) -> Plan:
        left.append(sum(isinstance(each, PendingRequest | Decision | Step | Plan) for each in gc.get_objects()))
        return await look(self)

    monkeypatch.setattr(Cycle, "look", counting)
    gc.collect()
    gc.disable()
    try:
        await run(settings, stop=Rounds(after=3))
    finally:
        gc.enable()
    assert left == [left[0]] * 3


async def test_a_wrong_password_is_tried_rarely_and_does_not_end_it(simulate, settings_of):
    """15 minutes, an hour, two, four, eight, sixteen, then once a day: an account must not lock."""
    simulator = await simulate()
    stop = Rounds(after=1_000, faster=10)
    tried: list[datetime] = []
    simulator.before_processing = lambda _call: tried.append(stop.now())
    with structlog.testing.capture_logs() as logged:
        await run(settings_of(simulator, password="Wrong-Password-1"), stop=stop)
    waited = [(after - before) / timedelta(hours=1) for before, after in pairwise(tried)]
    assert waited == [0.25, 1, 2, 4, 8, 16, 24, 24]
    assert events(logged) == ["not_authorised"] * 9
    assert {call.path for call in simulator.log.calls} == {"/wstest/account"}
    assert "Wrong-Password-1" not in str(logged)


async def test_what_a_429_asked_for_is_kept_from_one_sign_in_to_the_next(simulate, settings_of):
    """An hour that was asked for is an hour, though the program tries to sign in again before."""
    simulator = await simulate()
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=429, headers=(("Retry-After", "3600"),)))
    with structlog.testing.capture_logs() as logged:
        await run(settings_of(simulator), stop=Rounds(after=5))
    assert events(logged) == ["sign_in_failed"] * 5
    assert len(simulator.log.calls) == 1


@pytest.mark.parametrize("status", [429, 503, 403])
async def test_what_a_retry_after_asked_for_is_kept_over_restarts(simulate, settings_of, status):
    """Another process on the same ledger calls nothing for the hour that this one was asked to rest, whoever it is."""
    simulator = await simulate()
    settings = settings_of(simulator)
    headers = (("Retry-After", "3600"),)
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=status, headers=headers))
    await run(settings, stop=Rounds())
    assert len(simulator.log.calls) == 1
    simulator.faults.clear()
    for _ in range(2):
        with structlog.testing.capture_logs() as logged:
            await run(settings, stop=Rounds())
        assert events(logged) == ["sign_in_failed"]
        assert "asked us to wait" in str(logged)
    with pytest.raises(TooFast):
        await load_preview(settings.accounts[0])
    found = {finding.check: finding async for finding in examine(settings)}
    assert "asked us to wait" in found["sign-in"].found
    assert len(simulator.log.calls) == 1
    later = Rounds(clock=utc_now() + timedelta(hours=1))
    with structlog.testing.capture_logs() as logged:
        await run(settings, stop=later)
    assert events(logged) == ["signed_in", "cycle_finished"]


async def test_a_rest_that_was_asked_for_in_mid_cycle_is_kept_too(simulate, settings_of):
    """It comes to one list; a restart reads none of them."""
    simulator = await simulate()
    settings = settings_of(simulator)
    headers = (("Retry-After", "600"),)
    fault = Fault(kind=FaultKind.STATUS, status=503, service="list_pending_meters", headers=headers)
    simulator.faults.add(fault)
    await run(settings, stop=Rounds())
    seen = len(simulator.log.calls)
    await run(settings, stop=Rounds())
    assert len(simulator.log.calls) == seen


async def test_a_password_that_another_process_was_let_in_with_is_waited_for_no_longer(simulate, settings_of):
    """Portfolio Manager had refused it for a while; somebody looked with `doctor`, and it is taken again."""
    simulator = await simulate()
    settings = settings_of(simulator)
    await run(settings, stop=Rounds())
    refusing = Fault(kind=FaultKind.STATUS, status=401, service="GET", times=1)
    simulator.faults.add(refusing)

    async def look(number: int) -> None:
        if number == 2:
            database = await Database.open(settings.accounts[0].ledger)
            known = SignInAttempts(
                database=database,
                name="default",
                service=simulator.url,
                username=simulator.username,
                password=simulator.password,
            )
            await known.taken(at=stop.now())
            await database.close()

    stop = Rounds(after=3, between=look)
    with structlog.testing.capture_logs() as logged:
        await run(settings, stop=stop)
    assert events(logged) == ["not_authorised", "signed_in", "cycle_finished"]
    assert stop.waits == [timedelta(seconds=30), timedelta(seconds=30), timedelta(seconds=60)]


async def test_a_probe_that_is_given_up_at_the_end_does_not_say_that_the_account_has_resumed(
    simulate, settings_of, tmp_path
):
    """SIGTERM comes while the account rests and its probe is in flight: nobody knows whether the service is back."""
    simulator = await simulate()
    heartbeat = tmp_path / "heartbeat"

    async def between(number: int) -> None:
        simulator.faults.clear()
        simulator.faults.add(Fault(kind=FaultKind.STATUS, status=403, service="GET"))
        heartbeat.unlink(missing_ok=True)
        if number == 4:
            simulator.faults.clear()
            simulator.faults.add(Fault(kind=FaultKind.DELAY, service="get_account"))
            ending.append(asyncio.create_task(end()))

    async def end() -> None:
        await simulator.faults.until_withheld(1)
        stop.requested.set()

    ending: list[asyncio.Task[None]] = []
    stop = Rounds(after=100, between=between)
    with structlog.testing.capture_logs() as logged:
        await run(settings_of(simulator, heartbeat=heartbeat), stop=stop)
    await ending[0]
    simulator.faults.clear()
    told = [event for event in events(logged) if event != "list_not_whole"]
    assert told[-1] == "account_rested"
    assert not heartbeat.exists()


async def test_what_comes_of_a_reading_that_is_given_up_is_looked_at():
    """It ends by an error of its own, after nobody waits for it any more: no task is dropped with a traceback."""
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    stop, begun = Stop(), asyncio.Event()

    async def read() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Transient("reset", call="GET /account") from None

    reading = asyncio.create_task(stop.unless_stopping(read()))
    await begun.wait()
    stop.requested.set()
    assert await reading is None
    gc.collect()
    assert complaints == []


@pytest.mark.parametrize("fault", [RuntimeError("a fault of the program"), LedgerUnavailable("away")])
async def test_what_ended_a_task_beside_the_work_is_looked_at(fault):
    """What renews a lease, looks at files or gives a sign of life may have ended long before it is dropped."""

    class Broken(Leases):
        async def renew(self, held_lease):  # noqa: ARG002 — as Leases has it
            ended.set()
            raise fault

    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    ended = asyncio.Event()
    ledger = await SqlLedger.open("sqlite://")
    leases = Broken(ledger.database, holder="us", ttl=timedelta(minutes=2))
    held_lease = await leases.take("default")
    with structlog.testing.capture_logs() as logged:
        async with hold_lease(
            leases, held_lease, ledger, ttl=timedelta(milliseconds=1), answer_timeout=timedelta(minutes=1)
        ):
            await ended.wait()
            await asyncio.sleep(0)
    await ledger.close()
    gc.collect()
    assert complaints == []
    if isinstance(fault, RuntimeError):
        assert [entry["event"] for entry in logged] == ["dropped_task_failed"]


async def test_a_password_that_is_refused_later_stops_the_account_and_is_tried_again_after_a_while(
    simulate, settings_of
):
    """A cycle that meets a 401 ends the session; the next sign-in waits."""
    simulator = await simulate()

    def between(number: int) -> None:
        simulator.faults.clear()
        if number == 1:
            simulator.faults.add(Fault(kind=FaultKind.STATUS, status=401, service="GET"))

    stop = Rounds(after=32, between=between)
    with structlog.testing.capture_logs() as logged:
        await run(settings_of(simulator), stop=stop)
    assert events(logged) == ["signed_in", "cycle_finished", "not_authorised", "signed_in", "cycle_finished"]
    assert stop.waits == [timedelta(seconds=60), *[timedelta(seconds=30)] * 30, timedelta(seconds=60)]


async def test_a_password_that_is_changed_between_cycles_is_tried_once(simulate, settings_of):
    """However much may be in flight: the first page of the first list goes alone."""
    simulator = await simulate(pending=200)

    def between(_number: int) -> None:
        simulator.faults.add(Fault(kind=FaultKind.STATUS, status=401))

    with structlog.testing.capture_logs() as logged:
        await run(settings_of(simulator, in_flight=32), stop=Rounds(after=2, between=between))
    assert events(logged) == ["signed_in", "cycle_finished", "not_authorised"]
    refused = [call.path for call in simulator.log.calls if call.status == 401]
    assert refused == ["/wstest/connect/account/pending/list?page=1"]


async def test_a_service_that_is_down_is_asked_again_at_growing_intervals(simulate, settings_of):
    """5 s, 10 s, 20 s … up to 15 minutes."""
    simulator = await simulate()
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=403, service="GET"))
    stop = Rounds(after=9)
    with structlog.testing.capture_logs() as logged:
        await run(settings_of(simulator), stop=stop)
    assert [wait.total_seconds() for wait in stop.waits] == [5, 10, 20, 40, 80, 160, 320, 640, 900]
    assert set(events(logged)) == {"sign_in_failed"}


async def test_a_ledger_that_fails_makes_the_cycle_fail_not_the_daemon(simulate, settings_of, tmp_path):
    """It waits and tries again; nothing is answered without a ledger."""
    simulator = await simulate()
    settings = settings_of(simulator, mode="enforce")

    def between(_number: int) -> None:
        (tmp_path / "policy" / "policy.yaml").write_text(REJECT)
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as database:
            database.execute("DROP TABLE IF EXISTS intent")

    stop = Rounds(after=3, between=between)
    with structlog.testing.capture_logs() as logged:
        await run(settings, stop=stop)
    assert events(logged).count("cycle_failed") == 2
    assert [call for call in simulator.log.calls if call.method == "POST"] == []


async def test_a_changed_policy_is_taken_over_and_a_bad_one_is_not(simulate, settings_of, tmp_path):
    """The last good policy stays in force, and everybody can see that the other was refused and why."""
    simulator = await simulate()
    policy = tmp_path / "policy" / "policy.yaml"
    texts = {1: REJECT.replace("then: reject", "then: rejekt"), 2: REJECT}

    def between(number: int) -> None:
        if number in texts:
            policy.write_text(texts[number])

    stop = Rounds(after=3, between=between)
    with structlog.testing.capture_logs() as logged:
        await run(settings_of(simulator), stop=stop)
    assert events(logged) == [
        "signed_in",
        "cycle_finished",
        "policy_refused",
        "cycle_finished",
        "policy_loaded",
        "cycle_finished",
    ]
    told = {entry["event"]: entry for entry in logged}
    assert "rejekt" in told["policy_refused"]["error"]
    cycles = [entry for entry in logged if entry["event"] == "cycle_finished"]
    assert ["decided_hold" in cycle for cycle in cycles] == [True, True, False]
    assert "decided_reject" in cycles[2]


async def test_what_keeps_it_from_starting_ends_it(simulate, settings_of, tmp_path):
    """A policy with faults, a ledger of somebody else: a person has to act."""
    simulator = await simulate()
    await run(settings_of(simulator), stop=Rounds())
    other = await simulate(seed=8)
    with pytest.raises(LedgerMismatch):
        await run(settings_of(other), stop=Rounds())
    (tmp_path / "policy" / "policy.yaml").write_text("version: 2\n")
    with pytest.raises(PolicyRefused):
        await run(settings_of(simulator), stop=Rounds())


async def test_answers_and_lists_that_fail_are_logged(simulate, settings_of, tmp_path):
    """One line for each answer, with what became of it."""
    simulator = await simulate(pending=60)
    (tmp_path / "policy" / "policy.yaml").write_text(REJECT)
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=403, service="POST", times=1))
    with structlog.testing.capture_logs() as logged:
        await run(settings_of(simulator, mode="enforce"), stop=Rounds())
    assert events(logged).count("answer_not_done") == 1
    assert "request_rejected" in events(logged)
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=403, service="list_pending_meters"))
    with structlog.testing.capture_logs() as logged:
        await run(settings_of(simulator), stop=Rounds())
    assert "list_not_whole" in events(logged)


@pytest.mark.parametrize("failing", [["connections"], ["connections", "properties", "meters"]])
async def test_a_list_that_cannot_be_read_is_not_logged_as_an_empty_one(simulate, settings_of, failing):
    """Nobody knows how many pend: the log says which lists failed, and the gauge keeps the number that it knew."""
    simulator = await simulate(pending=60)
    telemetry, known = Telemetry(version="1"), []

    def pending() -> list[tuple[str, float]]:
        (family,) = [each for each in telemetry.registry.collect() if each.name == "pm_autoaccept_pending_requests"]
        return sorted((str(sample.labels), sample.value) for sample in family.samples)

    def between(_number: int) -> None:
        known.append(pending())
        for each in failing:
            simulator.faults.add(Fault(kind=FaultKind.STATUS, status=403, service=f"list_pending_{each}"))

    with structlog.testing.capture_logs() as logged:
        await run(settings_of(simulator), stop=Rounds(after=2, between=between), telemetry=telemetry)
    cycles = [entry for entry in logged if entry["event"] == "cycle_finished"]
    assert ["pending" in cycle for cycle in cycles] == ([True] if len(failing) > 1 else [True, False])
    assert all(cycle["lists_not_whole"] == ["connection"] for cycle in cycles[1:])
    assert known[0] == pending()


async def test_a_signal_asks_to_stop_and_a_second_is_the_system_s(simulate):
    """After the first, the handlers are gone: a second signal ends the program at once."""
    stop = Stop()
    loop = asyncio.get_running_loop()
    with stop.handle_signals():
        assert stop.blocked_reason() is None
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait(timedelta(seconds=30))
        assert stop.signal is signal.SIGTERM
        assert stop.blocked_reason() is not None
        assert not loop.remove_signal_handler(signal.SIGTERM)
        assert not loop.remove_signal_handler(signal.SIGINT)
    await stop.wait(timedelta(0))
    assert simulate is not None


async def test_sighup_begins_the_next_cycle_at_once_and_ends_nothing(simulate, settings_of):
    """The default would be to end the program; an interval of a day is not waited for."""
    stop, cycles = Stop(), []

    def more(call) -> None:
        if call.service == "list_customers":
            cycles.append(call)
        if len(cycles) == 3:
            stop.requested.set()

    simulator = await simulate()
    simulator.before_processing = more
    with stop.handle_signals():
        hurrying = asyncio.create_task(_hurry(stop))
        await run(settings_of(simulator, interval="1d"), stop=stop)
        await hurrying
    assert len(cycles) == 3


async def _hurry(stop: Stop) -> None:
    """Say SIGHUP again and again."""
    while not stop.requested.is_set():
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0)


async def test_reading_is_given_up_when_the_program_is_asked_to_stop(simulate, settings_of):
    """A service that never answers does not keep the daemon from leaving."""
    simulator = await simulate()
    settings = settings_of(simulator)
    for service in ("get_account", "list_pending_meters"):
        simulator.faults.add(Fault(kind=FaultKind.DELAY, service=service))
        stop = Stop()
        running = asyncio.create_task(run(settings, stop=stop))
        await simulator.faults.until_withheld(1)
        stop.requested.set()
        await running
        simulator.faults.clear()


async def test_waiting_to_repeat_a_call_ends_when_the_program_is_asked_to_stop():
    """An hour's Retry-After does not keep the daemon from leaving."""
    stop = Stop()
    waiting = asyncio.create_task(stop.sleep(3600))
    stop.requested.set()
    await waiting
    assert await stop.unless_stopping(asyncio.sleep(0, result="read")) == "read"


async def test_restarts_while_the_service_hangs_do_not_keep_a_good_password_waiting(simulate, settings_of):
    """Who is told to stop while it signs in knows that nobody has said no: that try does not count."""
    simulator = await simulate()
    settings = settings_of(simulator)
    await run(settings, stop=Rounds())
    for _ in range(3):
        stop = Rounds()
        simulator.before_processing = lambda _call, stop=stop: stop.requested.set()
        simulator.faults.add(Fault(kind=FaultKind.DELAY, service="get_account", after=True))
        await run(settings, stop=stop)
        simulator.faults.clear()
    simulator.before_processing = lambda _call: None
    with structlog.testing.capture_logs() as logged:
        await run(settings, stop=Rounds())
    assert events(logged) == ["signed_in", "cycle_finished"]


async def test_a_policy_that_is_faulty_when_it_signs_in_again_does_not_end_it(simulate, settings_of, tmp_path):
    """Once it has started, the last good policy stays in force, and no trouble with the heartbeat ends it."""
    simulator = await simulate()
    policy = tmp_path / "policy" / "policy.yaml"

    def between(number: int) -> None:
        simulator.faults.clear()
        if number == 1:
            policy.write_text("version: 2\n")
            simulator.faults.add(Fault(kind=FaultKind.STATUS, status=401, service="GET"))

    stop = Rounds(after=32, between=between)
    settings = settings_of(simulator, heartbeat=tmp_path / "nowhere" / "heartbeat")
    with structlog.testing.capture_logs() as logged:
        await run(settings, stop=stop)
    assert [event for event in events(logged) if event != "signed_in"] == [
        "cycle_finished",
        "heartbeat_failed",
        "policy_refused",
        "not_authorised",
        "cycle_finished",
        "heartbeat_failed",
    ]


async def test_a_policy_that_changes_while_it_signs_in_is_taken_over(simulate, settings_of, tmp_path):
    """What was changed between reading it and the first cycle is noticed."""
    simulator = await simulate()

    def change(call) -> None:
        if call.service == "get_account":
            (tmp_path / "policy" / "policy.yaml").write_text(REJECT)

    simulator.before_processing = change
    with structlog.testing.capture_logs() as logged:
        await run(settings_of(simulator), stop=Rounds())
    assert events(logged) == ["signed_in", "policy_loaded", "cycle_finished"]


async def test_a_policy_that_changes_in_mid_cycle_stops_the_answers_decided_by_the_old_one(
    simulate, settings_of, tmp_path
):
    """What is in hand is finished; the rest is decided afresh by what stands in the folder now."""
    simulator = await simulate(pending=60)
    policy = tmp_path / "policy" / "policy.yaml"
    policy.write_text(REJECT)

    def change(call) -> None:
        if call.method == "POST":
            policy.write_text(HOLD)

    simulator.before_processing = change
    with structlog.testing.capture_logs() as logged:
        await run(settings_of(simulator, mode="enforce", in_flight=2), stop=Rounds(after=2))
    assert 1 <= len([call for call in simulator.log.calls if call.method == "POST"]) <= 2
    assert "policy_loaded" in events(logged)
    dropped = {entry["why"] for entry in logged if entry["event"] == "step_dropped"}
    assert "the policy's files have changed" in dropped
