"""Answers by people through the real cycle, client, simulator and ledger: what is sent, what waits, what is void."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog

from pm_autoaccept.cycle import Cycle
from pm_autoaccept.daemon.answer_watch import AnswerWatch
from pm_autoaccept.ledger import Database, SqlLedger, pauses
from pm_autoaccept.ledger.human_answers import take_back
from pm_autoaccept.ledger.new_answers import record_answers
from pm_autoaccept.ledger.review_queue import review_queue
from pm_autoaccept.model import (
    Action,
    AnswerStatus,
    CustomField,
    Kind,
    Mode,
    NewAnswer,
    Outcome,
    ReasonKind,
    Receipt,
    RequestKey,
    Reviewer,
)
from pm_autoaccept.policy import load
from pm_autoaccept.record import QueueEntry
from pm_autoaccept.simulator import Fault, FaultKind, Simulator, customer_actions
from pm_autoaccept.simulator.unconfirmed import Inferred
from pm_autoaccept.simulator.world import Access, Meter

GRACE = timedelta(seconds=10)
ANA, BEN = Reviewer(name="ana"), Reviewer(name="ben")
HOLD = b"""\
version: 1
rules:
  - id: look-at-it
    on: [connection, property, meter]
    when: always
    then: hold
"""
REJECT = HOLD.replace(b"then: hold", b"then: reject").replace(b"look-at-it", b"turn-away") + b"    note: No.\n"


@dataclass
class Desk:
    """A reviewer's desk beside a cycle that holds everything, on one clock."""

    simulator: Simulator
    cycle: Cycle
    time: list[datetime]
    seen: dict[RequestKey, QueueEntry] = field(default_factory=dict)

    async def look(self) -> dict[RequestKey, QueueEntry]:
        """Read the queue, as a reviewer does."""
        entries = await self._ledger.database.read(lambda connection: list(review_queue(connection)))
        self.seen = {entry.row.key: entry for entry in entries}
        return self.seen

    async def give(
        self, *keys: RequestKey, action: Action = Action.ACCEPT, by: Reviewer = ANA, note: str | None = None
    ):
        """Answer these requests as they were when the queue was read."""
        new = [NewAnswer(key=key, stamp=self.seen[key].stamp, action=action, note=note) for key in keys]
        return await self._ledger.database.run(
            lambda connection: record_answers(connection, new, account=None, by=by, grace=GRACE, at=self.time[0])
        )

    async def back(self, key: RequestKey) -> bool:
        """Take an answer back, if that is still possible."""
        ((_, done, _),) = await self._ledger.database.run(
            lambda connection: take_back(connection, [key], account=None, by=BEN, at=self.time[0])
        )
        return done

    async def turn(self, **later: float) -> dict[str, Outcome | None]:
        """Let time pass, by default the grace, and run one cycle; returns what was sent, and what came of it."""
        self.time[0] += timedelta(**later) if later else GRACE
        planned = await self.cycle.look()
        receipts: tuple[Receipt, ...] = await self.cycle.answer(planned)
        return {f"{receipt.step.action} {receipt.step.key}": receipt.outcome for receipt in receipts}

    def a(self, kind: Kind, *, alone: bool = True) -> RequestKey:
        """A pending request of this kind; `alone`: nothing goes along with an accept of it."""
        return next(key for key, each in self.seen.items() if key.kind is kind and bool(each.accept_also) is not alone)

    @property
    def _ledger(self) -> SqlLedger:
        ledger = self.cycle.ledger
        assert isinstance(ledger, SqlLedger)
        return ledger


@pytest.fixture
def desk(simulate, sign_in, ledger_address, now, until_the_end):
    """Make the desk; both engines in turn."""

    async def make(policy: bytes = HOLD, *, mode: Mode = Mode.ENFORCE, **more: Any) -> Desk:
        time = [now]
        simulator = await simulate(clock=lambda: time[0], **more)
        ledger = await SqlLedger.open(ledger_address)
        until_the_end.push_async_callback(ledger.close)
        pm = await sign_in(simulator, now=lambda: time[0])
        provider = await pm.account()
        await ledger.claim(service=simulator.url, provider=provider, at=now)
        cycle = Cycle(
            pm=pm,
            provider=provider,
            ledger=ledger,
            policy=load({"policy.yaml": policy}),
            tables={},
            mode=mode,
            now=lambda: time[0],
        )
        made = Desk(simulator, cycle, time)
        assert await made.turn(seconds=1) == {}
        await made.look()
        return made

    return make


async def rows(desk: Desk) -> dict[RequestKey, Any]:
    """What the ledger says of each request that was answered."""
    return {row.key: row for row in await desk.cycle.ledger.decisions() if row.outcome is not None}


async def test_hold_accept_sent_recorded(desk):
    """The world agrees with the ledger, which says who answered, with which note."""
    made = await desk()
    key = made.a(Kind.CONNECTION)
    (result,) = await made.give(key, note="Welcome.")
    assert result.status is AnswerStatus.RECORDED
    assert await made.turn(seconds=1) == {}
    assert await made.turn() == {f"Accept {key}": Outcome.DONE}
    row = (await rows(made))[key]
    assert (row.answered_by, row.note, row.reason, row.rule) == (("ana",), "Welcome.", ReasonKind.PERSON, None)
    assert await made.turn() == {}
    assert key not in await made.look()


async def test_a_reject_carries_the_note_that_the_reviewer_wrote(desk):
    """And what the reviewer was shown goes along."""
    made = await desk()
    key = next(key for key, entry in made.seen.items() if key.kind is Kind.CONNECTION and entry.reject_also)
    below = {each.key for each in made.seen[key].reject_also}
    await made.give(key, action=Action.REJECT, note="We do not know this account.")
    assert await made.turn() == {f"Reject {key}": Outcome.DONE}
    sent = [call for call in made.simulator.log.calls if call.method == "POST"]
    assert len(sent) == 1
    assert "We do not know this account." in sent[0].body.decode()
    for _ in range(3):
        await made.turn(minutes=10)
    assert {each.outcome for other, each in (await rows(made)).items() if other in below} == {Outcome.FALLEN}


async def test_taken_back_in_time_and_too_late(desk):
    """Portfolio Manager has no undo."""
    made = await desk()
    key = made.a(Kind.CONNECTION)
    await made.give(key)
    assert await made.back(key)
    assert await made.turn() == {}
    await made.give(key)
    assert await made.turn() == {f"Accept {key}": Outcome.DONE}
    assert not await made.back(key)


async def test_a_family_in_one_act(desk):
    """The connection, the property and the meter, each with its own answer, from the top down."""
    made = await desk()
    meter = next(key for key, entry in made.seen.items() if key.kind is Kind.METER and len(entry.needs) == 2)
    family = [meter, *made.seen[meter].needs]
    await made.give(meter)
    assert await made.turn() == {}  # it waits for what it needs
    await made.give(*family[1:])
    sent = await made.turn()
    assert list(sent) == [f"Accept {key}" for key in (*family[1:], meter)]
    assert set(sent.values()) == {Outcome.DONE}


async def test_all_requests_of_one_owner(desk):
    """In one act."""
    made = await desk(pending=150)
    owners = [entry.row.account_id for entry in made.seen.values()]
    owner = max(owners, key=owners.count)
    keys = [key for key, entry in made.seen.items() if entry.row.account_id == owner]
    results = await made.give(*keys, action=Action.REJECT, note="Closed.")
    assert {each.status for each in results} == {AnswerStatus.RECORDED}
    assert await made.turn() == dict.fromkeys((f"Reject {key}" for key in keys), Outcome.DONE)


async def test_what_waits_is_not_lost(desk, tmp_path):
    """A pause, a list that is not whole, observe mode: the answer waits, and is sent when it may be."""
    made = await desk()
    key, ledger = made.a(Kind.CONNECTION), made._ledger
    await made.give(key)
    await ledger.database.run(lambda it: pauses.add_pause(it, None, by="ben", why="", at=made.time[0]))
    assert await made.turn() == {}
    await ledger.database.run(lambda it: pauses.end_pause(it, None, by="ben", at=made.time[0]))
    made.cycle.mode = Mode.OBSERVE
    assert await made.turn() == {}
    made.cycle.mode, made.cycle.pause_file = Mode.ENFORCE, tmp_path / "pause"
    made.cycle.pause_file.touch()
    assert await made.turn() == {}
    made.cycle.pause_file.unlink()
    made.simulator.faults.add(Fault(kind=FaultKind.STATUS, status=404, service="list_pending_connections"))
    assert await made.turn() == {}
    made.simulator.faults.clear()
    assert await made.turn() == {f"Accept {key}": Outcome.DONE}


async def test_the_policy_and_its_data_do_not_matter_any_more(desk):
    """A reload, another verdict, also between decision and POST: a person stands above the policy, once."""
    made = await desk()
    key, other, *_ = (each for each in made.seen if each.kind is Kind.CONNECTION and not made.seen[each].reject_also)
    await made.give(key)
    made.time[0] += GRACE
    planned = await made.cycle.look()
    made.cycle.replace_policy(load({"policy.yaml": REJECT}), {})
    assert [receipt.outcome for receipt in await made.cycle.answer(planned)] == [Outcome.DONE]
    sent = await made.turn()
    assert sent[f"Reject {other}"] is Outcome.DONE
    assert f"Reject {key}" not in sent


CHANGES = {
    "unshared and shared again": ReasonKind.RULE,
    "answers edited": ReasonKind.RULE,
    "the cascade grew": ReasonKind.ANSWER_VOID,
    "24 hours": ReasonKind.RULE,
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_becomes_stale_between_seeing_and_sending(desk, change):
    """Nothing is sent; the reviewer is told why, and the request is back in the queue."""
    made = await desk(pending=60)
    world, keep_date = made.simulator.world, Inferred(asked_again_keeps_date=False)
    key = made.a(Kind.PROPERTY)
    action = Action.ACCEPT
    if change == "the cascade grew":
        action = Action.REJECT
    await made.give(key, action=action)
    made.time[0] += timedelta(seconds=1)
    if change == "unshared and shared again":
        customer_actions.withdraw(world, key)
        owner = world.property_of(key).owner
        customer_actions.share(world, key, sender=owner, access=Access.READ_WRITE, now=made.time[0], inferred=keep_date)
    elif change == "answers edited":
        customer_actions.give_values(world, key, (CustomField("Service Point ID", "another"),))
    elif change == "the cascade grew":
        new = Meter(id=777, property_id=key.id, name="Roof", type="Electric", unit="kWh (thousand Watt-hours)")
        customer_actions.add_meter(world, new, access=Access.READ_WRITE, now=made.time[0], inferred=keep_date)
    with structlog.testing.capture_logs() as logged:
        assert await made.turn(**({"hours": 25} if change == "24 hours" else {})) == {}
    voided = [each for each in logged if each["event"] == "human_answer_void"]
    assert [(each["request"], each["answered_by"]) for each in voided] == [(str(key), ["ana"])]
    assert await made.turn(hours=1) == {}
    entry = (await made.look())[key]
    assert (entry.answer, entry.row.reason) == (None, ReasonKind.RULE)


async def test_a_colleague_was_faster(desk):
    """The second reviewer reads what the first one said, and nothing is recorded."""
    made = await desk()
    key = made.a(Kind.CONNECTION)
    await made.give(key, action=Action.REJECT, note="No.")
    (result,) = await made.give(key, by=BEN)
    assert result.status is AnswerStatus.ANSWERED
    assert await made.turn() == {f"Reject {key}": Outcome.DONE}


async def test_the_web_site_was_faster(desk):
    """Somebody answered it in Portfolio Manager's own pages: our answer is void, and the ledger says what happened."""
    made = await desk()
    key = made.a(Kind.CONNECTION)
    await made.give(key)
    customer_actions.withdraw(made.simulator.world, key)
    for _ in range(3):
        assert await made.turn(minutes=1) == {}
    assert key not in await made.look()


async def test_another_replica_sends_what_was_recorded_here(desk, ledger_address):
    """A fail-over between recording and sending loses nothing and sends nothing twice."""
    made = await desk()
    key = made.a(Kind.CONNECTION)
    await made.give(key)
    other = await SqlLedger.open(ledger_address)
    await other.claim(service=made.simulator.url, provider=made.cycle.provider, at=made.time[0])
    made.time[0] += GRACE
    planned = await made.cycle.look()
    elsewhere = replace_ledger(made.cycle, other)
    assert [each.outcome for each in await elsewhere.answer(await elsewhere.look())] == [Outcome.DONE]
    (dropped,) = await made.cycle.answer(planned)
    assert dropped.outcome is None
    await other.close()


def replace_ledger(cycle: Cycle, ledger: SqlLedger) -> Cycle:
    """The same cycle in another process."""
    return Cycle(
        pm=cycle.pm,
        provider=cycle.provider,
        ledger=ledger,
        policy=cycle.policy,
        tables={},
        mode=cycle.mode,
        now=cycle.now,
    )


async def test_observe_switched_to_enforce_sends_nothing_that_was_recorded_before(desk):
    """An answer that was given to see what would happen must not happen."""
    made = await desk(mode=Mode.OBSERVE)
    key = made.a(Kind.CONNECTION)
    (result,) = await made.give(key)
    assert result.status is AnswerStatus.OBSERVED
    made.cycle.mode = Mode.ENFORCE
    assert await made.turn() == {}
    assert await made.turn() == {}


async def test_an_answer_of_unknown_outcome_is_sent_again_word_for_word(desk):
    """By the rule of unknowns, as any other."""
    made = await desk()
    key = made.a(Kind.CONNECTION)
    await made.give(key, note="Welcome.")
    fault = Fault(kind=FaultKind.STATUS, status=500, service="answer_connection", times=1)
    made.simulator.faults.add(fault)
    assert await made.turn() == {f"Accept {key}": Outcome.OPEN}
    sent: dict[str, Outcome | None] = {}
    for _ in range(4):
        sent |= await made.turn(minutes=6)
    assert sent == {f"Accept {key}": Outcome.DONE}
    assert ((await rows(made))[key].attempts, (await rows(made))[key].answered_by) == (2, ("ana",))


@dataclass
class Worker:
    """A worker that counts how often it was woken."""

    account: str = "default"
    held: bool = True
    woken: int = 0

    def wake(self) -> None:
        """Count."""
        self.woken += 1


async def test_an_answer_wakes_the_worker_that_holds_the_lease_once(desk, ledger_address):
    """As soon as it may be sent; several at once, and one that cannot be sent, wake it once."""
    made = await desk()
    keys = [key for key in made.seen if key.kind is Kind.CONNECTION]
    database = await Database.open(ledger_address)
    ours, others, standby = Worker(), Worker(account="other"), Worker(held=False)
    watch = AnswerWatch(database=database, workers=[ours, others], now=lambda: made.time[0])
    elsewhere = AnswerWatch(database=database, workers=[standby], now=lambda: made.time[0])
    await made.give(*keys[:2])
    await watch.check()
    assert ours.woken == 0
    made.time[0] += GRACE
    for _ in range(3):
        await watch.check()
        await elsewhere.check()
    assert (ours.woken, others.woken, standby.woken) == (1, 0, 0)
    await made.give(keys[2])
    made.time[0] += GRACE
    await watch.check()
    assert ours.woken == 2
    standby.held = True
    await elsewhere.check()
    assert standby.woken == 1
    await database.close()
