"""The rule of unknowns: how an answer whose fate nobody knows is settled, or sent again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from pm_autoaccept.errors import AlreadyAnswered
from pm_autoaccept.ledger import Leases, SqlLedger
from pm_autoaccept.ledger.db.engines import parse_address, write_engine
from pm_autoaccept.ledger.outcomes import IntentOutcome, record_outcomes
from pm_autoaccept.model import (
    Action,
    AnswerState,
    Kind,
    Mode,
    Outcome,
    Receipt,
    Step,
)
from pm_autoaccept.plan import plan
from tests.examples import ALICE, NOW, connection, decided, property_share
from tests.unit.ledger.acting import ACCEPT, MINUTE, REJECT, SERVICE, US, answer, outcomes, read, see


@pytest.mark.parametrize(
    ("verdict", "connected", "outcome"),
    [(ACCEPT, True, Outcome.DONE_INFERRED), (ACCEPT, False, Outcome.GONE), (REJECT, True, Outcome.GONE)],
)
async def test_an_answer_of_unknown_fate_is_settled_by_two_whole_reads(ledger, verdict, connected, outcome):
    """The second at least five minutes after the POST; what Portfolio Manager shows decides."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, verdict, minute=0, outcome=Outcome.OPEN)
    facts = {"connected": frozenset({ALICE} if connected else ())}
    for minute in (1, 3):
        await see(ledger, minute=minute, **facts)
        assert list((await outcomes(ledger)).values()) == [Outcome.OPEN]
    await see(ledger, minute=6, **facts)
    assert list((await outcomes(ledger)).values()) == [outcome]


@pytest.mark.parametrize("shared", [True, False])
async def test_a_property_s_accept_of_unknown_fate_is_settled_by_what_is_shared(ledger, shared):
    """If the property is shared with us, our accept arrived."""
    request = property_share(11)
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    for minute in (6, 7):
        await see(ledger, minute=minute, shared_properties={ALICE: frozenset({11} if shared else ())})
    assert list((await outcomes(ledger)).values()) == [Outcome.DONE_INFERRED if shared else Outcome.GONE]


async def test_a_request_with_an_answer_in_doubt_is_not_answered_again_even_if_it_asks_otherwise(ledger):
    """A POST names only the id: the first may still be on its way when the second stands in the list."""
    first = connection()
    second = replace(first, sender_id=7)
    await see(ledger, first, minute=0)
    await answer(ledger, first, ACCEPT, minute=0, outcome=Outcome.OPEN)
    assert (await see(ledger, second, minute=1)).answer_states[second.key] is AnswerState.IN_DOUBT
    with pytest.raises(AlreadyAnswered, match="answered already"):
        await answer(ledger, second, ACCEPT, minute=1)


async def test_the_owners_of_properties_in_doubt_are_named(ledger):
    """Poll asks what they share, so that the answer of unknown fate can be settled."""
    first, second = property_share(11), property_share(12, 9)
    await see(ledger, first, second, minute=0)
    await answer(ledger, first, ACCEPT, minute=0, outcome=Outcome.OPEN)
    await answer(ledger, second, ACCEPT, minute=0)
    assert await ledger.owners_with_open_answers() == {ALICE}


async def test_answers_of_unknown_fate_are_counted_until_they_are_settled(ledger):
    """What is done, or was refused, is not in doubt; what is gone is not any more."""
    requests = [property_share(11), property_share(12), property_share(13)]
    await see(ledger, *requests, minute=0)
    assert await ledger.count_open_intents() == 0
    for request, outcome in zip(requests, (Outcome.OPEN, Outcome.DONE, Outcome.REFUSED), strict=True):
        await answer(ledger, request, ACCEPT, minute=0, outcome=outcome)
    assert await ledger.count_open_intents() == 1
    for minute in (6, 7):
        await see(ledger, *requests[1:], minute=minute)
    assert await ledger.count_open_intents() == 0


async def repeatable(ledger, request, *, minutes: tuple[int, ...]) -> list[AnswerState]:
    """How an accept of unknown fate stands after reads at these minutes."""
    return [(await see(ledger, request, minute=minute)).answer_states[request.key] for minute in minutes]


async def test_an_answer_of_unknown_fate_may_be_repeated_after_two_whole_reads(ledger):
    """The second begun at least `unknown_wait` (5 min) after it was sent; a list that is not whole does not count."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    doubt, again = AnswerState.IN_DOUBT, AnswerState.REPEATABLE
    assert await repeatable(ledger, request, minutes=(1, 2, 4)) == [doubt, doubt, doubt]
    assert await repeatable(ledger, request, minutes=(6,)) == [again]
    broken = read(request, minute=7, failed=Kind.CONNECTION)
    await ledger.record_snapshot(broken, at=NOW + 7 * MINUTE)
    assert (await ledger.history(broken, at=NOW + 7 * MINUTE)).answer_states[request.key] is doubt


async def test_one_read_late_enough_is_not_two(ledger):
    """A first read long after the POST may be the lag of one server; the next one decides."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    assert await repeatable(ledger, request, minutes=(9, 10)) == [AnswerState.IN_DOUBT, AnswerState.REPEATABLE]


async def test_reads_on_both_sides_of_an_absence_are_not_two(ledger):
    """A list that flickers is looked at again before anything is repeated."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    await see(ledger, request, minute=1)
    await see(ledger, minute=6)
    assert await repeatable(ledger, request, minutes=(7, 8)) == [AnswerState.IN_DOUBT, AnswerState.REPEATABLE]


BEFORE_THE_ANSWER = 2.5 / 60
"""A minute between the read that `see` recorded at 0 and the answer that `answer` gave at 0."""


async def test_a_read_begun_before_an_answer_does_not_show_that_it_pends_still(ledger):
    """It is recorded after the answer left, by a replica that was slow; it is none of the two."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    await see(ledger, request, minute=BEFORE_THE_ANSWER)
    assert await repeatable(ledger, request, minutes=(6, 7)) == [AnswerState.IN_DOUBT, AnswerState.REPEATABLE]


async def test_a_read_begun_before_an_answer_does_not_show_its_absence(ledger):
    """Else what is answered and listed still would be the next time that it is asked, and answered twice."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0)
    await see(ledger, minute=BEFORE_THE_ANSWER)
    assert (await see(ledger, request, minute=1)).answer_states[request.key] is AnswerState.ACCEPTED


async def again_(ledger, request, verdict, *, minute: int, note: str | None = None) -> tuple[Step, int]:
    """Intend the same answer once more."""
    decision = replace(decided(request, verdict), note=note)
    action = Action.ACCEPT if verdict is ACCEPT else Action.REJECT
    step = Step(decision=decision, action=action, repeats=True)
    return step, await ledger.record_intent(step, at=NOW + minute * MINUTE)


async def test_a_second_attempt_is_of_the_same_intent_and_waits_longer_for_a_third(ledger):
    """One row says how often it was sent; nobody else can send it at the same time."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    await repeatable(ledger, request, minutes=(1, 6))
    with pytest.raises(AlreadyAnswered, match="different answer"):
        await again_(ledger, request, REJECT, minute=6)
    with pytest.raises(AlreadyAnswered, match="different answer"):
        await again_(ledger, request, ACCEPT, minute=6, note="another")
    await again_(ledger, request, ACCEPT, minute=6)
    with pytest.raises(AlreadyAnswered, match="already answered again"):
        await again_(ledger, request, ACCEPT, minute=6)
    doubt = AnswerState.IN_DOUBT
    assert await repeatable(ledger, request, minutes=(7, 12, 15)) == [doubt, doubt, doubt]
    assert await repeatable(ledger, request, minutes=(17,)) == [AnswerState.REPEATABLE]
    step, intent = await again_(ledger, request, ACCEPT, minute=17)
    await ledger.record_outcome(intent, Receipt(step=step, outcome=Outcome.DONE), at=NOW + 18 * MINUTE)
    (row,) = await ledger.decisions()
    assert (row.outcome, row.attempts) == (Outcome.DONE, 3)


async def test_a_second_attempt_that_finds_the_request_fulfilled_claims_nothing(ledger):
    """The first attempt may have done it: it stays open until reads say what Portfolio Manager shows."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    await repeatable(ledger, request, minutes=(1, 6))
    step, intent = await again_(ledger, request, ACCEPT, minute=6)
    receipt = Receipt(step=step, outcome=Outcome.SETTLED_ELSEWHERE)
    await ledger.record_outcome(intent, receipt, at=NOW + 6 * MINUTE)
    assert (await ledger.decisions())[0].outcome is Outcome.OPEN
    for minute in (7, 12):
        await see(ledger, minute=minute, connected=frozenset({request.id}))
    assert (await ledger.decisions())[0].outcome is Outcome.DONE_INFERRED


async def test_a_second_attempt_that_did_not_arrive_leaves_the_first_one_s_fate_unknown(ledger):
    """It is not called refused, which would say that nothing was ever processed; reads settle it."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    await repeatable(ledger, request, minutes=(1, 6))
    step, intent = await again_(ledger, request, ACCEPT, minute=6)
    receipt = Receipt(step=step, outcome=Outcome.REFUSED, retry_not_before=NOW + 6 * MINUTE)
    await ledger.record_outcome(intent, receipt, at=NOW + 6 * MINUTE)
    assert (await ledger.decisions())[0].outcome is Outcome.OPEN
    assert await repeatable(ledger, request, minutes=(7, 12, 17)) == [
        *[AnswerState.IN_DOUBT] * 2,
        AnswerState.REPEATABLE,
    ]


LATER = {"retry_not_before": NOW + 66 * MINUTE}


@pytest.mark.parametrize(
    ("brought", "said", "again"),
    [
        (Outcome.REFUSED, {"text": "302"}, None),
        (Outcome.REFUSED, {"text": "405"}, None),
        (Outcome.REFUSED, {"text": "403"} | LATER, 66),
        (Outcome.SETTLED_ELSEWHERE, {"text": "doesn't exist or has been fulfilled"}, None),
        (Outcome.OPEN, {"text": "502"}, 16),
    ],
    ids=["302", "405", "403", "400/-200", "502"],
)
@pytest.mark.parametrize("connected", [True, False])
async def test_whatever_a_further_attempt_brings_the_first_stays_of_unknown_fate(
    ledger, brought, said, again, connected
):
    """Only `done` ends it. When the same may be sent again its own row says; reads settle it as ever."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    await repeatable(ledger, request, minutes=(1, 6))
    step, intent = await again_(ledger, request, ACCEPT, minute=6)
    await ledger.record_outcome(intent, Receipt(step=step, outcome=brought, **said), at=NOW + 6 * MINUTE)
    (row,) = await ledger.decisions()
    assert (row.outcome, row.attempts) == (Outcome.OPEN, 2)
    assert said["text"] in row.outcome_text
    with pytest.raises(AlreadyAnswered):
        await answer(ledger, request, REJECT, minute=7)
    for minute in (8, 14, 20, 60, 70, 2_000):
        seen = await see(ledger, request, minute=minute)
        may = [
            step.repeats for step in plan([step.decision], snapshot=read(request, minute=minute), history=seen).steps
        ]
        assert may == ([True] if again is not None and minute >= again else [])
    facts = {"connected": frozenset({request.id} if connected else ())}
    for minute in (2_001, 2_010):
        await see(ledger, minute=minute, **facts)
    expected = Outcome.DONE_INFERRED if connected else Outcome.GONE
    assert (await ledger.decisions())[0].outcome is expected


async def test_what_a_further_attempt_waits_for_doubles_as_ever(ledger):
    """An hour after the first 403, two after the next."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    await repeatable(ledger, request, minutes=(1, 6))
    for minute, hours in ((6, 1), (67, 2)):
        step, intent = await again_(ledger, request, ACCEPT, minute=minute)
        at = NOW + minute * MINUTE
        refused = Receipt(step=step, outcome=Outcome.REFUSED, retry_not_before=at + 60 * MINUTE)
        await ledger.record_outcome(intent, refused, at=at)
        early, late = minute + hours * 60 - 1, minute + hours * 60 + 1
        doubt, repeats = AnswerState.IN_DOUBT, AnswerState.REPEATABLE
        assert await repeatable(ledger, request, minutes=(early - 1, early, late)) == [doubt, doubt, repeats]


async def test_what_came_of_an_attempt_before_the_last_changes_nothing(ledger, ledger_address):
    """An old holder wakes and knows that its own attempt was refused; the one after it is on its way."""
    request = connection()
    await see(ledger, request, minute=0)
    decision = decided(request, ACCEPT)
    await ledger.record_decisions([decision], [], mode=Mode.ENFORCE, at=NOW)
    first = Step(decision=decision, action=Action.ACCEPT)
    intent = await ledger.record_intent(first, at=NOW)
    new = await SqlLedger.open(ledger_address)
    await new.claim(service=SERVICE, provider=US, at=NOW)
    await repeatable(new, request, minutes=(1, 6))
    await again_(new, request, ACCEPT, minute=6)
    late = Receipt(step=first, outcome=Outcome.REFUSED, text="405")
    await ledger.record_outcome(intent, late, at=NOW + 7 * MINUTE)
    (row,) = await new.decisions()
    assert (row.outcome, row.outcome_text) == (Outcome.OPEN, "")
    assert await repeatable(new, request, minutes=(17, 18)) == [AnswerState.IN_DOUBT, AnswerState.REPEATABLE]
    await ledger.record_outcome(intent, replace(late, outcome=Outcome.DONE), at=NOW + 19 * MINUTE)
    assert (await new.decisions())[0].outcome is Outcome.DONE
    await new.close()


async def test_reads_before_an_attempt_do_not_count_for_it(ledger):
    """Each attempt, the first and any further one, needs two whole reads of its own."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    doubt, repeats = AnswerState.IN_DOUBT, AnswerState.REPEATABLE
    assert await repeatable(ledger, request, minutes=(1, 2)) == [doubt, doubt]
    step = Step(decision=decided(request, ACCEPT), action=Action.ACCEPT)
    late = Receipt(step=step, outcome=Outcome.REFUSED, retry_not_before=NOW + 3 * MINUTE)
    await ledger.record_outcome(1, late, at=NOW + 2 * MINUTE)
    await see(ledger, request, minute=4)
    await answer(ledger, request, ACCEPT, minute=4, outcome=Outcome.OPEN)
    assert await repeatable(ledger, request, minutes=(10, 11)) == [doubt, repeats]
    await again_(ledger, request, ACCEPT, minute=11)
    assert await repeatable(ledger, request, minutes=(22, 23)) == [doubt, repeats]


@pytest.mark.parametrize("ledger_address", ["postgresql"], indirect=True)
async def test_an_outcome_that_is_recorded_while_a_read_settles_it_stands(ledger, ledger_address):
    """An old holder wakes and knows that it did it, just as the new one infers that nobody knows."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    await see(ledger, minute=1)
    done = Receipt(step=Step(decision=decided(request, ACCEPT), action=Action.ACCEPT), outcome=Outcome.DONE)
    old = write_engine(parse_address(ledger_address))
    with old.begin() as transaction:
        record_outcomes(transaction, [IntentOutcome(1, done, NOW + 7 * MINUTE)])
        settling = asyncio.create_task(see(ledger, minute=7))
        with psycopg.connect(ledger_address, autocommit=True) as watching:
            waits = "SELECT 1 FROM pg_locks WHERE NOT granted"
            while not settling.done() and not watching.execute(waits).fetchone():  # noqa: ASYNC110 — only a query says so
                await asyncio.sleep(0)
    await settling
    old.dispose()
    (row,) = await ledger.decisions()
    assert row.outcome is Outcome.DONE


async def test_what_was_settled_meanwhile_is_known_better_only_by_who_did_it(ledger):
    """An outcome that comes late: done is the truth; a refusal says nothing of what reads have shown."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    for minute in (1, 6):
        await see(ledger, minute=minute)
    step = Step(decision=decided(request, ACCEPT), action=Action.ACCEPT)
    for outcome, kept in ((Outcome.REFUSED, Outcome.GONE), (Outcome.DONE, Outcome.DONE)):
        await ledger.record_outcome(1, Receipt(step=step, outcome=outcome), at=NOW + 7 * MINUTE)
        assert (await ledger.decisions())[0].outcome is kept


async def test_holders_that_never_stay_long_settle_what_one_that_was_killed_left(ledger, ledger_address):
    """As `once` from cron, which holds an account for seconds: what has passed between them counts."""
    request = connection()
    wall = datetime.now(UTC) - 60 * MINUTE
    killed = Leases(ledger.database, holder="killed", ttl=MINUTE, now=lambda: wall)
    ledger.held_lease = await killed.take(ledger.name)
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    if ledger_address.startswith("postgresql"):
        with psycopg.connect(ledger_address, autocommit=True) as database:
            database.execute("UPDATE lease SET until = until - interval '1 hour'")
    stands = []
    for minute in (10, 20, 30):
        now = wall + minute * MINUTE
        leases = Leases(ledger.database, holder=f"once at {minute}", ttl=MINUTE, now=lambda now=now: now)
        ledger.held_lease = await leases.take(ledger.name)
        assert ledger.held_lease is not None
        stands += await repeatable(ledger, request, minutes=(minute,))
        await leases.release(ledger.held_lease)
    assert stands == [AnswerState.IN_DOUBT, AnswerState.REPEATABLE, AnswerState.REPEATABLE]


async def test_a_new_holder_settles_nothing_before_the_last_answer_of_the_old_one_must_be_over(ledger):
    """It waits by its own steady clock, whatever the wall clocks of two machines say; then reads settle as ever."""
    request, other = connection(), property_share(11)
    old = await Leases(ledger.database, holder="old", ttl=MINUTE, now=lambda: NOW).take(ledger.name)
    ledger.held_lease = old
    for each in (request, other):
        await see(ledger, request, other, minute=0)
        await answer(ledger, each, ACCEPT, minute=0, outcome=Outcome.OPEN)
    taking = Leases(ledger.database, holder="new", ttl=MINUTE, now=lambda: NOW + 2 * MINUTE, monotonic=lambda: 0.0)
    clock = [0.0]
    new = SqlLedger(ledger.database, name=ledger.name, clock=lambda: clock[0])
    await new.claim(service=SERVICE, provider=US, at=NOW)
    await taking.release(old)
    taken = await taking.take(ledger.name)
    assert taken is not None
    new.held_lease = replace(taken, settle_from=NOW + MINUTE)
    doubt = AnswerState.IN_DOUBT
    assert await repeatable(new, request, minutes=(30, 31, 40)) == [doubt, doubt, doubt]
    assert set((await outcomes(new)).values()) == {Outcome.OPEN}
    clock[0] = 300.0
    assert await repeatable(new, request, minutes=(41,)) == [AnswerState.REPEATABLE]
    assert sorted(filter(None, (await outcomes(new)).values())) == [Outcome.GONE, Outcome.OPEN]
