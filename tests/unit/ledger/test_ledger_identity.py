"""Which request is which: lag, the next time, another request, and what two whole reads without it mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from pm_autoaccept.model import (
    AnswerState,
    CustomField,
    Kind,
    Mode,
    Notification,
    Outcome,
)
from tests.examples import NOW, connection, decided, key, meter_share, property_share
from tests.unit.ledger.acting import ACCEPT, HOLD, REJECT, answer, outcomes, see


async def test_an_accept_that_is_done_and_still_listed_is_lag(ledger):
    """It is waited for, never answered again."""
    request = connection()
    assert (await see(ledger, request, minute=0)).answer_states[request.key] is AnswerState.UNANSWERED
    await answer(ledger, request, ACCEPT, minute=0)
    assert (await see(ledger, request, minute=1)).answer_states[request.key] is AnswerState.ACCEPTED


async def test_a_reject_that_is_done_and_still_listed_is_lag_and_keeps_its_property_s_meters_back(ledger):
    """The ledger says which properties we rejected, until we accept them."""
    request, meter = property_share(11), meter_share(21, 11)
    await see(ledger, request, meter, minute=0)
    await answer(ledger, request, REJECT, minute=0)
    history = await see(ledger, request, meter, minute=1)
    assert history.answer_states[request.key] is AnswerState.REJECTED
    assert history.rejected_properties == {11}
    for minute in (2, 3):
        await see(ledger, meter, minute=minute)
    await see(ledger, request, meter, minute=4)
    await answer(ledger, request, ACCEPT, minute=4)
    assert (await see(ledger, meter, minute=5)).rejected_properties == frozenset()


async def test_without_a_created_date_an_answered_request_that_was_absent_and_appears_again_is_the_next_time(ledger):
    """The same question asked again after two reads without it is open to be answered; one read is no absence."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, REJECT, minute=0)
    await see(ledger, minute=1)
    assert (await see(ledger, request, minute=2)).answer_states[request.key] is AnswerState.REJECTED
    for minute in (3, 4):
        await see(ledger, minute=minute)
    assert (await see(ledger, request, minute=5)).answer_states[request.key] is AnswerState.UNANSWERED
    await answer(ledger, request, ACCEPT, minute=5)
    assert await outcomes(ledger) == {"connection:410221/1": Outcome.DONE, "connection:410221/2": Outcome.DONE}


@pytest.mark.parametrize(
    "otherwise",
    [
        {"custom": (CustomField("Utility Customer Number", "2"),)},
        {"access_level": "Read"},
        {"sender_id": 7},
        {"requested_at": NOW},
    ],
)
async def test_a_request_that_asks_otherwise_is_another_request(ledger, otherwise):
    """Identity is what was asked, not the id alone."""
    first = property_share(11, access_level="Read Write")
    second = replace(first, **otherwise)
    await see(ledger, first, minute=0)
    await answer(ledger, first, REJECT, minute=0)
    assert (await see(ledger, second, minute=1)).answer_states[second.key] is AnswerState.UNANSWERED


async def test_a_request_that_nobody_answered_is_gone_after_two_whole_reads(ledger):
    """One read without it may be a page that shifted; after two it was settled elsewhere, and may come back."""
    request = connection()
    await see(ledger, request, minute=0)
    await ledger.record_decisions([decided(request, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await see(ledger, minute=1)
    assert await outcomes(ledger) == {"connection:410221/1": None}
    await see(ledger, minute=2)
    assert await outcomes(ledger) == {"connection:410221/1": Outcome.SETTLED_ELSEWHERE}
    assert (await see(ledger, request, minute=3)).answer_states[request.key] is AnswerState.UNANSWERED


async def test_a_request_that_was_missed_once_and_is_seen_again_is_the_same(ledger):
    """Two reads must miss it in a row."""
    request = connection()
    await see(ledger, request, minute=0)
    await ledger.record_decisions([decided(request, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    for minute in (1, 3, 5):
        await see(ledger, minute=minute)
        await see(ledger, request, minute=minute + 1)
    assert await outcomes(ledger) == {"connection:410221/1": None}


@pytest.mark.parametrize("doubt", [{"failed": Kind.CONNECTION}, {"strange": Kind.CONNECTION}])
async def test_a_list_that_is_not_whole_proves_nothing(ledger, doubt):
    """What is not seen in half a list, or in one with an unreadable element, may pend all the same."""
    request = connection()
    await see(ledger, request, minute=0)
    await ledger.record_decisions([decided(request, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    for minute in (1, 2, 3):
        await see(ledger, minute=minute, **doubt)
    assert await outcomes(ledger) == {"connection:410221/1": None}


async def test_a_read_that_began_before_the_answer_proves_no_absence(ledger):
    """An old read that comes late must not make an answered request look absent, and so answerable again."""
    request = connection()
    await see(ledger, request, minute=5)
    await answer(ledger, request, ACCEPT, minute=5)
    await see(ledger, minute=5)
    assert (await see(ledger, request, minute=6)).answer_states[request.key] is AnswerState.ACCEPTED


async def test_the_same_moment_in_another_zone_is_the_same_request(ledger):
    """Portfolio Manager may write an offset otherwise tomorrow; the request is not asked anew by that."""
    first = connection(requested_at=NOW)
    await see(ledger, first, minute=0)
    await answer(ledger, first, ACCEPT, minute=0)
    second = replace(first, requested_at=NOW.astimezone(timezone(timedelta(hours=-5))))
    assert (await see(ledger, second, minute=1)).answer_states[first.key] is AnswerState.ACCEPTED


async def test_of_a_request_that_was_asked_twice_the_latest_time_is_told(ledger):
    """A summary counts each pending request once."""
    request = connection()
    for minute in (0, 3):
        await see(ledger, request, minute=minute)
        await answer(ledger, request, REJECT, minute=minute)
        await see(ledger, minute=minute + 1)
        await see(ledger, minute=minute + 2)
    (row,) = await ledger.decisions(keys=[request.key, key("meter", 1)])
    assert row.time == 2


async def test_elements_without_an_id_and_notifications_are_kept_once(ledger):
    """Seen twice, stored once."""
    told = Notification(id=5, type="UNSHARE", description="gone", created_at=NOW)
    for minute in (0, 1):
        await see(ledger, minute=minute, strange=Kind.METER, notifications=(told,))

    def counts(bound):
        queries = ("SELECT count(*) FROM unreadable", "SELECT count(*) FROM notification")
        return [bound.exec_driver_sql(query).scalar() for query in queries]

    assert await ledger.database.read(counts) == [1, 1]
