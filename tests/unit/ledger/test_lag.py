"""Which time a listed request is: lag however often it disappears, until what we accepted is known to have ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import (
    AnswerState,
    CustomField,
    Kind,
    Mode,
    Notification,
    Outcome,
    PendingRequest,
    Removal,
    Unreadable,
)
from tests.examples import ALICE, NOW, connection, decided, meter_share, pending_list, property_share
from tests.unit.ledger.acting import ACCEPT, HOLD, MINUTE, REJECT, answer, outcomes, read, see

DATED = {"requested_at": NOW - timedelta(days=1), "sender_id": ALICE}
EDITED = {"custom": (CustomField("Number", "8"),)}
LISTED = (AnswerState.ACCEPTED, AnswerState.REJECTED, AnswerState.SETTLED, AnswerState.IN_DOUBT, AnswerState.REPEATABLE)
REQUESTS = {
    "connection": connection(**DATED),
    "property": property_share(11, **DATED),
    "meter": meter_share(21, 11, **DATED),
}


@pytest.fixture(params=REQUESTS.values(), ids=REQUESTS)
def request_(request):
    """A request of each kind, with a created date."""
    return request.param


async def answered(ledger, request: PendingRequest, verdict=ACCEPT, **said) -> None:
    """See and answer a request in the first minute."""
    await see(ledger, request, minute=0)
    await answer(ledger, request, verdict, minute=0, **said)


@pytest.mark.parametrize("verdict", [ACCEPT, REJECT])
@pytest.mark.parametrize("edited", [{}, EDITED], ids=["as it was", "edited"])
@pytest.mark.parametrize("reads", [1, 2, 3])
async def test_an_answered_request_that_disappears_and_comes_back_is_lag(ledger, request_, verdict, edited, reads):
    """Neither reads without it nor other answers in its fields make the same created date the next time."""
    await answered(ledger, request_, verdict)
    for minute in range(reads):
        await see(ledger, minute=minute + 1)
    history = await see(ledger, replace(request_, **edited), minute=9)
    expected = AnswerState.ACCEPTED if verdict is ACCEPT else AnswerState.REJECTED
    assert history.answer_states[request_.key] is expected
    assert len(await outcomes(ledger)) == 1


async def test_what_an_answer_of_unknown_fate_may_have_ended_is_lag(ledger, request_):
    """Gone, by us or by another: it may have been us."""
    await answered(ledger, request_, REJECT, outcome=Outcome.OPEN)
    for minute in (6, 7):
        await see(ledger, minute=minute)
    assert list((await outcomes(ledger)).values()) == [Outcome.GONE]
    assert (await see(ledger, request_, minute=8)).answer_states[request_.key] is AnswerState.SETTLED


async def test_another_created_date_or_sender_is_another_request(ledger, request_):
    """A re-share gets a new date, as is likely and nowhere confirmed."""
    await answered(ledger, request_)
    for other in ({"requested_at": NOW}, {"sender_id": 7}):
        again = replace(request_, **other)
        assert (await see(ledger, again, minute=1)).answer_states[again.key] is AnswerState.UNANSWERED


async def test_what_is_listed_an_hour_after_its_answer_is_told_to_people(ledger, request_):
    """Held until then, without a word: lists lag."""
    await answered(ledger, request_)
    assert (await see(ledger, request_, minute=59)).overdue == frozenset()
    assert (await see(ledger, request_, minute=61)).overdue == {request_.key}


ENDS = {
    "connection": {"type": "DISCONNECT", "account_id": ALICE},
    "property": {"type": "UNSHARE", "property_id": 11},
    "meter": {"type": "UNSHARE", "property_id": 11, "meter_id": 21},
}
TRANSFER = {"type": "TRANSFERPROPERTY", "property_id": 11, "account_id": 9}


@pytest.mark.parametrize("shown", [True, False], ids=["shown before", "never shown"])
@pytest.mark.parametrize("how", ["own", "transfer"])
async def test_it_is_the_next_time_after_a_notification_that_says_that_it_ended(ledger, request_, shown, how):
    """Also where no read ever showed the share, as when it ended at once; the date says what it came after."""
    said = ENDS[request_.kind] if how == "own" else TRANSFER
    if request_.kind is Kind.CONNECTION and how == "transfer":
        return  # it ends no connection
    await answered(ledger, request_)
    facts = {"connected": frozenset({ALICE}), "shared_properties": {ALICE: frozenset({11})}} if shown else {}
    await watch(ledger, minute=1, **facts)
    early, late = (
        Notification(id=number, description="", created_at=NOW + minute * MINUTE, **said)
        for number, minute in ((1, -5), (2, 2))
    )
    await watch(ledger, minute=3, notifications=(early,))
    assert (await see(ledger, request_, minute=4)).answer_states[request_.key] is AnswerState.ACCEPTED
    for minute in (5, 6):
        await watch(ledger, minute=minute, notifications=(early, late))
    assert (await see(ledger, request_, minute=7)).answer_states[request_.key] is AnswerState.UNANSWERED
    await answer(ledger, request_, ACCEPT, minute=7)
    for minute in (8, 9):
        await watch(ledger, minute=minute, notifications=(early, late))
    assert (await see(ledger, request_, minute=10)).answer_states[request_.key] is AnswerState.ACCEPTED
    assert [row.time for row in await ledger.decisions()] == [1, 2]


@pytest.mark.parametrize("kind", ["property", "meter"])
async def test_what_is_shared_may_stay_when_its_owner_disconnects(ledger, kind):
    """So a share that we accepted is still lag, and is not judged again."""
    request = REQUESTS[kind]
    await answered(ledger, request)
    gone = Notification(id=1, description="", created_at=NOW + 2 * MINUTE, **ENDS["connection"])
    for minute in (3, 4):
        await watch(ledger, minute=minute, notifications=(gone,))
    assert (await see(ledger, request, minute=5)).answer_states[request.key] is AnswerState.ACCEPTED


async def test_an_end_that_is_noted_within_a_cycle_counts_from_the_next_one(ledger, request_):
    """Else one cycle would take a listed request for lag and for the next time, and could not record it."""
    await answered(ledger, request_)
    await ledger.record_decisions([decided(request_, ACCEPT)], [], mode=Mode.ENFORCE, at=NOW)
    gone = Notification(id=1, description="", created_at=NOW + 2 * MINUTE, **ENDS[request_.kind])
    await watch(ledger, request_, minute=3, notifications=(gone,))
    history = await ledger.history(read(request_, minute=3), at=NOW + 3 * MINUTE)
    assert history.answer_states[request_.key] is AnswerState.ACCEPTED
    await ledger.record_decisions([decided(request_, HOLD)], [], mode=Mode.ENFORCE, at=NOW + 3 * MINUTE)
    assert [row.time for row in await ledger.decisions()] == [1]
    assert (await see(ledger, request_, minute=4)).answer_states[request_.key] is AnswerState.UNANSWERED


async def test_it_is_the_next_time_after_a_removal_of_ours(ledger, request_):
    """`account unshare` or `account disconnect`, done."""
    await answered(ledger, request_)
    removal = Removal(key=request_.key, keep_shares=False if request_.kind is Kind.CONNECTION else None)
    number = await ledger.record_removal_intent(removal, by="ada", at=NOW + 2 * MINUTE)
    assert (await see(ledger, request_, minute=3)).answer_states[request_.key] is AnswerState.ACCEPTED
    await ledger.record_removal_outcome(number, Outcome.DONE, "", at=NOW + 4 * MINUTE)
    assert (await see(ledger, request_, minute=5)).answer_states[request_.key] is AnswerState.UNANSWERED


async def test_it_is_the_next_time_after_two_reads_of_what_is_shared_without_it(ledger):
    """Of the owner's properties; of the customers for a connection. One read is not enough."""
    for request in (REQUESTS["connection"], REQUESTS["property"]):
        await answered(ledger, request)
    asked = (REQUESTS["connection"], REQUESTS["property"])
    await watch(ledger, minute=1, connected=frozenset({ALICE}), shared_properties={ALICE: frozenset({11})})
    await watch(ledger, minute=2, shared_properties={ALICE: frozenset()})
    assert set((await see(ledger, *asked, minute=3)).answer_states.values()) == {AnswerState.ACCEPTED}
    await watch(ledger, minute=4, shared_properties={ALICE: frozenset()})
    assert set((await see(ledger, *asked, minute=5)).answer_states.values()) == {AnswerState.UNANSWERED}


async def watch(ledger: SqlLedger, *requests: PendingRequest, minute: float, **said: object) -> None:
    """Record a read of this minute, and compare it with what was decided, as a cycle does."""
    seen = read(*requests, minute=minute, **said)
    at = NOW + minute * MINUTE + timedelta(seconds=2)
    await ledger.record_snapshot(seen, at=at)
    await ledger.reconcile(seen, at=at)


async def test_without_an_answer_of_ours_a_return_reopens_the_same_row(ledger, request_):
    """With when it was first seen and since when it is held: that it was away for a while is no new request."""
    await see(ledger, request_, minute=0)
    decision = replace(decided(request_, HOLD), rule="wait")
    await ledger.record_decisions([decision], [], mode=Mode.ENFORCE, at=NOW)
    for minute in (1, 2):
        await see(ledger, minute=minute)
    assert list((await outcomes(ledger)).values()) == [Outcome.SETTLED_ELSEWHERE]
    unrecorded = await ledger.history(read(request_, minute=3), at=NOW + 3 * MINUTE)
    history = await see(ledger, request_, minute=3)
    for known in (unrecorded, history):
        assert known.answer_states[request_.key] is AnswerState.UNANSWERED
        assert known.held[request_.key].since == NOW
    (row,) = await ledger.decisions()
    assert (row.time, row.outcome, row.first_seen) == (1, None, NOW + timedelta(seconds=2))
    await answer(ledger, request_, ACCEPT, minute=3)
    assert list((await outcomes(ledger)).values()) == [Outcome.DONE]


async def test_what_fell_and_comes_back_is_reopened(ledger):
    """It is judged again: it had no answer of its own."""
    parent, child = REQUESTS["connection"], REQUESTS["property"]
    await see(ledger, parent, child, minute=0)
    await ledger.record_decisions([decided(child, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await answer(ledger, parent, REJECT, minute=0, falls=(child.key,))
    for minute in (1, 2):
        await see(ledger, minute=minute)
    assert (await outcomes(ledger))["property:11/1"] is Outcome.FALLEN
    history = await see(ledger, parent, child, minute=3)
    assert history.answer_states == {parent.key: AnswerState.REJECTED, child.key: AnswerState.UNANSWERED}
    assert (await outcomes(ledger)) == {"connection:410221/1": Outcome.DONE, "property:11/1": None}


# A twin: the same id twice in one read.

NEW = {"requested_at": NOW}


@pytest.mark.parametrize("order", [1, -1], ids=["new last", "new first"])
@pytest.mark.parametrize("other", [NEW, NEW | EDITED, {"sender_id": 7}, {"account_id": None} | NEW])
async def test_an_id_stands_as_the_weakest_of_its_elements(ledger, request_, other, order):
    """A new request beside the one that we accepted and that lags: an answer that names the id would take both."""
    await answered(ledger, request_)
    both = (request_, replace(request_, **other))[::order]
    assert (await see(ledger, *both, minute=1)).answer_states[request_.key] is AnswerState.UNANSWERED


async def test_an_id_of_which_one_element_is_in_doubt_is_in_doubt(ledger, request_):
    """Whatever the other is."""
    await answered(ledger, request_, outcome=Outcome.OPEN)
    for both in ((request_, replace(request_, **NEW)), (replace(request_, **NEW), request_)):
        assert (await see(ledger, *both, minute=1)).answer_states[request_.key] is AnswerState.IN_DOUBT


# What one read misses.


async def test_what_one_read_misses_is_told_until_a_second_misses_it(ledger, request_):
    """Whether or not it was recorded; with what it says in its custom fields."""
    request = replace(request_, **EDITED)
    await see(ledger, request, minute=0)
    unrecorded = await ledger.history(read(minute=1), at=NOW + MINUTE)
    for known in (unrecorded, await see(ledger, minute=1)):
        (missed,) = known.missed
        assert (missed.request.key, missed.claim.custom) == (request.key, request.custom)
        assert known.answer_states == {request.key: AnswerState.UNANSWERED}
    assert (await ledger.history(read(minute=2), at=NOW + 2 * MINUTE)).missed == ()
    assert (await see(ledger, request, minute=2)).missed == ()
    for minute, missed in ((3, 1), (4, 0)):
        assert len((await see(ledger, minute=minute)).missed) == missed


async def test_what_was_refused_or_is_in_doubt_is_missed_too(ledger):
    """Only what was answered is waited for by nobody."""
    refused, doubtful, done = (property_share(number, **DATED) for number in (11, 12, 13))
    await see(ledger, refused, doubtful, done, minute=0)
    await answer(ledger, refused, ACCEPT, minute=0, outcome=Outcome.REFUSED)
    await answer(ledger, doubtful, ACCEPT, minute=0, outcome=Outcome.OPEN)
    await answer(ledger, done, ACCEPT, minute=0)
    history = await see(ledger, minute=1)
    assert [each.request.id for each in history.missed] == [11, 12]
    assert history.answer_states == {refused.key: AnswerState.UNANSWERED, doubtful.key: AnswerState.IN_DOUBT}


async def test_what_a_customer_edits_is_not_missed(ledger, request_):
    """The same created date: its earlier content pends no more, and claims nothing."""
    await see(ledger, request_, minute=0)
    history = await see(ledger, replace(request_, **EDITED), minute=1)
    assert history.missed == ()
    await see(ledger, request_, minute=2)
    again = await see(ledger, replace(request_, **NEW), minute=3)
    assert [each.request.key for each in again.missed] == [request_.key]


STRANGE = Unreadable(Kind.PROPERTY, "no id", b"<property/>")


def beside(*requests: PendingRequest, strange: Unreadable = STRANGE) -> dict[str, object]:
    """A list of properties with an element that has no readable id."""
    return {"properties": pending_list(Kind.PROPERTY, requests, unreadable=(strange,))}


async def test_an_unreadable_element_keeps_no_ghost_alive_that_was_read_beside_it(ledger):
    """It is another request, since both stood in one list; of any other it may be the remains."""
    seen, unseen = property_share(11, **DATED), property_share(12, **DATED)
    await see(ledger, unseen, minute=0)
    await see(ledger, minute=1, **beside(seen, unseen, strange=replace(STRANGE, source=b"<p/>")))
    await see(ledger, minute=2, **beside(seen))
    for minute in (3, 4):
        await see(ledger, minute=minute, **beside())
    for each in (seen, unseen):
        await ledger.record_decisions([decided(each, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    found = await outcomes(ledger)
    assert found == {"property:11/1": Outcome.SETTLED_ELSEWHERE, "property:12/1": None}
    history = await see(ledger, minute=5, **beside())
    assert [each.request.id for each in history.missed] == [12]


# Generated: any sequence of reads that show it, miss it, or show it edited, after an answer.

steps = st.lists(st.sampled_from(["shown", "missed", "edited", "failed"]), min_size=1, max_size=8)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    steps,
    st.sampled_from(list(REQUESTS.values())),
    st.sampled_from([Outcome.DONE, Outcome.OPEN]),
    st.sampled_from([ACCEPT, REJECT]),
)
async def test_no_sequence_of_reads_makes_an_answered_request_the_next_time(ledger, seen, one, outcome, verdict):
    """Only an end that the ledger knows does; a request without an answer keeps its one row."""
    number = next(_NUMBERS)
    asked, held = replace(one, id=number), replace(one, id=-number)
    await see(ledger, asked, held, minute=0)
    await ledger.record_decisions([decided(held, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await answer(ledger, asked, verdict, minute=0, outcome=outcome)
    for minute, how in enumerate(seen, start=1):
        edited = EDITED if how == "edited" else {}
        listed = () if how == "missed" else (replace(asked, **edited), held)
        failed = {"failed": one.kind} if how == "failed" else {}
        history = await see(ledger, *listed, minute=minute * 7, **failed)
        if listed:
            assert history.answer_states[asked.key] in LISTED
            assert history.answer_states[held.key] is AnswerState.UNANSWERED
    rows = [row for row in await ledger.decisions(every=True) if abs(row.id) == number]
    assert sorted(row.key for row in rows) == sorted([asked.key, held.key])
    assert {row.time for row in rows} == {1}


_NUMBERS = count(1_000)
"""One ledger for all examples, each with requests of its own."""
