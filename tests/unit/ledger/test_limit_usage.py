"""What counts toward a limit, by both clocks, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.elapsed_time import Moment
from pm_autoaccept.ledger.limit_usage import count_answers, limit_usage
from pm_autoaccept.model import Action, Limit, Mode, Outcome, ProviderAccount, Receipt, Step
from tests.examples import NOW, connection, decided, meter_share, property_share
from tests.unit.ledger.acting import ACCEPT, REJECT, SERVICE, answer, see

HOUR = timedelta(hours=1)
ACCEPTS = Limit(action=Action.ACCEPT, at_most=3, period=HOUR)
REJECTS = Limit(action=Action.REJECT, at_most=3, period=HOUR)
SHARE = Limit(action=Action.REJECT, percent=25, period=HOUR)


async def counted(ledger: SqlLedger, limit: Limit, now: Moment) -> tuple[int, int]:
    """How many answers of the limit's action there are, and of both."""
    return await ledger.database.read(lambda bound: count_answers(bound, 1, limit, now=now))


async def send(ledger: SqlLedger, number: int, *, at: timedelta, skew: timedelta | None = None) -> None:
    """Accept a request at this time after NOW by our clock; the service's is ahead by `skew`."""
    request = connection(number)
    await see(ledger, request, minute=-600)
    step = Step(decision=decided(request, ACCEPT), action=Action.ACCEPT, clock_skew=skew)
    await ledger.record_decisions([step.decision], [], mode=Mode.ENFORCE, at=NOW)
    intent = await ledger.record_intent(step, at=NOW + at)
    await ledger.record_outcome(intent, Receipt(step=step, outcome=Outcome.DONE), at=NOW + at)


async def test_an_answer_counts_as_long_as_any_clock_puts_it_inside_and_only_once(ledger):
    """Inside by both clocks, by ours alone, by the service's alone, and by neither."""
    minutes = timedelta(minutes=1)
    await send(ledger, 1, at=-30 * minutes, skew=timedelta())
    await send(ledger, 2, at=-30 * minutes, skew=-90 * minutes)
    await send(ledger, 3, at=-90 * minutes, skew=60 * minutes)
    await send(ledger, 4, at=-90 * minutes, skew=timedelta())
    await send(ledger, 5, at=-30 * minutes)
    assert await counted(ledger, ACCEPTS, Moment(NOW)) == (3, 3)
    assert await counted(ledger, ACCEPTS, Moment(NOW, skew=timedelta())) == (4, 4)


async def test_what_fell_with_a_reject_counts_and_what_was_not_sent_does_not(ledger):
    """The request below counts as a reject of its own, once."""
    shared, below, other = property_share(5), meter_share(50, 5), property_share(6)
    await see(ledger, shared, below, other, minute=0)
    await answer(ledger, shared, REJECT, minute=0, falls=(below.key,))
    await answer(ledger, other, ACCEPT, minute=0)
    withdrawn = Step(decision=decided(below, ACCEPT), action=Action.ACCEPT)
    await ledger.withdraw_intent(await ledger.record_intent(withdrawn, at=NOW))
    for now in (Moment(NOW), Moment(NOW, skew=timedelta())):
        assert await counted(ledger, REJECTS, now) == (2, 3)
        assert await counted(ledger, ACCEPTS, now) == (1, 3)
        assert await counted(ledger, SHARE, now) == (2, 3)


async def test_answers_of_another_account_do_not_count(ledger, ledger_address):
    """Each account of a ledger has its own limits."""
    theirs = await SqlLedger.open(ledger_address, name="theirs")
    await theirs.claim(service=SERVICE, provider=ProviderAccount(2, "they"), at=NOW)
    await see(theirs, connection(), minute=0)
    await answer(theirs, connection(), ACCEPT, minute=0)
    await theirs.close()
    assert await counted(ledger, ACCEPTS, Moment(NOW, skew=timedelta())) == (0, 0)


@pytest.mark.parametrize(("at_most", "minutes"), [(1, -10), (2, -20), (5, -30), (0, None), (None, -30)])
async def test_room_comes_when_the_oldest_of_the_newest_answers_leaves_the_period(ledger, at_most, minutes):
    """Of as many as the limit allows; a limit of 0 never has room, and a percentage looks at all."""
    for number, minute in enumerate((-30, -20, -10), start=1):
        await send(ledger, number, at=timedelta(minutes=minute), skew=timedelta())
    limit = Limit(action=Action.ACCEPT, at_most=at_most, percent=None if at_most is not None else 50, period=HOUR)
    now = Moment(NOW, skew=timedelta())
    (usage,) = await ledger.database.read(lambda bound: limit_usage(bound, 1, [limit], now=now))
    assert usage.frees_from == (None if minutes is None else NOW + timedelta(minutes=minutes))
