"""What falls along with a reject of ours."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from pm_autoaccept.ledger.db.tables import request
from pm_autoaccept.model import (
    Action,
    AnswerState,
    Kind,
    Limit,
    Mode,
    Outcome,
    Step,
)
from tests.examples import ALICE, NOW, connection, decided, key, meter_share, property_share, snapshot
from tests.unit.ledger.acting import HOLD, REJECT, answer, outcomes, see


async def test_what_falls_with_a_reject_is_recorded_when_it_is_seen_to_be_gone(ledger):
    """The world is asked before the ledger claims it; the cause is named."""
    parent, child = connection(), property_share(11)
    await see(ledger, parent, child, minute=0)
    await ledger.record_decisions([decided(child, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await answer(ledger, parent, REJECT, minute=0, falls=(child.key,))
    assert (await outcomes(ledger))["property:11/1"] is None
    await see(ledger, minute=1)
    assert (await outcomes(ledger))["property:11/1"] is None
    await see(ledger, minute=2)
    row = next(row for row in await ledger.decisions() if row.kind is Kind.PROPERTY)
    assert (row.outcome, row.cause) == (Outcome.FALLEN, key("connection", ALICE))


async def test_a_meter_falls_with_its_property_before_their_connection(ledger):
    """The nearest reject is the cause, unless the meter was seen to pend after it."""
    top, parent, child = connection(), property_share(11), meter_share(21, 11)
    for minute, cause in ((0, parent.key), (10, top.key)):
        await see(ledger, top, parent, child, minute=minute)
        await ledger.record_decisions([decided(child, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
        await answer(ledger, parent, REJECT, minute=minute, falls=(child.key,))
        if cause == top.key:
            await see(ledger, top, child, minute=minute + 1)
        await answer(ledger, top, REJECT, minute=minute + 1, falls=(child.key,))
        for later in (2, 3):
            await see(ledger, minute=minute + later)
        rows = [row for row in await ledger.decisions() if row.kind is Kind.METER]
        assert (rows[-1].outcome, rows[-1].cause) == (Outcome.FALLEN, cause)


async def test_what_may_fall_and_does_not_stays_open(ledger):
    """Rejecting a property need not take its meters along."""
    parent, child = property_share(11), meter_share(21, 11)
    await see(ledger, parent, child, minute=0)
    await ledger.record_decisions([decided(child, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await answer(ledger, parent, REJECT, minute=0, falls=(child.key,))
    assert (await see(ledger, child, minute=1)).answer_states[child.key] is AnswerState.UNANSWERED
    assert (await outcomes(ledger))["meter:21/1"] is None


async def test_a_fulfilled_answer_that_a_step_of_ours_explains_is_fallen(ledger):
    """400/-200 to a child of what we rejected is no mystery; to any other it was settled elsewhere."""
    parent, child, other = connection(), property_share(11), property_share(12, 9)
    await see(ledger, parent, child, other, minute=0)
    await answer(ledger, parent, REJECT, minute=0, falls=(child.key,))
    await answer(ledger, child, REJECT, minute=0, outcome=Outcome.SETTLED_ELSEWHERE)
    await answer(ledger, other, REJECT, minute=0, outcome=Outcome.SETTLED_ELSEWHERE)
    found = await outcomes(ledger)
    assert (found["property:11/1"], found["property:12/1"]) == (Outcome.FALLEN, Outcome.SETTLED_ELSEWHERE)
    history = await see(ledger, child, minute=0)
    assert history.answer_states[child.key] is AnswerState.SETTLED


async def test_what_falls_is_noted_before_the_reject_leaves(ledger):
    """A kill between the POST and its record leaves the explanation behind; a refused reject takes it back."""
    parent, child = connection(), property_share(11)
    await see(ledger, parent, child, minute=0)
    await ledger.record_decisions([decided(child, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await answer(ledger, parent, REJECT, minute=0, outcome=Outcome.OPEN, falls=(child.key,))
    for minute in (1, 2):
        await see(ledger, minute=minute)
    assert (await outcomes(ledger))["property:11/1"] is Outcome.GONE
    again, spared = connection(9), property_share(19, 9)
    await see(ledger, again, spared, minute=10)
    await ledger.record_decisions([decided(spared, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await answer(ledger, again, REJECT, minute=10, outcome=Outcome.REFUSED, falls=(spared.key,))
    for minute in (11, 12):
        await see(ledger, again, minute=minute)
    assert (await outcomes(ledger))["property:19/1"] is Outcome.SETTLED_ELSEWHERE


@pytest.mark.parametrize("how", ["withdrawn", "refused"])
async def test_where_a_later_reject_was_not_done_the_earlier_one_is_the_cause_again(ledger, how):
    """A property's reject is done, its meter pends still, and their connection's reject takes over, and fails."""
    top, parent, child = connection(), property_share(11), meter_share(21, 11)
    await see(ledger, top, parent, child, minute=0)
    await ledger.record_decisions([decided(child, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await answer(ledger, parent, REJECT, minute=0, falls=(child.key,))
    await see(ledger, top, child, minute=1)
    if how == "refused":
        await answer(ledger, top, REJECT, minute=1, outcome=Outcome.REFUSED, falls=(child.key,))
    else:
        await withdrawn(ledger, top, child.key)
    limit = Limit(action=Action.REJECT, at_most=9, period=timedelta(hours=1))
    (tally,) = (await ledger.history(snapshot(), limits=[limit], at=NOW)).limit_usage
    assert tally.count == (3 if how == "refused" else 2)
    for minute in (2, 3):
        await see(ledger, top, minute=minute)
    (row,) = [row for row in await ledger.decisions() if row.kind is Kind.METER]
    assert (row.outcome, "by our reject of its parent request" in row.outcome_text) == (Outcome.GONE, True)


async def test_of_several_rejects_that_were_not_done_none_is_a_cause(ledger):
    """Three took over from each other; when the last two come to nothing the first is the cause, and then none."""
    top, parent, child = connection(), property_share(11), meter_share(21, 11)
    await see(ledger, top, parent, child, minute=0)
    await ledger.record_decisions([decided(child, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await answer(ledger, parent, REJECT, minute=0, falls=(child.key,))
    causes = []
    for minute in (1, 2):
        await see(ledger, top, child, minute=minute)
        await withdrawn(ledger, top, child.key)
        causes.append(await cause_of(ledger, child.key))
    assert causes == [1, 1]
    await see(ledger, top, child, minute=3)
    await answer(ledger, top, REJECT, minute=3, falls=(child.key,))
    for minute in (4, 5):
        await see(ledger, minute=minute)
    (row,) = [row for row in await ledger.decisions() if row.kind is Kind.METER]
    assert (row.outcome, row.cause) == (Outcome.FALLEN, top.key)


async def withdrawn(ledger, request, *falls) -> None:
    """Intend a reject of which nothing is sent."""
    decision = decided(request, REJECT)
    await ledger.record_decisions([decision], [], mode=Mode.ENFORCE, at=NOW)
    await ledger.withdraw_intent(
        await ledger.record_intent(Step(decision=decision, action=Action.REJECT, falls=falls), at=NOW)
    )


async def cause_of(ledger, key) -> int | None:
    """The intent that may have taken a request along."""
    one = select(request.c.cascade_intent_id).where(request.c.kind == key.kind, request.c.pm_id == key.id)
    return await ledger.database.read(lambda it: it.execute(one).scalar_one())
