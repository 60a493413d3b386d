"""Answers by people on both databases: recorded against what was seen, sent once, void when that changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from pm_autoaccept.errors import AlreadyAnswered
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.db.tables import human_answer as answer_table
from pm_autoaccept.ledger.human_answers import due_answers, last_due, take_back
from pm_autoaccept.ledger.new_answers import record_answers
from pm_autoaccept.ledger.review_queue import review_queue
from pm_autoaccept.model import (
    Action,
    AnswerRule,
    AnswerStatus,
    Change,
    Limit,
    Mode,
    NewAnswer,
    Outcome,
    PendingRequest,
    Receipt,
    RequestKey,
    Reviewer,
    Step,
    Verdict,
)
from tests.examples import ALICE, NOW, connection, decided, key, meter_share, property_share
from tests.unit.ledger.acting import HOLD, MINUTE, read, see

ANA, BEN = Reviewer(name="ana"), Reviewer(name="ben")
GRACE = timedelta(seconds=10)
OAK = connection(requested_at=NOW - timedelta(days=1))
SHARE = property_share(11, requested_at=NOW - timedelta(days=1))


def at(minute: float) -> datetime:
    """The time at which what a read of this minute showed is recorded."""
    return NOW + minute * MINUTE + timedelta(seconds=2)


async def hold(
    ledger: SqlLedger, *requests: PendingRequest, minute: float = 0, mode: Mode = Mode.ENFORCE, **said: object
) -> None:
    """Read these requests and hold them."""
    await see(ledger, *requests, minute=minute)
    held = [decided(request, HOLD, **said) for request in requests]
    await ledger.record_decisions(held, [], mode=mode, at=at(minute))


async def stamps(ledger: SqlLedger, *keys: RequestKey) -> dict[RequestKey, str]:
    """What a reviewer sees of these requests, or of the whole queue."""
    wanted = keys or None
    entries = await ledger.database.read(lambda connection: list(review_queue(connection, keys=wanted)))
    return {entry.row.key: entry.stamp for entry in entries}


async def give(
    ledger: SqlLedger,
    request: PendingRequest,
    action: Action = Action.ACCEPT,
    *,
    by: Reviewer = ANA,
    note: str | None = None,
    minute: float = 0,
    stamp: str | None = None,
):
    """Answer a request as it stands, or as it stood when a reviewer saw this stamp."""
    stamp = stamp or (await stamps(ledger, request.key))[request.key]
    new = NewAnswer(key=request.key, stamp=stamp, action=action, note=note)
    (result,) = await ledger.database.run(
        lambda connection: record_answers(connection, [new], account=None, by=by, grace=GRACE, at=at(minute))
    )
    return result


async def back(ledger: SqlLedger, request: PendingRequest, *, minute: float = 0) -> bool:
    """Take an answer back, if that is possible."""
    ((_, done, _),) = await ledger.database.run(
        lambda connection: take_back(connection, [request.key], account=None, by=BEN, at=at(minute))
    )
    return done


async def states(ledger: SqlLedger) -> list[str]:
    """The state of each answer, in order."""
    rows = await ledger.database.read(
        lambda connection: connection.execute(select(answer_table.c.state).order_by(answer_table.c.id)).all()
    )
    return [row.state for row in rows]


async def to_send(ledger: SqlLedger, *requests: PendingRequest, minute: float):
    """The answers that a cycle of this minute may send, by request."""
    history = await see(ledger, *requests, minute=minute)
    return history.human_answers


async def send(ledger: SqlLedger, request: PendingRequest, *, minute: float, outcome: Outcome | None, **said: object):
    """Decide as people did, intend, and conclude; with None the intent is withdrawn."""
    answer = (await to_send(ledger, request, minute=minute))[request.key]
    verdict = Verdict.ACCEPT if answer.action is Action.ACCEPT else Verdict.REJECT
    decision = replace(decided(request, verdict), person=answer, note=answer.note)
    step = Step(decision=decision, action=answer.action)
    intent = await ledger.record_intent(step, at=at(minute))
    if outcome is None:
        await ledger.withdraw_intent(intent)
    elif outcome is not Outcome.OPEN:
        await ledger.record_outcome(intent, Receipt(step=step, outcome=outcome, **said), at=at(minute))
    return step


async def test_an_answer_waits_for_its_grace_and_is_sent_once(ledger):
    """It is due when it can no longer be taken back; the decision and the answer are on record with who gave it."""
    await hold(ledger, OAK)
    result = await give(ledger, OAK, note="Welcome.")
    assert (result.status, result.due_at) == (AnswerStatus.RECORDED, at(0) + GRACE)
    assert not await to_send(ledger, OAK, minute=0.1)
    (answer,) = (await to_send(ledger, OAK, minute=1)).values()
    assert (answer.action, answer.note, answer.people, answer.goes_along) == (
        Action.ACCEPT,
        "Welcome.",
        ("ana",),
        frozenset(),
    )
    await send(ledger, OAK, minute=1, outcome=Outcome.DONE)
    assert await states(ledger) == ["sent"]
    assert not await to_send(ledger, OAK, minute=2)
    (row,) = [row for row in await ledger.decisions() if row.outcome is Outcome.DONE]
    assert (row.answered_by, row.note, row.answer) == (("ana",), "Welcome.", "Accept")


async def test_it_can_be_taken_back_until_its_intent_is_recorded(ledger):
    """Also by a colleague; afterwards not. What was taken back can be answered again."""
    await hold(ledger, OAK)
    await give(ledger, OAK)
    waiting = (await to_send(ledger, OAK, minute=1))[OAK.key]
    assert await back(ledger, OAK, minute=1)
    assert not await back(ledger, OAK, minute=1)
    step = Step(decision=replace(decided(OAK, Verdict.ACCEPT), person=waiting), action=Action.ACCEPT)
    with pytest.raises(AlreadyAnswered, match="no longer answered by ana"):
        await ledger.record_intent(step, at=at(1))
    assert not await to_send(ledger, OAK, minute=2)
    assert (await give(ledger, OAK, Action.REJECT, minute=2)).status is AnswerStatus.RECORDED
    await send(ledger, OAK, minute=3, outcome=Outcome.DONE)
    assert not await back(ledger, OAK, minute=3)
    assert await states(ledger) == ["taken_back", "sent"]


@pytest.mark.parametrize("change", ["the request", "the decision", "what goes along"])
async def test_what_changed_since_the_reviewer_looked_refuses_the_answer(ledger, change):
    """Nothing is recorded, and the reviewer reads what has changed."""
    await hold(ledger, OAK, SHARE)
    seen = (await stamps(ledger))[OAK.key]
    if change == "the request":
        other = replace(OAK, access_level="Read Only")
        await hold(ledger, other, SHARE, minute=1)
        expected = "changed this request"
    elif change == "the decision":
        await ledger.record_decisions([decided(OAK, HOLD, tell="people")], [], mode=Mode.ENFORCE, at=at(1))
        expected = "decided again"
    else:
        await hold(ledger, OAK, SHARE, property_share(12), minute=1)
        expected = "a reject also rejects property:11, property:12"
    result = await give(ledger, OAK, minute=1, stamp=seen)
    assert result.status is AnswerStatus.STALE
    assert expected in result.text
    assert await states(ledger) == []


async def test_the_second_reviewer_reads_what_the_first_one_said(ledger):
    """One answer per request."""
    await hold(ledger, OAK)
    await give(ledger, OAK, Action.REJECT, note="Not ours.")
    result = await give(ledger, OAK, by=BEN, minute=0.2)
    assert result.status is AnswerStatus.ANSWERED
    assert 'ana rejected this 12 s ago, with the note "Not ours."' in result.text
    assert (await give(ledger, OAK, Action.REJECT, by=BEN, minute=0.2)).status is AnswerStatus.ANSWERED
    assert await states(ledger) == ["waiting"]


async def test_two_people_must_give_the_same_answer(ledger):
    """Nobody twice, and not another answer; the grace begins with the last one."""
    await hold(ledger, OAK, answer_rule=AnswerRule(people=2))
    first = await give(ledger, OAK, note="Welcome.")
    assert (first.status, first.due_at) == (AnswerStatus.NEEDS_ANOTHER_PERSON, None)
    assert not await to_send(ledger, OAK, minute=1)
    assert (await give(ledger, OAK, minute=1)).status is AnswerStatus.ANSWERED
    assert (await give(ledger, OAK, Action.REJECT, by=BEN, minute=1)).status is AnswerStatus.ANSWERED
    assert (await give(ledger, OAK, by=BEN, note="Other.", minute=1)).status is AnswerStatus.ANSWERED
    second = await give(ledger, OAK, by=BEN, minute=1)
    assert (second.status, second.due_at) == (AnswerStatus.RECORDED, at(1) + GRACE)
    assert (await to_send(ledger, OAK, minute=2))[OAK.key].people == ("ana", "ben")


async def test_only_those_may_answer_whom_the_rule_and_the_settings_allow(ledger):
    """The group that the rule names, and nobody for an own account."""
    await hold(ledger, OAK)
    mine = Reviewer(name="ana", own_accounts=frozenset({ALICE}))
    assert (await give(ledger, OAK, by=mine)).status is AnswerStatus.NOT_ALLOWED
    await hold(ledger, OAK, minute=1, answer_rule=AnswerRule(by="benchmarking"))
    assert (await give(ledger, OAK)).status is AnswerStatus.NOT_ALLOWED
    member = Reviewer(name="ana", groups=frozenset({"benchmarking"}))
    assert (await give(ledger, OAK, by=member)).status is AnswerStatus.RECORDED


async def test_in_observe_mode_an_answer_is_recorded_and_never_sent(ledger):
    """Also not after a switch to enforce; a new one then is."""
    await hold(ledger, OAK, mode=Mode.OBSERVE)
    assert (await give(ledger, OAK)).status is AnswerStatus.OBSERVED
    await hold(ledger, OAK, minute=1)
    assert not await to_send(ledger, OAK, minute=2)
    assert (await give(ledger, OAK, minute=2)).status is AnswerStatus.RECORDED
    assert await to_send(ledger, OAK, minute=3)
    assert await states(ledger) == ["observed", "waiting"]


@pytest.mark.parametrize("change", ["edited", "sent again", "gone", "answered elsewhere", "too old"])
async def test_what_voids_an_answer(ledger, change):
    """The request is back in the queue, and the answer is never sent."""
    await hold(ledger, OAK)
    await give(ledger, OAK)
    shown, minute, expected = [OAK], 1.0, ""
    if change == "edited":
        shown, expected = [replace(OAK, access_level="Read Only")], "has changed connection:410221"
    elif change == "sent again":
        shown, expected = [replace(OAK, requested_at=NOW)], "sent it again"
    elif change == "too old":
        minute, expected = 24 * 60 + 1, "24 hours"
    else:
        await see(ledger, minute=0.5)
        shown, expected = [], "no longer pending"
    voided = await ledger.record_snapshot(read(*shown, minute=minute), at=at(minute))
    assert [(each.key, each.people, expected in each.why) for each in voided] == [(OAK.key, ("ana",), True)]
    assert await states(ledger) == ["void"]
    assert not await to_send(ledger, *shown, minute=minute + 1)


async def test_a_read_that_misses_it_once_and_another_verdict_void_nothing(ledger):
    """Doubt is no change."""
    await hold(ledger, OAK)
    await give(ledger, OAK)
    assert not await ledger.record_snapshot(read(minute=1), at=at(1))
    assert not await ledger.record_snapshot(read(OAK, minute=2), at=at(2))
    await ledger.record_decisions([decided(OAK, Verdict.REJECT)], [], mode=Mode.ENFORCE, at=at(2))
    assert await to_send(ledger, OAK, minute=3)


async def test_plan_s_findings_void_what_still_waits(ledger):
    """And tell of that once."""
    await hold(ledger, OAK)
    await give(ledger, OAK)
    (voided,) = await ledger.record_snapshot(read(replace(OAK, access_level="Read Only"), minute=1), at=at(1))
    assert await ledger.void_answers([voided], at=at(1)) == []


@pytest.mark.parametrize(
    ("outcome", "said", "state", "again"),
    [
        (None, {}, "waiting", True),
        (Outcome.REFUSED, {"retry_not_before": NOW + 3 * MINUTE}, "waiting", True),
        (Outcome.REFUSED, {"awaits": Change.NOTE, "text": "bad note"}, "refused", False),
        (Outcome.SETTLED_ELSEWHERE, {"awaits": Change.REQUEST}, "void", False),
        (Outcome.OPEN, {}, "sent", True),
    ],
)
async def test_what_becomes_of_an_answer_that_was_not_done(ledger, outcome, said, state, again):
    """What may be retried waits again; of an unknown outcome the same answer is known, so that it can be repeated."""
    await hold(ledger, OAK)
    await give(ledger, OAK)
    await send(ledger, OAK, minute=1, outcome=outcome, **said)
    assert await states(ledger) == [state]
    assert bool(await to_send(ledger, OAK, minute=5)) is again


async def test_after_a_refusal_for_good_people_may_answer_again(ledger):
    """The refused answer is on record."""
    await hold(ledger, OAK)
    await give(ledger, OAK, note="?")
    await send(ledger, OAK, minute=1, outcome=Outcome.REFUSED, awaits=Change.NOTE)
    assert (await give(ledger, OAK, note="Welcome.", minute=2)).status is AnswerStatus.RECORDED
    assert await states(ledger) == ["refused", "waiting"]


async def test_an_answer_of_unknown_outcome_cannot_be_given_again(ledger):
    """Nor taken back."""
    await hold(ledger, OAK)
    await give(ledger, OAK)
    await send(ledger, OAK, minute=1, outcome=Outcome.OPEN)
    assert (await give(ledger, OAK, by=BEN, minute=2)).status is AnswerStatus.ANSWERED
    assert not await back(ledger, OAK, minute=2)


async def test_a_sent_answer_that_was_not_processed_does_not_keep_people_from_answering(ledger):
    """Its request was settled elsewhere and is pending again: nothing of ours may have taken effect."""
    await hold(ledger, OAK)
    await give(ledger, OAK)
    await send(ledger, OAK, minute=1, outcome=Outcome.DONE)
    await ledger.database.run(lambda connection: connection.exec_driver_sql("UPDATE request SET outcome = NULL"))
    assert (await give(ledger, OAK, minute=2)).status is AnswerStatus.RECORDED
    assert await states(ledger) == ["void", "waiting"]


async def test_answers_by_people_count_towards_no_limit(ledger):
    """Neither as an answer nor as one of all answers."""
    await hold(ledger, OAK)
    await give(ledger, OAK)
    await send(ledger, OAK, minute=1, outcome=Outcome.DONE)
    limit = Limit(action=Action.ACCEPT, at_most=1, period=timedelta(hours=1))
    seen = read(minute=2)
    (usage,) = (await ledger.history(seen, limits=[limit], at=at(2))).limit_usage
    assert (usage.count, usage.of) == (0, 0)


async def test_what_an_answer_also_does_is_recorded_with_it(ledger):
    """A share of an owner who is not connected, and whose meter is pending."""
    meter = meter_share(21, 11)
    await hold(ledger, SHARE, meter)
    entries = await ledger.database.read(lambda connection: list(review_queue(connection)))
    also = {entry.row.key: ([*map(str, entry.accept_also)], [*map(str, entry.reject_also)]) for entry in entries}
    owner, digest = f"connection:{ALICE}", SHARE.content_digest
    assert also == {
        SHARE.key: ([owner], [f"meter:21 {meter.content_digest}"]),
        meter.key: ([owner, f"property:11 {digest}"], []),
    }
    assert {entry.row.key: entry.needs for entry in entries} == {SHARE.key: (), meter.key: (SHARE.key,)}
    await give(ledger, meter)
    answers = await to_send(ledger, SHARE, meter, minute=1)
    assert answers[meter.key].goes_along == {owner, f"property:11 {digest}"}


async def test_what_is_there_already_does_not_go_along(ledger):
    """By the last reads of connections and shares."""
    seen = read(meter_share(21, 11), minute=0, connected=frozenset({ALICE}), shared_properties={ALICE: frozenset({11})})
    await ledger.record_snapshot(seen, at=at(0))
    await ledger.reconcile(seen, at=at(0))
    await ledger.record_decisions([decided(meter_share(21, 11), HOLD)], [], mode=Mode.ENFORCE, at=at(0))
    (entry,) = await ledger.database.read(lambda connection: list(review_queue(connection)))
    assert entry.accept_also == ()


async def test_what_nobody_can_answer(ledger):
    """A request that is not there, one that is given twice, and one that the policy has answered."""
    await hold(ledger, OAK)
    assert (await give(ledger, SHARE, stamp="1.1.x")).status is AnswerStatus.NOT_PENDING
    stamp = (await stamps(ledger))[OAK.key]
    twice = [NewAnswer(key=OAK.key, stamp=stamp, action=Action.ACCEPT)] * 2
    results = await ledger.database.run(
        lambda connection: record_answers(connection, twice, account=None, by=ANA, grace=GRACE, at=at(0))
    )
    assert [each.status for each in results] == [AnswerStatus.RECORDED, AnswerStatus.ANSWERED]
    step = Step(decision=decided(OAK, Verdict.ACCEPT), action=Action.ACCEPT)
    intent = await ledger.record_intent(step, at=at(0))
    assert (await give(ledger, OAK)).status is AnswerStatus.ANSWERED
    await ledger.record_outcome(intent, Receipt(step=step, outcome=Outcome.DONE), at=at(0))
    assert (await give(ledger, OAK)).status is AnswerStatus.ANSWERED
    (voided,) = await ledger.record_snapshot(read(minute=1), at=at(1))
    assert "answered otherwise" in voided.why


async def test_who_has_answers_to_send(ledger):
    """For all accounts at once, and for one that waits for the last grace to end."""
    await hold(ledger, OAK, SHARE)
    await give(ledger, OAK)
    await give(ledger, SHARE, minute=0.1)

    async def due(minute: float) -> dict[str, int]:
        found = await ledger.database.read(lambda connection: due_answers(connection, at=at(minute)))
        return {name: len(numbers) for name, numbers in found.items()}

    assert [await due(minute) for minute in (0, 0.2, 1)] == [{}, {"default": 1}, {"default": 2}]
    last = await ledger.database.read(lambda connection: last_due(connection, "default", until=at(1)))
    assert last == at(0.1) + GRACE
    assert await ledger.database.read(lambda connection: last_due(connection, "other", until=at(1))) is None


async def test_the_queue_and_the_keys(ledger):
    """What waits for a person, oldest first; by key any pending request, of an edited one only the newest."""
    await hold(ledger, OAK, SHARE)
    assert list(await stamps(ledger)) == [OAK.key, SHARE.key]
    await ledger.record_decisions([decided(OAK, Verdict.ACCEPT)], [], mode=Mode.ENFORCE, at=at(0))
    assert list(await stamps(ledger)) == [SHARE.key]
    assert list(await stamps(ledger, OAK.key)) == [OAK.key]
    edited = replace(SHARE, access_level="Read Only")
    await hold(ledger, OAK, edited, minute=1)
    assert len(await stamps(ledger, SHARE.key)) == 1
    assert key("property", 11) in await stamps(ledger)
