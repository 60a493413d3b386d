"""Clocks that are set: UNKNOWN_WAIT, limits and refusals wait for true time, as far as any clock can tell it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from pm_autoaccept.cli.support.preview import notices
from pm_autoaccept.ledger import pauses
from pm_autoaccept.model import Action, Outcome, ReasonKind
from pm_autoaccept.simulator import Fault, FaultKind
from tests.integration.clocks import CONNECTIONS
from tests.integration.test_cycle import posts

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BAD_GATEWAY = Fault(kind=FaultKind.STATUS, status=502, service="POST")


@pytest.mark.parametrize("set_by", [4 * MINUTE, 6 * MINUTE, 2 * HOUR, -6 * MINUTE])
async def test_an_answer_of_unknown_fate_waits_for_true_time_whatever_our_clock_says(ground, set_by):
    """It is not sent again a moment after the first, nor while the two clocks are more than five minutes apart."""
    made = await ground()
    made.simulator.faults.add(BAD_GATEWAY)
    await made.once()
    made.simulator.faults.clear()
    sent = made.posts
    assert sent > 1
    made.later(timedelta(seconds=6), set_by=set_by)
    for _ in range(3):
        await made.once()
        made.later(timedelta(seconds=6))
    assert made.posts == sent
    made.later(5 * MINUTE)
    await made.once()
    agree = abs(set_by) <= 5 * MINUTE
    assert made.posts == (2 * sent if agree else sent)
    # Set right again, it is sent again after all.
    made.later(10 * MINUTE, set_by=-set_by)
    for _ in range(2):
        await made.once()
        made.later(10 * MINUTE)
    assert made.posts > sent


@pytest.mark.parametrize("set_by", [6 * MINUTE, -6 * MINUTE])
async def test_new_answers_leave_while_the_clocks_are_apart_and_what_waits_is_shown(ground, set_by):
    """Only what would be sent again waits; people are told why."""
    made = await ground()
    made.simulator.faults.add(BAD_GATEWAY)
    await made.once()
    made.simulator.faults.clear()
    made.later(20 * MINUTE, set_by=set_by)
    await made.once()
    made.later(MINUTE)
    before = made.posts
    planned = await made.once()
    assert made.posts == before
    waiting = [kept.reason for kept in planned.kept_back if kept.reason.kind is ReasonKind.IN_DOUBT]
    assert waiting
    assert all("seconds apart" in reason.text for reason in waiting), waiting
    (notice,) = notices(planned)
    assert f"360 seconds apart. No answer of unknown fate is sent again until they agree, and {len(waiting)}" in notice
    asks_again, *others = [kept.decision.key for kept in planned.kept_back if kept.reason in waiting]
    made.simulator.act("withdraw", account=asks_again.id)
    made.simulator.act("connect", account=asks_again.id)
    for _ in range(3):
        made.later(6 * MINUTE)
        await made.once()
    left = {int(call.path.rpartition("/")[2]) for call in posts(made.simulator)[before:]}
    assert asks_again.id in left
    assert left.isdisjoint(key.id for key in others)


@pytest.mark.parametrize("set_by", [2 * HOUR, -2 * HOUR])
async def test_a_limit_holds_in_true_time_whatever_our_clock_says(ground, set_by):
    """2 in any hour: with our clock set forward by two hours, no more than two leave within one."""
    made = await ground(CONNECTIONS.replace(b"accept: none", b"accept: 2 per 1h"))
    await made.once()
    assert made.posts == 2
    for _ in range(3):
        made.later(10 * MINUTE, set_by=set_by / 3)
        planned = await made.once()
        assert made.posts == 2
        assert {kept.reason.kind for kept in planned.kept_back} >= {ReasonKind.OVER_LIMIT}
    made.later(40 * MINUTE, set_by=-set_by)
    await made.once()
    assert made.posts == 3


async def test_a_limit_says_when_it_goes_on_by_our_clock(ground):
    """What a person reads is compared with the clock on the wall, as wrong as that may be."""
    made = await ground(CONNECTIONS.replace(b"accept: none", b"accept: 2 per 1h"))
    await made.once()
    made.later(10 * MINUTE, set_by=2 * HOUR)
    planned = await made.once()
    said = " ".join({kept.reason.text for kept in planned.kept_back if kept.reason.kind is ReasonKind.OVER_LIMIT})
    # A `Date` has whole seconds.
    assert re.search(r"it resumes at 2026-03-04 15:0[01] UTC", said), said


async def test_a_refusal_s_time_is_true_time(ground):
    """After a 403 an hour passes before the same is tried again, though our clock was set forward by two."""
    made = await ground()
    made.simulator.faults.add(Fault(kind=FaultKind.STATUS, status=403, service="POST"))
    await made.once()
    sent = made.posts
    made.later(10 * MINUTE, set_by=2 * HOUR)
    await made.once()
    assert made.posts == sent
    made.later(51 * MINUTE)
    await made.once()
    assert made.posts == 2 * sent


async def test_a_lifted_limit_is_in_force_again_when_any_clock_says_so(ground):
    """Our clock was set back by two hours: the lift of an hour is over all the same."""
    made = await ground(CONNECTIONS.replace(b"accept: none", b"accept: 2 per 1d"))
    lifted = {"until": made.time.true + HOUR, "by": "ada", "at": made.time.true}
    await made.cycle.ledger.database.run(lambda it: pauses.lift_limit(it, None, Action.ACCEPT, **lifted))
    made.later(61 * MINUTE, set_by=-2 * HOUR)
    await made.once()
    assert made.posts == 2


async def test_without_a_date_our_clock_alone_decides(ground):
    """A service, or a proxy, need not say what time it is."""
    made = await ground(no_date=True)
    made.simulator.faults.add(BAD_GATEWAY)
    await made.once()
    made.simulator.faults.clear()
    sent = made.posts
    for _ in range(2):
        made.later(6 * MINUTE)
        await made.once()
    assert made.posts == 2 * sent
    assert {receipt.outcome for receipt in made.answered[sent:]} == {Outcome.DONE}
