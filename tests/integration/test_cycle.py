"""The cycle through the real client, the real simulator and a real ledger in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from pm_autoaccept.cycle import GUARD_RECHECK, Cycle, pause_file_reason
from pm_autoaccept.errors import LedgerUnavailable, NotAuthorised, PortfolioManagerError
from pm_autoaccept.ledger import SqlLedger, pauses
from pm_autoaccept.model import (
    AnswerState,
    CustomField,
    Kind,
    Mode,
    Need,
    NotLearnt,
    Outcome,
    ReasonKind,
    Receipt,
    Verdict,
)
from pm_autoaccept.policy import apply_guards, load
from pm_autoaccept.poll import MAX_PAGES, Poller
from pm_autoaccept.portfolio_manager import RateLimiter
from pm_autoaccept.simulator import Fault, FaultKind, customer_actions
from pm_autoaccept.simulator.unconfirmed import Inferred
from tests.key_tables import key_table

IN_FLIGHT = 8
"""At once, by the clients that `sign_in` makes."""

EVERYBODY = b"""\
version: 1
rules:
  - id: let-everybody-in
    on: [connection, property, meter]
    when: always
    then: accept
    i_accept_everyone: true
"""
EVERYBODY += b"limits: {accept: none, reject: none}\n"
NOBODY = EVERYBODY.replace(b"then: accept\n    i_accept_everyone: true", b"then: reject\n    note: No.")


@pytest.fixture
async def ledger():
    """A ledger in memory."""
    made = await SqlLedger.open("sqlite://")
    yield made
    await made.close()


@pytest.fixture
def make_cycle(simulate, sign_in, ledger, now):
    """Make a simulator and a cycle over it."""

    async def make(policy: bytes = EVERYBODY, *, mode: Mode = Mode.ENFORCE, **world: Any) -> tuple[Any, Cycle]:
        simulator = await simulate(**world)
        pm = await sign_in(simulator)
        provider = await pm.account()
        await ledger.claim(service=simulator.url, provider=provider, at=now)
        cycle = Cycle(
            pm=pm,
            provider=provider,
            ledger=ledger,
            policy=load({"policy.yaml": policy}),
            tables={},
            mode=mode,
            now=ticking(now),
        )
        return simulator, cycle

    return make


def ticking(start: datetime) -> Callable[[], datetime]:
    """A clock that is a millisecond later each time it is looked at."""
    ticks = count()
    return lambda: start + next(ticks) * timedelta(milliseconds=1)


def clock_of(cycle: Cycle) -> Callable[[float], None]:
    """Let so many hours pass on the cycle's clock, at once."""
    clock, passed = cycle.now, [timedelta()]
    cycle.now = cycle._poller.now = lambda: clock() + passed[0]

    def wait(hours: float) -> None:
        passed[0] += hours * timedelta(hours=1)

    return wait


def posts(simulator) -> list[Any]:
    """The POSTs that came."""
    return [call for call in simulator.log.calls if call.method == "POST"]


@pytest.mark.parametrize(("pending", "counted"), [(0, 0), (20, 2)])
async def test_limits_are_counted_only_if_something_may_be_answered(make_cycle, monkeypatch, pending, counted):
    """Most cycles of most accounts find nothing pending."""
    asked, history = [], SqlLedger.history

    async def spy(self, snapshot, *, limits, at):
        asked.append(len(limits))
        return await history(self, snapshot, limits=limits, at=at)

    monkeypatch.setattr(SqlLedger, "history", spy)
    _, cycle = await make_cycle(EVERYBODY.partition(b"limits:")[0], pending=pending)
    await cycle.look()
    assert asked == [counted]


async def test_every_page_of_every_list_is_read(make_cycle):
    """150 requests stand on several pages; each is read once, although pages beyond the last are asked for."""
    simulator, cycle = await make_cycle(pending=150)
    planned = await cycle.look()
    assert len(planned.decisions) == 150
    assert len({decision.key for decision in planned.decisions}) == 150
    assert {kind: sum(1 for each in planned.decisions if each.request.kind is kind) for kind in Kind} == (
        simulator.world.pending()
    )


@pytest.mark.parametrize("pending", [10, 90, 600])
async def test_few_pages_are_asked_for_in_vain(make_cycle, pending):
    """Beyond a list's last page fewer are asked for than it has pages, and fewer than may be in flight."""
    simulator, cycle = await make_cycle(pending=pending)
    await cycle.look()
    for kind, name in ((Kind.CONNECTION, "connections"), (Kind.PROPERTY, "properties"), (Kind.METER, "meters")):
        pages = max(1, -(-simulator.world.pending()[kind] // 20))
        calls = [call for call in simulator.log.calls if call.service == f"list_pending_{name}"]
        asked = [int(call.path.rpartition("=")[2]) for call in calls]
        reads = asked.count(1)  # a list may have to be read again after another
        assert set(asked) >= set(range(1, pages + 1))
        assert len(asked) - reads * pages <= reads * max(0, min(cycle.pm.rate_limiter.in_flight, pages - 1) - 1)


async def test_a_page_that_stays_failed_makes_its_list_not_whole(make_cycle):
    """Nothing in it is answered; what was read of it is held and says why; the other lists go on."""
    simulator, cycle = await make_cycle(pending=60)
    simulator.faults.add(Fault(kind=FaultKind.HTML, service="list_pending_meters"))
    planned = await cycle.look()
    assert [each.kind for each in planned.not_whole] == [Kind.METER]
    receipts = await cycle.answer(planned)
    assert {receipt.step.key.kind for receipt in receipts} == {Kind.CONNECTION, Kind.PROPERTY}


NAMED = {Kind.CONNECTION: "accountId", Kind.PROPERTY: "propertyId", Kind.METER: "meterId"}
"""The element that begins a request of each kind, with its id."""


@pytest.mark.parametrize("forbidden", [b"\x0b", b"&#11;", b"\xef\xbf\xbf"])
async def test_one_forbidden_character_does_not_stop_a_whole_list(make_cycle, monkeypatch, forbidden):
    """Of each list one request has it: that one is held for people, by name, and all others are accepted."""
    simulator, cycle = await make_cycle(pending=150)
    decided = [decision.key for decision in (await cycle.look()).decisions]
    spoilt = [max(key for key in decided if key.kind is kind) for kind in Kind]
    wire = cycle.pm._transport
    exchange = wire.exchange

    async def exchange_spoilt(call, body):
        reply = await exchange(call, body)
        for kind, id_ in ((key.kind, key.id) for key in spoilt):
            name = NAMED[kind].encode()
            begun = b"<%s><%s>%d</%s>" % (name.removesuffix(b"Id"), name, id_, name)
            reply = replace(reply, body=reply.body.replace(begun, begun + forbidden))
        return reply

    monkeypatch.setattr(wire, "exchange", exchange_spoilt)
    planned = await cycle.look()
    assert [each.failed for each in planned.not_whole] == []
    held = [decision for decision in planned.decisions if decision.verdict is Verdict.HOLD]
    assert {decision.key for decision in held} == set(spoilt)
    assert {decision.reason.kind for decision in held} == {ReasonKind.NOT_UNDERSTOOD}
    assert all(str(decision.key.id) in decision.reason.text for decision in held)
    for _ in range(3):
        await cycle.answer(await cycle.look())
    left = {tie.key for kind in Kind for tie in simulator.world.having(kind, "pending")}
    waiting = {each.decision.key: each.reason.kind for each in (await cycle.look()).kept_back}
    assert left == {*spoilt, *waiting}
    assert set(waiting.values()) <= {
        ReasonKind.CONNECTION_NOT_ACCEPTED,
        ReasonKind.PROPERTY_NOT_ACCEPTED,
        ReasonKind.PROPERTY_NOT_SHARED,
    }
    assert len(left) < 20
    rows = [row for row in await cycle.ledger.decisions() if row.key in spoilt]
    assert {row.reason for row in rows if row.verdict is Verdict.HOLD} == {ReasonKind.NOT_UNDERSTOOD}


async def test_a_fact_that_cannot_be_learnt_keeps_back_what_depends_on_it(make_cycle):
    """If the list of customers fails, no share of an owner without a pending connection is accepted."""
    simulator, cycle = await make_cycle(pending=60)
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=500, service="list_customers"))
    planned = await cycle.look()
    kept = {each.reason.kind for each in planned.kept_back}
    assert ReasonKind.CONNECTION_NOT_ACCEPTED in kept
    connecting = {decision.request.id for decision in planned.decisions if decision.request.kind is Kind.CONNECTION}
    assert {step.decision.request.account_id for step in planned.steps} <= connecting


async def test_a_share_that_comes_while_the_meters_are_read_is_noticed(make_cycle):
    """The property list is read again after the meter list where a meter's property stands in none."""
    simulator, cycle = await make_cycle(pending=60)
    meter = next(
        tie for tie in simulator.world.having(Kind.METER, "pending") if simulator.world.property_of(tie.key) is not None
    )
    home = simulator.world.property_of(meter.key)
    shared = [tie for tie in simulator.world.having(Kind.PROPERTY, "pending") if tie.key.id == home.id]
    if shared:
        simulator.act("withdraw", property=home.id)
    seen = []

    def share_late(call) -> None:
        if call.service == "list_pending_meters" and not seen:
            seen.append(call)
            if home.id not in {tie.key.id for tie in simulator.world.having(Kind.PROPERTY, "active")}:
                simulator.act("share", property=home.id)

    simulator.before_processing = share_late
    planned = await cycle.look()
    assert seen
    assert home.id in {each.request.id for each in planned.decisions if each.request.kind is Kind.PROPERTY}


async def test_a_list_that_never_ends_is_not_believed(sign_in, simulate, now, monkeypatch):
    """A service that always says "next page" is not read for ever."""
    monkeypatch.setattr("pm_autoaccept.poll.MAX_PAGES", 3)
    simulator = await simulate(pending=200)
    pm = await sign_in(simulator)
    poller = Poller(pm=pm, provider=await pm.account(), needs=frozenset(), now=lambda: now)
    snapshot = await poller.poll()
    assert not snapshot.properties.whole
    assert "not accepted" in (snapshot.properties.failed or "")
    assert MAX_PAGES > 3


LEADS_ON = "<links><link linkDescription='next page' link='/share/meter/pending/list?page=2' httpMethod='GET'/></links>"


@pytest.mark.parametrize(
    "elements",
    [
        lambda _page: "",
        lambda _page: "<meter/>",
        lambda page: f"<account><accountId>7</accountId><username>name-{page}</username></account>",
        lambda page: f"<account><accountId>{7 + page % 3}</accountId></account><account/>",
    ],
    ids=["nothing", "what cannot be read", "one with other words", "three in turn"],
)
async def test_a_next_page_that_brings_nothing_new_ends_the_list(sign_in, simulate, now, monkeypatch, elements):
    """The list is not whole, after a few calls and not after thousands; the other lists are read to their end."""
    monkeypatch.setattr("pm_autoaccept.poll.MAX_PAGES", 60)
    simulator = await simulate(pending=60)
    for page in range(100):
        body = f"<pendingList>{elements(page)}{LEADS_ON}</pendingList>"
        again = Fault(kind=FaultKind.STATUS, service="list_pending_connections", status=200, body=body, times=1)
        simulator.faults.add(again)
    pm = await sign_in(simulator)
    snapshot = await Poller(pm=pm, provider=await pm.account(), needs=frozenset(), now=lambda: now).poll()
    read = [call for call in simulator.log.calls if call.service == "list_pending_connections"]
    assert len(read) <= 2 * 12
    assert not snapshot.connections.whole
    assert "shows only requests of earlier pages" in (snapshot.connections.failed or "")
    assert snapshot.properties.whole
    assert snapshot.meters.whole


async def test_a_last_page_that_brings_nothing_new_is_the_end_of_a_whole_list(sign_in, simulate, now):
    """Requests moved to the page before while it was read, or the last page is empty: both are as they should be."""
    simulator = await simulate(pending=60)
    pm = await sign_in(simulator)
    first = "<account><accountId>7</accountId></account>"
    for more in (LEADS_ON, ""):
        body = f"<pendingList>{first}{more}</pendingList>"
        page = Fault(kind=FaultKind.STATUS, service="list_pending_connections", status=200, body=body, times=1)
        simulator.faults.add(page)
    snapshot = await Poller(pm=pm, provider=await pm.account(), needs=frozenset(), now=lambda: now).poll()
    assert snapshot.connections.whole


async def test_facts_are_asked_for_only_if_the_policy_needs_them_and_each_time_anew(sign_in, simulate, now):
    """Each costs a call for each owner, and none is remembered: an owner who reconnects may answer otherwise."""
    simulator = await simulate(pending=60)
    pm = await sign_in(simulator)
    poller = Poller(pm=pm, provider=await pm.account(), needs=frozenset(), now=lambda: now)
    await poller.poll()
    assert not {"get_account_answers", "get_customer"} & {call.service for call in simulator.log.calls}
    poller.needs = frozenset(Need)

    def learnt() -> int:
        return len([call for call in simulator.log.calls if "customFieldList" in call.path and call.status == 200])

    first = await poller.poll()
    known = [fact for fact in first.answers_at_connection.values() if not isinstance(fact, NotLearnt)]
    assert learnt() == len(known) > 0
    assert not isinstance(first.custom_fields, NotLearnt)
    second = await poller.poll()
    assert second.answers_at_connection == first.answers_at_connection
    assert learnt() == 2 * len(known)


async def test_a_snapshot_says_how_far_the_two_clocks_are_apart(sign_in, simulate, now):
    """What tests ages needs to know whether our clock can be believed."""
    simulator = await simulate(clock=lambda: now + timedelta(minutes=6))
    pm = await sign_in(simulator)
    poller = Poller(pm=pm, provider=await pm.account(), needs=frozenset(), now=lambda: now)
    assert (await poller.poll()).clock == timedelta(minutes=6)


async def test_observe_sends_nothing(make_cycle):
    """The plan is made and recorded, and no POST leaves."""
    simulator, cycle = await make_cycle(mode=Mode.OBSERVE)
    planned = await cycle.look()
    assert planned.steps
    assert await cycle.answer(planned) == ()
    assert posts(simulator) == []
    assert len(await cycle.ledger.decisions()) == len(planned.decisions)


async def test_steps_are_dropped_once_the_program_is_stopping(make_cycle):
    """What has not begun is not begun; no intent is recorded for it."""
    simulator, cycle = await make_cycle()
    planned = await cycle.look()
    cycle.blocked_reason = lambda: "the program is stopping"
    receipts = await cycle.answer(planned)
    assert {receipt.outcome for receipt in receipts} == {None}
    assert posts(simulator) == []
    assert all(row.answer is None for row in await cycle.ledger.decisions())


async def test_steps_of_a_replaced_policy_or_of_old_lists_are_dropped(make_cycle, now):
    """The next cycle decides afresh."""
    simulator, cycle = await make_cycle()
    planned = await cycle.look()
    cycle.replace_policy(load({"policy.yaml": NOBODY}), {})
    receipts = await cycle.answer(planned)
    assert {receipt.text for receipt in receipts if "policy" in receipt.text}
    cycle.replace_policy(load({"policy.yaml": EVERYBODY}), {})
    cycle.now = lambda: now + timedelta(minutes=6)
    late = await cycle.answer(planned)
    assert {receipt.outcome for receipt in (*receipts, *late)} == {None}
    assert any("too old" in receipt.text for receipt in late)
    assert posts(simulator) == []


LISTED = b"""\
version: 1
limits: {accept: none, reject: none}
data:
  customers: {csv: customers.csv, key: username, require: {age: 2d}}
rules:
  - id: everybody-else
    on: [connection, property, meter]
    when: {not: {account.username: {in: customers}}}
    then: reject
    note: You are not on our list.
"""


@pytest.fixture
def make_guarded_cycle(make_cycle, now):
    """Make a cycle with many steps that depend on a table with a guard. The clock moves only if a test moves it."""

    async def make() -> tuple[Any, Cycle]:
        simulator, cycle = await make_cycle(LISTED, pending=60)
        cycle.tables, cycle.dated = {"customers": key_table("customers", {"x"}, digest="old")}, {"customers": now}
        cycle.now = cycle._poller.now = lambda: now
        return simulator, cycle

    return make


async def test_the_guards_are_checked_once_for_all_answers_of_a_moment(make_guarded_cycle, monkeypatch):
    """The check before each POST compares objects, so that it does not sort and weigh all tables four times each."""
    simulator, cycle = await make_guarded_cycle()
    planned = await cycle.look()
    checked = []

    def counting(*args: Any, **kwargs: Any) -> Any:
        checked.append(args)
        return apply_guards(*args, **kwargs)

    monkeypatch.setattr("pm_autoaccept.cycle.apply_guards", counting)
    await cycle.answer(planned)
    assert len(posts(simulator)) == len(planned.steps) > 2 * IN_FLIGHT
    assert len(checked) == 1


async def test_a_table_that_was_replaced_stops_answers_at_once(make_guarded_cycle):
    """Not even a clock that stands still lets an answer leave that another table led to."""
    simulator, cycle = await make_guarded_cycle()
    planned = await cycle.look()

    before: list[int] = []

    def replaced(_: Receipt) -> None:
        cycle.tables = {"customers": key_table("customers", {"x"}, digest="new")}
        before.append(len(posts(simulator)))

    cycle.on_receipt = replaced
    receipts = await cycle.answer(planned)
    assert len(posts(simulator)) <= before[0] + IN_FLIGHT < len(planned.steps)
    dropped = {receipt.text for receipt in receipts if receipt.outcome is None}
    assert "the policy or its data has changed since this was decided" in dropped


@pytest.mark.parametrize(("passes", "all_are_sent"), [(GUARD_RECHECK, True), (2 * GUARD_RECHECK, False)])
async def test_a_table_that_grows_too_old_stops_answers_soon(make_guarded_cycle, now, passes, all_are_sent):
    """Its age is checked again after a twentieth of a second."""
    simulator, cycle = await make_guarded_cycle()
    cycle.dated = {"customers": now - timedelta(days=2)}
    planned = await cycle.look()

    before: list[int] = []

    def later(_: Receipt) -> None:
        cycle.now = lambda: now + passes
        before.append(len(posts(simulator)))

    cycle.on_receipt = later
    await cycle.answer(planned)
    sent = len(posts(simulator))
    assert (sent == len(planned.steps)) is all_are_sent
    assert all_are_sent or sent <= before[0] + IN_FLIGHT


async def test_what_was_decided_of_one_day_is_not_answered_on_the_next(make_cycle, now):
    """An `until` and a `today` hold to the end of the policy's own day, however fresh the lists are."""
    zone = b"time_zone: America/Chicago\n"
    simulator, cycle = await make_cycle(EVERYBODY + zone)
    midnight = now.replace(hour=6, minute=0, second=0, microsecond=0) + timedelta(days=1)
    cycle.now = cycle._poller.now = lambda: midnight - timedelta(seconds=2)
    planned = await cycle.look()
    assert planned.steps
    cycle.now = lambda: midnight
    late = await cycle.answer(planned)
    assert {receipt.outcome for receipt in late} == {None}
    assert all("the day has ended" in receipt.text for receipt in late if "needs" not in receipt.text)
    assert posts(simulator) == []
    cycle.now = lambda: midnight - timedelta(seconds=1)
    assert Outcome.DONE in {receipt.outcome for receipt in await cycle.answer(planned)}


@pytest.mark.parametrize(
    ("fault", "outcome", "standing"),
    [
        (Fault(kind=FaultKind.STATUS, status=500, service="POST"), Outcome.OPEN, AnswerState.IN_DOUBT),
        (Fault(kind=FaultKind.HTML, status=200, service="POST"), Outcome.OPEN, AnswerState.IN_DOUBT),
        (Fault(kind=FaultKind.RESET, service="POST", after=True), Outcome.OPEN, AnswerState.IN_DOUBT),
        (Fault(kind=FaultKind.TRUNCATED, service="POST", after=True), Outcome.OPEN, AnswerState.IN_DOUBT),
        (Fault(kind=FaultKind.STATUS, status=403, service="POST"), Outcome.REFUSED, AnswerState.REFUSED),
        (Fault(kind=FaultKind.STATUS, status=415, service="POST"), Outcome.REFUSED, AnswerState.REFUSED),
        (Fault(kind=FaultKind.STATUS, status=302, service="POST"), Outcome.REFUSED, AnswerState.REFUSED),
        (Fault(kind=FaultKind.STATUS, status=429, service="POST"), Outcome.REFUSED, AnswerState.REFUSED),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else str(value),
)
async def test_a_failed_answer_is_recorded_as_what_it_is_and_holds_what_needs_it(make_cycle, fault, outcome, standing):
    """Each row of the failure table for answers; no second POST is sent for it in the next cycle."""
    simulator, cycle = await make_cycle()
    simulator.faults.add(fault)
    planned = await cycle.look()
    receipts = {receipt.step.key: receipt for receipt in await cycle.answer(planned)}
    for step in planned.steps:
        assert receipts[step.key].outcome is (None if step.needs else outcome)
    simulator.faults.clear()
    sent = [key for key, receipt in receipts.items() if receipt.outcome is not None]
    before = len(posts(simulator))
    again = await cycle.look()
    still = {each.key for each in again.decisions if each.reason.kind is not ReasonKind.MISSED_ONCE}
    kept = {each.decision.key for each in again.kept_back}
    assert set(sent) & still <= kept
    await cycle.answer(again)
    for call in posts(simulator)[before:]:
        assert int(call.path.rpartition("/")[2]) not in {key.id for key in sent}
    rows = {row.key: row for row in await cycle.ledger.decisions(keys=list(still))}
    assert {rows[key].outcome for key in set(sent) & still} <= {outcome}
    missed = {each.key for each in again.decisions} - still
    assert missed <= set(sent) if fault.after else not missed
    reason = {AnswerState.IN_DOUBT: ReasonKind.IN_DOUBT, AnswerState.REFUSED: ReasonKind.REFUSED}[standing]
    expected = set() if fault.after else {reason}  # what was processed pends no more
    assert {each.reason.kind for each in again.kept_back if each.decision.key in sent} == expected


async def test_what_was_answered_in_the_meantime_is_settled_elsewhere(make_cycle):
    """400/-200 is normal: a person was quicker, or the customer withdrew."""
    simulator, cycle = await make_cycle()
    planned = await cycle.look()
    first = next(step for step in planned.steps if not step.needs)
    simulator.act(
        "withdraw", **{first.key.kind.value if first.key.kind is not Kind.CONNECTION else "account": first.key.id}
    )
    receipts = {receipt.step.key: receipt for receipt in await cycle.answer(planned)}
    assert receipts[first.key].outcome is Outcome.SETTLED_ELSEWHERE


async def test_a_refused_password_stops_the_account(make_cycle):
    """What is in hand is recorded, nothing more is sent, and the error reaches the daemon."""
    simulator, cycle = await make_cycle(pending=60)
    planned = await cycle.look()
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=401, service="POST"))
    with pytest.raises(NotAuthorised):
        await cycle.answer(planned)
    assert 0 < len(posts(simulator)) <= 8
    answered = [row for row in await cycle.ledger.decisions() if row.answer]
    assert len(posts(simulator)) <= len(answered) <= 8
    assert {row.outcome for row in answered} == {Outcome.REFUSED}
    with pytest.raises(NotAuthorised):
        await cycle.look()
    assert simulator.log.calls[-1].method == "POST"


async def test_what_another_process_answered_meanwhile_drops_only_its_own_step(make_cycle):
    """`once` from cron beside `run` on one ledger: neither answers what the other did, and both go on."""
    simulator, cycle = await make_cycle(pending=60)
    planned = await cycle.look()
    taken = next(step for step in planned.steps if not step.needs)
    await cycle.ledger.record_intent(taken, at=cycle.now())
    receipts = {receipt.step.key: receipt for receipt in await cycle.answer(planned)}
    assert receipts[taken.key].outcome is None
    assert "by another process" in receipts[taken.key].text
    others = [receipt for key, receipt in receipts.items() if key != taken.key and not receipt.step.needs]
    assert {receipt.outcome for receipt in others} == {Outcome.DONE}
    assert simulator.world.ties[taken.key].state == "pending"


async def test_an_accept_whose_answer_was_lost_is_inferred_from_what_portfolio_manager_shows(make_cycle, now):
    """Connections by the list of customers, properties by what their owners share, although nothing else asks."""
    simulator, cycle = await make_cycle(pending=60)
    simulator.faults.add(Fault(kind=FaultKind.RESET, service="POST", after=True))
    await cycle.answer(await cycle.look())
    simulator.faults.clear()
    for kind, word in ((Kind.CONNECTION, "account"), (Kind.PROPERTY, "property"), (Kind.METER, "meter")):
        for tie in list(simulator.world.having(kind, "pending")):
            simulator.act("withdraw", **{word: tie.key.id})
    for minutes in (10, 20):
        cycle.now = cycle._poller.now = ticking(now + timedelta(minutes=minutes))
        await cycle.look()
    rows = [row for row in await cycle.ledger.decisions() if row.answer]
    found = {(row.kind, row.outcome) for row in rows}
    assert found >= {(Kind.CONNECTION, Outcome.DONE_INFERRED), (Kind.PROPERTY, Outcome.DONE_INFERRED)}
    assert all(outcome is Outcome.DONE_INFERRED for kind, outcome in found if kind is not Kind.METER)


async def test_nothing_is_answered_after_the_clock_was_set_back(make_cycle, now):
    """A list that seems to come from the future may be of any age."""
    simulator, cycle = await make_cycle()
    planned = await cycle.look()
    cycle.now = lambda: now - timedelta(hours=1)
    assert {receipt.outcome for receipt in await cycle.answer(planned)} == {None}
    assert posts(simulator) == []


async def test_stopping_does_not_wait_for_the_rate(simulate, sign_in, ledger, now):
    """At one call a day the steps that were not begun are dropped at once."""
    simulator = await simulate(pending=60)
    unpaced, pm = (
        await sign_in(simulator),
        await sign_in(simulator, rate_limiter=RateLimiter(in_flight=2, rate=1, period=86400)),
    )
    provider = await unpaced.account()
    await ledger.claim(service=simulator.url, provider=provider, at=now)
    cycle = Cycle(
        pm=unpaced,
        provider=provider,
        ledger=ledger,
        policy=load({"policy.yaml": NOBODY}),
        tables={},
        mode=Mode.ENFORCE,
        now=ticking(now),
    )
    planned = await cycle.look()
    cycle.pm, cycle.blocked_reason = pm, lambda: "the program is stopping"
    receipts = await asyncio.wait_for(cycle.answer(planned), 60)
    assert {receipt.outcome for receipt in receipts} == {None}


class Breaking:
    """A ledger whose disk is full after so many intents."""

    def __init__(self, ledger: SqlLedger, *, intents: int) -> None:
        self._ledger, self._left = ledger, intents

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def record_intent(self, step, *, at) -> int:
        """Record an intent while there is room."""
        if not self._left:
            raise LedgerUnavailable("the disk is full")
        self._left -= 1
        return await self._ledger.record_intent(step, at=at)


async def test_no_answer_leaves_without_an_intent_in_the_ledger(make_cycle):
    """When the ledger fails nothing more is sent, also not what has its intent; what left has its outcome."""
    simulator, cycle = await make_cycle(pending=60)
    planned = await cycle.look()
    working = cycle.ledger
    cycle.ledger = Breaking(working, intents=20)
    with pytest.raises(LedgerUnavailable, match="disk is full"):
        await cycle.answer(planned)
    answered = [row for row in await working.decisions() if row.answer]
    assert 0 < len(posts(simulator)) == len(answered) <= 20
    assert {row.outcome for row in answered} == {Outcome.DONE}


async def test_a_fault_of_the_program_is_raised_before_any_other(make_cycle):
    """A bug must not hide behind an ordinary failure."""
    simulator, cycle = await make_cycle()
    planned = await cycle.look()

    def broken(_receipt: Receipt) -> None:
        raise ZeroDivisionError

    cycle.on_receipt = broken
    with pytest.raises(ZeroDivisionError):
        await cycle.answer(planned)
    assert posts(simulator)


async def test_rejects_reach_every_leaf_before_its_parent(make_cycle):
    """In the order in which the simulator received them, no parent was rejected before its children."""
    simulator, cycle = await make_cycle(NOBODY, pending=100)
    await cycle.answer(await cycle.look())
    cascades = [effect for call in posts(simulator) for effect in call.effects if effect.cascade]
    assert cascades == []
    assert sum(simulator.world.pending().values()) == 0


async def test_everything_is_accepted_without_a_cascade(make_cycle):
    """Each accept finds what is above it accepted already."""
    simulator, cycle = await make_cycle(pending=100)
    receipts = await cycle.answer(await cycle.look())
    assert {receipt.outcome for receipt in receipts} == {Outcome.DONE}
    assert [effect for call in posts(simulator) for effect in call.effects if effect.cascade] == []


async def test_the_second_look_after_a_reject_records_what_fell(make_cycle):
    """After the first, what is missing may only have been missed."""
    text = NOBODY.replace(b"on: [connection, property, meter]", b"on: connection")
    simulator, cycle = await make_cycle(text, pending=100)
    await cycle.answer(await cycle.look())
    fallen = []
    for looks in (1, 2):
        assert fallen == [], looks
        await cycle.look()
        fallen = [row for row in await cycle.ledger.decisions() if row.outcome is Outcome.FALLEN]
    took = [effect for call in posts(simulator) for effect in call.effects if effect.cascade]
    assert len(fallen) == len(took) > 0


async def test_look_fails_as_a_whole_only_when_signing_in_does(make_cycle):
    """With every list down nothing is answered, and nothing is raised."""
    simulator, cycle = await make_cycle()
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=500, service="GET"))
    planned = await cycle.look()
    assert (planned.decisions, len(planned.not_whole)) == ((), 3)
    assert issubclass(NotAuthorised, PortfolioManagerError)


async def pause(ledger) -> None:
    """Somebody says `pause`."""
    await ledger.database.run(lambda it: pauses.add_pause(it, None, by="ada", why="", at=datetime.now(UTC)))


async def test_nothing_leaves_after_a_pause_and_everything_after_it_is_over(make_cycle, ledger):
    """A pause that comes between two answers stops the rest of the plan; the next cycles send nothing until it ends."""
    simulator, cycle = await make_cycle(pending=40)
    first: list[Receipt] = []
    pausing: list[asyncio.Future[int]] = []

    async def pause_and_count() -> int:
        await pause(ledger)
        return len(posts(simulator))

    def pause_after_five(receipt: Receipt) -> None:
        first.append(receipt)
        if len(first) == 5:
            pausing.append(asyncio.ensure_future(pause_and_count()))

    cycle.on_receipt = pause_after_five
    planned = await cycle.look()
    receipts = await cycle.answer(planned)
    before = await pausing[0]
    sent = len(posts(simulator))
    assert 5 <= sent <= before + IN_FLIGHT < len(planned.steps)
    assert sent == len([receipt for receipt in receipts if receipt.outcome is Outcome.DONE])
    assert {receipt.text for receipt in receipts if receipt.outcome is None} >= {await cycle.pause_reason()}
    for _ in range(2):
        again = await cycle.look()
        assert again.paused is not None
        assert await cycle.answer(again) == ()
    assert len(posts(simulator)) == sent
    await ledger.database.run(lambda it: pauses.end_pause(it, None, by="ada", at=cycle.now()))
    assert {receipt.outcome for receipt in await cycle.answer(await cycle.look())} == {Outcome.DONE}
    assert len(posts(simulator)) == len(planned.steps)


async def test_nothing_leaves_while_the_pause_file_is_there(make_cycle, tmp_path):
    """The file is looked at before each answer: it may be touched while a plan is being answered."""
    simulator, cycle = await make_cycle(pending=40)
    cycle.pause_file = tmp_path / "pause"
    before: list[int] = []

    def touch(_receipt: Receipt) -> None:
        before.append(len(posts(simulator)))
        cycle.pause_file.touch()

    cycle.on_receipt = touch
    planned = await cycle.look()
    receipts = await cycle.answer(planned)
    sent = len(posts(simulator))
    assert before[0] <= sent <= before[0] + IN_FLIGHT < len(planned.steps)
    dropped = {receipt.text for receipt in receipts if receipt.outcome is None}
    assert f"answering is paused while {cycle.pause_file} exists" in dropped
    assert (await cycle.look()).paused == f"answering is paused while {cycle.pause_file} exists"
    assert await cycle.answer(await cycle.look()) == ()
    cycle.pause_file.unlink()
    cycle.on_receipt = lambda _receipt: None
    assert {receipt.outcome for receipt in await cycle.answer(await cycle.look())} == {Outcome.DONE}
    assert len(posts(simulator)) == len(planned.steps)


async def test_a_pause_file_that_nobody_can_look_at_pauses(tmp_path):
    """Doubt is hold."""
    assert "cannot be checked" in (pause_file_reason(tmp_path / ("x" * 300)) or "")
    assert pause_file_reason(tmp_path / "pause") is None
    assert pause_file_reason(None) is None


async def test_an_answer_is_not_repeated_after_a_pause(make_cycle, ledger):
    """Portfolio Manager did not take it, and somebody paused while it asked us to wait."""
    simulator, cycle = await make_cycle(pending=5)
    planned = await cycle.look()
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=429, service="POST"))
    cycle.pm._sender.sleep = lambda _seconds: pause(ledger)
    receipts = await cycle.answer(planned)
    answered = [receipt for receipt in receipts if receipt.outcome is not None]
    assert len(posts(simulator)) == len(answered) <= IN_FLIGHT


async def test_limits_hold_over_cycles_and_go_on_when_the_period_is_over(make_cycle, ledger):
    """What a limit keeps back says so, waits, and is answered when there is room again."""
    text = NOBODY.replace(b"reject: none", b"reject: 7 per 1h")
    simulator, cycle = await make_cycle(text, pending=20)
    wait = clock_of(cycle)
    for hours, answered in ((0, 7), (0, 7), (1.1, 14), (1.1, 20)):
        wait(hours)
        planned = await cycle.look()
        await cycle.answer(planned)
        assert len(posts(simulator)) == answered
    assert sum(simulator.world.pending().values()) == 0
    every = await ledger.decisions(every=True)
    assert ReasonKind.OVER_LIMIT in {row.kept_back for row in every}


async def test_a_hold_expires_by_the_ledger_s_clock(make_cycle, ledger):
    """Held, held on while a table is gone, which does not count, and then sent away with the note of the expiry."""
    text = (
        b"version: 1\ndata: {gone: {values: [x]}}\nrules:\n"
        b"- {id: waits, on: connection, when: {not: {account.username: {in: gone}}}, then: hold,\n"
        b"   expire: {after: 2h, then: reject, note: Please ask again.}}\n"
    )
    simulator, cycle = await make_cycle(text, pending=20)
    wait, table = clock_of(cycle), key_table("gone", {"x"}, digest="")
    for hours, tables in ((0, {"gone": table}), (1, {}), (1, {"gone": table}), (0.9, {"gone": table})):
        wait(hours)
        cycle.tables = tables
        await cycle.answer(await cycle.look())
    assert posts(simulator) == []
    wait(0.2)
    await cycle.answer(await cycle.look())
    rows = [row for row in await ledger.decisions() if row.kind is Kind.CONNECTION]
    assert {(row.outcome, row.reason, row.rule, row.note) for row in rows} == {
        (Outcome.DONE, ReasonKind.EXPIRED, "waits", "Please ask again.")
    }


async def test_an_outcome_that_is_being_recorded_keeps_no_place_in_flight(simulate, sign_in, ledger, now):
    """With one call in flight, the next answer leaves while the outcome of the one before is still being recorded."""
    simulator = await simulate(pending=4)
    pm = await sign_in(simulator, rate_limiter=RateLimiter(in_flight=1, rate=None))
    provider = await pm.account()
    await ledger.claim(service=simulator.url, provider=provider, at=now)
    second = asyncio.Event()
    conclude = ledger.record_outcome

    async def slowly(*arguments: Any, **named: Any) -> None:
        await second.wait()
        await conclude(*arguments, **named)

    ledger.record_outcome = slowly
    simulator.before_processing = lambda _call: second.set() if len(posts(simulator)) > 1 else None
    policy = load({"policy.yaml": EVERYBODY})
    cycle = Cycle(
        pm=pm, provider=provider, ledger=ledger, policy=policy, tables={}, mode=Mode.ENFORCE, now=ticking(now)
    )
    planned = await cycle.look()
    assert sum(not step.needs for step in planned.steps) > 1
    async with asyncio.timeout(30):
        receipts = await cycle.answer(planned)
    assert {receipt.outcome for receipt in receipts} == {Outcome.DONE}


async def test_nobody_takes_what_another_owner_has(make_cycle, now):
    """A number that pends twice is held for both; one that was accepted stays its owner's, as the ledger says."""
    text = (
        b"version: 1\nrules:\n"
        b"- {id: bound, on: connection, then: hold,\n"
        b"   when: {custom.Utility Customer Number: {taken: true, clean: digits}}}\n"
        b"- {id: free, on: connection, when: {custom.Utility Customer Number: {taken: false}}, then: accept,\n"
        b"   i_accept_everyone: true}\n"
    )
    simulator, cycle = await make_cycle(text, pending=20)
    world = simulator.world
    one, two = [
        decision.key for decision in (await cycle.look(record=False)).decisions if decision.key.kind is Kind.CONNECTION
    ][:2]

    async def answered() -> dict[Any, str]:
        planned = await cycle.look()
        await cycle.answer(planned)
        return {each.key: f"{each.rule} {each.reason.other}" for each in planned.decisions if each.key in {one, two}}

    customer_actions.give_values(world, one, (CustomField("Utility Customer Number", "0041-1"),))
    customer_actions.give_values(world, two, (CustomField("Utility Customer Number", "00411"),))
    assert await answered() == {one: f"bound {two}", two: f"bound {one}"}
    customer_actions.give_values(world, two, (CustomField("Utility Customer Number", "00412"),))
    assert await answered() == {one: "free None", two: "free None"}
    customer_actions.disconnect(world, two.id, now=now, inferred=Inferred())
    customer_actions.connect(world, two.id, now=now)
    customer_actions.give_values(world, two, (CustomField("Utility Customer Number", "00 411"),))
    assert await answered() == {two: f"bound {one}"}
