"""Intents, refusals, and the decisions that stand behind them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from pm_autoaccept.errors import AlreadyAnswered, LedgerUnavailable
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.db.tables import decision as decision_table
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.model import (
    Action,
    AnswerState,
    Change,
    KeptBack,
    LastAnswer,
    Mode,
    Outcome,
    Reason,
    ReasonKind,
    Receipt,
    Step,
)
from tests.examples import NOW, connection, decided, property_share
from tests.unit.ledger.acting import ACCEPT, HOLD, MINUTE, REJECT, answer, outcomes, see


async def test_no_second_intent_is_recorded_for_an_answered_request(ledger):
    """Whatever plan or another process believes, the ledger lets nothing be answered twice."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0)
    with pytest.raises(AlreadyAnswered, match="by another process"):
        await answer(ledger, request, ACCEPT, minute=1)


async def test_an_intent_needs_a_recorded_decision(ledger):
    """Nothing is sent that the ledger could not explain."""
    step = Step(decision=decided(connection(), ACCEPT), action=Action.ACCEPT)
    with pytest.raises(LedgerUnavailable, match="before it was recorded"):
        await ledger.record_intent(step, at=NOW)
    with pytest.raises(LedgerUnavailable, match="before it was recorded"):
        await ledger.record_decisions([step.decision], [], mode=Mode.ENFORCE, at=NOW)


async def test_a_refused_answer_is_tried_again_only_when_its_time_has_come(ledger):
    """403 waits an hour; a refusal without a time waits for people."""
    for number, hour in ((11, NOW + timedelta(hours=1)), (12, None)):
        request = property_share(number)
        await see(ledger, request, minute=0)
        await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.REFUSED, text="403", retry_not_before=hour)
        assert (await see(ledger, request, minute=30)).answer_states[request.key] is AnswerState.REFUSED
        again = (await see(ledger, request, minute=61)).answer_states[request.key]
        assert again is (AnswerState.REFUSED if hour is None else AnswerState.UNANSWERED)
    await answer(ledger, property_share(11), ACCEPT, minute=61)
    assert (await outcomes(ledger))["property:11/1"] is Outcome.DONE


async def test_a_refused_answer_is_known_as_what_was_refused(ledger, monkeypatch):
    """Plan lets another answer through; a newer program may try the same again."""
    request = property_share(11)
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.REFUSED, text="400/-100")
    history = await see(ledger, request, minute=1)
    assert history.answer_states[request.key] is AnswerState.REFUSED
    assert history.sent == {request.key: LastAnswer(action=Action.ACCEPT, awaits=Change.REQUEST)}
    monkeypatch.setattr("pm_autoaccept.ledger.history.__version__", "99.0")
    assert (await see(ledger, request, minute=2)).answer_states[request.key] is AnswerState.UNANSWERED


async def test_the_wait_after_a_refusal_doubles_to_a_day(ledger):
    """An hour, two, four, eight, sixteen, then a day each time."""
    request = property_share(11)
    minute = 0
    for hours in (1, 2, 4, 8, 16, 24, 24):
        at = NOW + minute * MINUTE + timedelta(seconds=3)
        await see(ledger, request, minute=minute)
        hour = at + timedelta(hours=1)
        await answer(ledger, request, ACCEPT, minute=minute, outcome=Outcome.REFUSED, text="403", retry_not_before=hour)
        assert (await see(ledger, request, minute=minute + hours * 60 - 1)).answer_states[
            request.key
        ] is AnswerState.REFUSED
        minute += hours * 60 + 1
        assert (await see(ledger, request, minute=minute)).answer_states[request.key] is AnswerState.UNANSWERED


async def test_a_decision_is_a_new_row_only_when_verdict_rule_or_kind_of_reason_changes(ledger):
    """An age or a digest that changes makes no row."""
    request = connection()
    await see(ledger, request, minute=0)
    hold = decided(request, HOLD)
    back = KeptBack(replace(hold, verdict=ACCEPT), Reason(ReasonKind.IN_DOUBT, "waits"))
    for decisions, kept in (
        ([hold], []),
        ([replace(hold, policy_digest="other")], []),
        ([replace(hold, rule="other")], []),
        ([back.decision], []),
        ([back.decision], [back]),
        ([back.decision], [back]),
    ):
        await ledger.record_decisions(decisions, kept, mode=Mode.OBSERVE, at=NOW)
    rows = await ledger.decisions(every=True)
    assert [(row.verdict, row.rule, row.kept_back) for row in rows] == [
        (HOLD, "a-rule", None),
        (HOLD, "other", None),
        (ACCEPT, "a-rule", None),
        (ACCEPT, "a-rule", ReasonKind.IN_DOUBT),
    ]
    assert len(await ledger.decisions()) == 1


async def test_a_decision_that_is_not_the_last_any_more_is_recorded_again_behind_its_answer(ledger):
    """The plan knows what this cycle appended; another process, or a copy that was restored, may have changed it since.

    The answer then has a row of its own, with the decision that led to it, and never another decision's number.
    """
    first, second, third = (connection(number) for number in (1, 2, 3))
    await see(ledger, first, second, third, minute=0)
    decisions = [decided(request, ACCEPT, policy_digest="ours") for request in (first, second, third)]
    appended = await ledger.record_decisions(decisions, [], mode=Mode.ENFORCE, at=NOW)
    other = SqlLedger(ledger.database)
    other._provider = ledger._provider
    await other.record_decisions([decided(second, REJECT, policy_digest="theirs")], [], mode=Mode.OBSERVE, at=NOW)
    await ledger.database.run(lambda bound: bound.execute(delete(decision_table).where(_decision_of(third))))
    steps = [Step(decision=made, action=Action.ACCEPT, decision_number=number) for made, number in appended]
    await asyncio.gather(*(ledger.record_intent(step, at=NOW) for step in steps))
    behind = (
        select(request_table.c.pm_id, decision_table.c.policy_digest)
        .join(intent_table, intent_table.c.request_id == request_table.c.id)
        .join(decision_table, decision_table.c.id == intent_table.c.decision_id)
        .where(decision_table.c.request_id == request_table.c.id)
    )
    recorded = await ledger.database.read(lambda bound: bound.execute(behind).all())
    assert sorted(map(tuple, recorded)) == [(1, "ours"), (2, "ours"), (3, "ours")]
    assert [row.policy_digest for row in await ledger.decisions(every=True, keys=[first.key])] == ["ours"]


def _decision_of(request):
    row = select(request_table.c.id).where(request_table.c.pm_id == request.id).scalar_subquery()
    return decision_table.c.request_id == row


async def test_the_decision_behind_an_answer_is_on_record_as_it_was_made(ledger):
    """Mode, policy and evidence of what was sent, whatever was decided before or by another process meanwhile."""
    request = connection()
    await see(ledger, request, minute=0)
    earlier = decided(request, ACCEPT, policy_digest="old")
    await ledger.record_decisions([earlier], [], mode=Mode.OBSERVE, at=NOW)
    await ledger.record_decisions([decided(request, REJECT, policy_digest="theirs")], [], mode=Mode.OBSERVE, at=NOW)
    step = Step(decision=decided(request, ACCEPT, policy_digest="ours"), action=Action.ACCEPT)
    intent = await ledger.record_intent(step, at=NOW)
    await ledger.record_outcome(intent, Receipt(step=step, outcome=Outcome.DONE), at=NOW)
    await ledger.record_decisions([decided(request, REJECT, policy_digest="later")], [], mode=Mode.ENFORCE, at=NOW)
    (row,) = await ledger.decisions()
    assert (row.verdict, row.mode, row.policy_digest, row.answer) == (ACCEPT, Mode.ENFORCE, "ours", "Accept")
    answers = {row.policy_digest: row.answer for row in await ledger.decisions(every=True)}
    assert answers == {"old": None, "theirs": None, "ours": "Accept", "later": None}
