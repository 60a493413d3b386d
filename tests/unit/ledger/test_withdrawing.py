"""Intents of which nothing was sent are `not_sent`, and count for nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.db.tables import intent
from pm_autoaccept.model import (
    Action,
    AnswerState,
    CustomField,
    Limit,
    Mode,
    Outcome,
    PendingRequest,
    Receipt,
    Step,
    Verdict,
)
from tests.examples import NOW, connection, decided, meter_share, property_share, snapshot
from tests.unit.ledger.acting import ACCEPT, HOLD, REJECT, answer, see

HOUR = timedelta(hours=1)
table = intent.c


def step_for(request: PendingRequest, verdict: Verdict = ACCEPT, *falls: PendingRequest, repeats: bool = False) -> Step:
    """The step that answers it so."""
    action = Action.ACCEPT if verdict is ACCEPT else Action.REJECT
    return Step(
        decision=decided(request, verdict), action=action, falls=tuple(each.key for each in falls), repeats=repeats
    )


async def intend(ledger: SqlLedger, step: Step) -> int:
    """Decide and intend a step."""
    await ledger.record_decisions([step.decision], [], mode=Mode.ENFORCE, at=NOW)
    return await ledger.record_intent(step, at=NOW)


async def test_a_request_whose_intent_was_withdrawn_was_not_answered(ledger):
    """It counts for no limit, is not in doubt, and may be answered."""
    request = connection()
    await see(ledger, request, minute=0)
    await ledger.withdraw_intent(await intend(ledger, step_for(request)))
    (row,) = await ledger.decisions()
    assert (row.answer, row.answered_at, row.outcome, row.outcome_at) == (None, None, None, None)
    assert await ledger.count_open_intents() == 0
    limit = Limit(action=Action.ACCEPT, at_most=1, period=HOUR)
    seen = await see(ledger, request, minute=1)
    assert seen.answer_states[request.key] is AnswerState.UNANSWERED
    (tally,) = (await ledger.history(snapshot(), limits=[limit], at=NOW)).limit_usage
    assert tally.count == 0
    await answer(ledger, request, ACCEPT, minute=1)
    assert [(row.answer, row.attempts, row.outcome) for row in await ledger.decisions()] == [
        ("Accept", 1, Outcome.DONE)
    ]


async def test_what_was_refused_before_stands_so_again(ledger):
    """With what Portfolio Manager said, and when."""
    request = property_share(11)
    await see(ledger, request, minute=0)
    refused = {"outcome": Outcome.REFUSED, "text": "403", "retry_not_before": NOW + timedelta(minutes=5)}
    await answer(ledger, request, ACCEPT, minute=0, **refused)
    (before,) = await ledger.decisions()
    await ledger.withdraw_intent(await intend(ledger, step_for(request)))
    assert await ledger.decisions() == [before]
    assert (await see(ledger, request, minute=1)).answer_states[request.key] is AnswerState.REFUSED


async def test_nothing_falls_with_a_reject_that_was_withdrawn(ledger):
    """What pended below it, and is gone later, was taken by somebody else."""
    parent, child = connection(), property_share(11)
    await see(ledger, parent, child, minute=0)
    await ledger.record_decisions([decided(child, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await ledger.withdraw_intent(await intend(ledger, step_for(parent, REJECT, child)))
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
    await ledger.record_outcome(intent, Receipt(step=step, outcome=outcome), at=NOW)
    await ledger.withdraw_intent(intent)
    assert [(row.answer, row.outcome) for row in await ledger.decisions()] == [("Accept", outcome)]


async def test_a_further_attempt_that_is_not_sent_leaves_the_first_in_doubt(ledger):
    """The first may have arrived."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    for minute in (3, 9):
        await see(ledger, request, minute=minute)
    limit = Limit(action=Action.ACCEPT, at_most=1, period=HOUR)
    at = NOW + timedelta(minutes=10)
    for _ in range(3):
        before = await ledger.history(snapshot(), limits=[limit], at=at)
        again = await ledger.record_intent(step_for(request, repeats=True), at=at)
        await ledger.withdraw_intent(again)
        (row,) = await ledger.decisions()
        assert (row.answer, row.outcome, row.attempts) == ("Accept", Outcome.OPEN, 1)
        # It counts from when it was sent, and may be sent again at once.
        assert await ledger.history(snapshot(), limits=[limit], at=at) == before
        assert (await see(ledger, request, minute=10)).answer_states[request.key] is AnswerState.REPEATABLE


async def intents(ledger: SqlLedger) -> list[tuple[str, str]]:
    """Each intent on record, and what came of it."""
    rows = await ledger.database.read(lambda it: it.execute(select(table.action, table.outcome)).all())
    return [(row.action, row.outcome) for row in rows]


async def test_an_intent_that_never_left_stays_on_record_and_is_nobody_s_answer(ledger):
    """Every module that reads intents passes it by: decisions, what is accepted, what was rejected, what is shown."""
    home = property_share(11, custom=(CustomField("Number", "7"),))
    meter = meter_share(21, 11)
    await see(ledger, home, meter, minute=0)
    await ledger.withdraw_intent(await intend(ledger, step_for(home)))
    await ledger.withdraw_intent(await intend(ledger, step_for(home, REJECT)))
    assert await intents(ledger) == [("Accept", "not_sent"), ("Reject", "not_sent")]
    seen = await see(ledger, home, meter, minute=1)
    assert seen.rejected_properties == frozenset()
    assert seen.answer_states[home.key] is AnswerState.UNANSWERED
    assert await ledger.accepted_claims() == ()
    assert await ledger.owners_with_open_answers() == frozenset()
    await ledger.record_decisions([decided(home, HOLD)], [], mode=Mode.ENFORCE, at=NOW + HOUR)
    shown = {row.key: row for row in await ledger.decisions()}
    assert (shown[home.key].verdict, shown[home.key].outcome) == (HOLD, None)
    every = [(row.verdict, row.answer, row.not_sent) for row in await ledger.decisions(every=True)]
    assert every == [(ACCEPT, None, 1), (REJECT, None, 1), (HOLD, None, 0)]
    # What was settled elsewhere may have been accepted there.
    for minute in (10, 20):
        await see(ledger, meter, minute=minute)
    (claim,) = await ledger.accepted_claims()
    assert "answered elsewhere" in (claim.doubt or "")


async def test_what_was_refused_and_then_settled_elsewhere_may_have_been_accepted_there(ledger):
    """Our refused answer did nothing: people answered on Portfolio Manager's own pages."""
    home = property_share(11, custom=(CustomField("Number", "7"),))
    await see(ledger, home, minute=0)
    await answer(ledger, home, ACCEPT, minute=0, outcome=Outcome.REFUSED)
    for minute in (10, 20):
        await see(ledger, minute=minute)
    assert [claim.doubt is not None for claim in await ledger.accepted_claims()] == [True]


async def test_a_child_with_an_answer_that_never_left_counts_as_one_that_may_fall(ledger):
    """It has no answer of its own: its parent's reject may take it along, and a limit counts that."""
    parent, child = connection(), property_share(11)
    await see(ledger, parent, child, minute=0)
    await ledger.withdraw_intent(await intend(ledger, step_for(child, REJECT)))
    await ledger.record_decisions([decided(child, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await answer(ledger, parent, REJECT, minute=0, outcome=Outcome.OPEN, falls=(child.key,))
    assert len(await intents(ledger)) == 2
    limit = Limit(action=Action.REJECT, at_most=9, period=HOUR)
    (tally,) = (await ledger.history(snapshot(), limits=[limit], at=NOW)).limit_usage
    assert tally.count == 2
