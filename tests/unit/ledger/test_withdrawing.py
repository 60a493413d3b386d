"""Intents of which nothing was sent are taken back, as if they had not been there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import Action, Limit, Mode, Outcome, PendingRequest, Receipt, Standing, Step, Verdict
from tests.examples import NOW, connection, decided, property_share, snapshot
from tests.unit.ledger.acting import ACCEPT, HOLD, REJECT, answer, see

HOUR = timedelta(hours=1)


def step_for(request: PendingRequest, verdict: Verdict = ACCEPT, *falls: PendingRequest, repeats: bool = False) -> Step:
    """The step that answers it so."""
    action = Action.ACCEPT if verdict is ACCEPT else Action.REJECT
    return Step(
        decision=decided(request, verdict), action=action, falls=tuple(each.key for each in falls), repeats=repeats
    )


async def intend(ledger: SqlLedger, step: Step) -> int:
    """Decide and intend a step."""
    await ledger.decide([step.decision], [], mode=Mode.ENFORCE, at=NOW)
    return await ledger.intend(step, at=NOW)


async def test_a_request_whose_intent_was_withdrawn_was_not_answered(ledger):
    """It counts for no limit, is not in doubt, and may be answered."""
    request = connection()
    await see(ledger, request, minute=0)
    await ledger.withdraw(await intend(ledger, step_for(request)))
    (row,) = await ledger.decisions()
    assert (row.answer, row.answered_at, row.outcome, row.outcome_at) == (None, None, None, None)
    assert await ledger.open_intents() == 0
    limit = Limit(action=Action.ACCEPT, at_most=1, period=HOUR)
    seen = await see(ledger, request, minute=1)
    assert seen.standing[request.key] is Standing.UNANSWERED
    (tally,) = (await ledger.history(snapshot(), limits=[limit], at=NOW)).tallies
    assert tally.count == 0
    await answer(ledger, request, ACCEPT, minute=1)
    assert [(row.answer, row.attempts, row.outcome) for row in await ledger.decisions()] == [
        ("Accept", 1, Outcome.DONE)
    ]


async def test_what_was_refused_before_stands_so_again(ledger):
    """With what Portfolio Manager said, and when."""
    request = property_share(11)
    await see(ledger, request, minute=0)
    refused = {"outcome": Outcome.REFUSED, "text": "403", "again_after": NOW + timedelta(minutes=5)}
    await answer(ledger, request, ACCEPT, minute=0, **refused)
    (before,) = await ledger.decisions()
    await ledger.withdraw(await intend(ledger, step_for(request)))
    assert await ledger.decisions() == [before]
    assert (await see(ledger, request, minute=1)).standing[request.key] is Standing.REFUSED


async def test_nothing_falls_with_a_reject_that_was_withdrawn(ledger):
    """What pended below it, and is gone later, was taken by somebody else."""
    parent, child = connection(), property_share(11)
    await see(ledger, parent, child, minute=0)
    await ledger.decide([decided(child, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await ledger.withdraw(await intend(ledger, step_for(parent, REJECT, child)))
    for minute in (10, 20):
        await see(ledger, minute=minute)
    assert {row.outcome for row in await ledger.decisions()} == {Outcome.SETTLED_ELSEWHERE}


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.GONE])
async def test_an_intent_that_is_settled_is_not_withdrawn(ledger, outcome):
    """Another replica has recorded what became of it."""
    request = connection()
    await see(ledger, request, minute=0)
    step = step_for(request)
    intent = await intend(ledger, step)
    await ledger.conclude(intent, Receipt(step=step, outcome=outcome), at=NOW)
    await ledger.withdraw(intent)
    assert [(row.answer, row.outcome) for row in await ledger.decisions()] == [("Accept", outcome)]


async def test_a_further_attempt_that_is_not_sent_leaves_the_first_in_doubt(ledger):
    """The first may have arrived."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    for minute in (3, 9):
        await see(ledger, request, minute=minute)
    again = await ledger.intend(step_for(request, repeats=True), at=NOW + timedelta(minutes=10))
    await ledger.withdraw(again)
    assert [(row.answer, row.outcome) for row in await ledger.decisions()] == [("Accept", Outcome.OPEN)]
