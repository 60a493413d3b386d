"""Notices on both databases: written with what has happened, sent in order and once, dead in the end, listed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.db.tables import notice as notice_table
from pm_autoaccept.ledger.human_answers import take_back
from pm_autoaccept.ledger.new_answers import record_answers
from pm_autoaccept.ledger.notice_rounds import add_digest, add_reminders, digest_wanted
from pm_autoaccept.ledger.outbox import (
    Claimed,
    claim_next,
    count_notices,
    due_targets,
    list_notices,
    release,
    resend,
    settle,
)
from pm_autoaccept.model import (
    Action,
    CustomField,
    Dead,
    Delivered,
    KeptBack,
    Mode,
    NewAnswer,
    NoticeKind,
    NoticeState,
    NoticeTarget,
    Notification,
    Outcome,
    PendingRequest,
    Reason,
    ReasonKind,
    Receipt,
    Reviewer,
    Step,
    TargetKind,
    TryLater,
    Verdict,
)
from tests.examples import ALICE, NOW, connection, decided, property_share
from tests.unit.ledger.acting import ACCEPT, HOLD, MINUTE, REJECT, answer, read, see
from tests.unit.ledger.test_human_answers import stamps

SECOND = timedelta(seconds=1)
CLAIM = timedelta(minutes=1)
HOOK = NoticeTarget(name="hook", kind=TargetKind.WEBHOOK, groups=None, time_zone=UTC)
BILLING_HOOK = replace(HOOK, name="billing-hook", groups=frozenset({"billing"}))
TEAM = NoticeTarget(
    name="team",
    kind=TargetKind.PEOPLE,
    groups=frozenset({"benchmarking"}),
    time_zone=ZoneInfo("America/Chicago"),
    digest_hour=7,
    remind_after=timedelta(days=2),
    else_tell="managers",
)
MANAGERS = NoticeTarget(name="managers", kind=TargetKind.PEOPLE, groups=frozenset({"managers"}), time_zone=UTC)
OAK = connection(username="Oak LLC", requested_at=NOW - timedelta(days=1), custom=(CustomField("Number", "12345"),))
SHARE = property_share(11, requested_at=NOW - timedelta(days=1))


@pytest.fixture
def told(ledger):
    """A ledger with targets."""
    ledger.targets = (HOOK, BILLING_HOOK, TEAM, MANAGERS)
    return ledger


def at(minute: float) -> datetime:
    """The time at which what a read of this minute showed is recorded."""
    return NOW + minute * MINUTE + timedelta(seconds=2)


async def hold(
    ledger: SqlLedger,
    *requests: PendingRequest,
    minute: float = 0,
    mode: Mode = Mode.ENFORCE,
    tell: str | None = "benchmarking",
    rule: str = "check",
    **said: object,
) -> None:
    """Read these requests and hold them, telling a group."""
    await see(ledger, *requests, minute=minute)
    held = [replace(decided(request, HOLD, **said), tell=tell, rule=rule) for request in requests]
    await ledger.record_decisions(held, [], mode=mode, at=at(minute))


async def rows(ledger: SqlLedger, target: NoticeTarget | None = None):
    """All notices, or those for one target, in order."""
    name = None if target is None else target.name
    return await ledger.database.read(lambda connection: list(list_notices(connection, target=name)))


async def kinds(ledger: SqlLedger, target: NoticeTarget = HOOK) -> list[NoticeKind]:
    """What a target is told, in order."""
    return [row.kind for row in await rows(ledger, target)]


async def claim(ledger: SqlLedger, target: NoticeTarget = HOOK, *, when: datetime) -> Claimed | None:
    """Claim what is due."""
    return await ledger.database.run(lambda connection: claim_next(connection, target, at=when, lasts=CLAIM))


async def end(ledger: SqlLedger, claimed: Claimed | None, result, *, when: datetime) -> NoticeState | None:
    """Record how sending went."""
    assert claimed is not None
    return await ledger.database.run(lambda connection: settle(connection, claimed, result, at=when))


async def give(ledger: SqlLedger, request: PendingRequest, *, minute: float = 0):
    """Accept a held request as ana."""
    stamp = (await stamps(ledger, request.key))[request.key]
    new = NewAnswer(key=request.key, stamp=stamp, action=Action.ACCEPT)
    (result,) = await ledger.database.run(
        lambda connection: record_answers(
            connection,
            [new],
            account=None,
            by=Reviewer(name="ana"),
            grace=timedelta(),
            at=at(minute),
            targets=ledger.targets,
        )
    )
    return result


async def test_a_hold_with_tell_is_told_once_to_each_target_of_its_group(told) -> None:
    """Also if it is decided again, or is in doubt meanwhile; webhooks at once, people half a minute later."""
    await hold(told, OAK)
    await hold(told, OAK, minute=1)
    doubt = replace(decided(OAK, HOLD), tell=None, reason=Reason(ReasonKind.UNKNOWN, "A table cannot be read."))
    await told.record_decisions([doubt], [], mode=Mode.ENFORCE, at=at(2))
    await hold(told, OAK, minute=3)
    found = await rows(told)
    assert [(row.target, row.kind, row.due_at) for row in found] == [
        ("hook", NoticeKind.REQUEST_HELD, at(0)),
        ("team", NoticeKind.REQUEST_HELD, at(0) + 30 * SECOND),
    ]
    assert found[0].event_id == found[1].event_id
    assert {row.state for row in found} == {NoticeState.WAITING}
    body = found[0].body
    assert (body["group"], body["rule"], body["request"]["key"]) == ("benchmarking", "check", str(OAK.key))
    assert "12345" not in str(body)
    assert OAK.username not in str(body)


async def test_another_rule_or_group_is_told_of_the_hold_too(told) -> None:
    """It is another question to other people."""
    await hold(told, OAK)
    await hold(told, OAK, minute=1, rule="another")
    await hold(told, OAK, minute=2, rule="another", tell="billing")
    assert await kinds(told) == [NoticeKind.REQUEST_HELD] * 3
    assert await kinds(told, TEAM) == [NoticeKind.REQUEST_HELD] * 2
    assert await kinds(told, BILLING_HOOK) == [NoticeKind.REQUEST_HELD]


async def test_nothing_is_written_without_targets_or_without_tell(ledger) -> None:
    """Switching on begins with new decisions: nobody is told of what was held before."""
    await hold(ledger, OAK)
    ledger.targets = (HOOK, TEAM)
    await hold(ledger, OAK, minute=1)
    await hold(ledger, OAK, SHARE, minute=2, tell=None)
    assert await rows(ledger) == []


async def test_an_answer_that_is_kept_back_for_review_is_told_as_a_hold(told) -> None:
    """Somebody has to look at it."""
    await see(told, OAK, minute=0)
    decision = replace(decided(OAK, ACCEPT), tell="benchmarking")
    back = KeptBack(decision, Reason(ReasonKind.VERDICT_CHANGED, "It was decided otherwise before."))
    for minute in range(2):
        await told.record_decisions([decision], [back], mode=Mode.ENFORCE, at=at(minute))
    (row,) = await rows(told, TEAM)
    assert (row.kind, row.body["reason"]) == (NoticeKind.REQUEST_HELD, ReasonKind.VERDICT_CHANGED)


async def test_text_that_may_quote_a_document_stays_here(told) -> None:
    """The reason is named, its text is not told."""
    await see(told, OAK, minute=0)
    quoting = replace(decided(OAK, HOLD), tell="a", reason=Reason(ReasonKind.NOT_UNDERSTOOD, "It says: Alice Oak"))
    await told.record_decisions([quoting], [], mode=Mode.ENFORCE, at=at(0))
    (row,) = await rows(told, HOOK)
    assert (row.body["reason"], row.body["reason_text"]) == (ReasonKind.NOT_UNDERSTOOD, "")


async def test_in_observe_mode_notices_are_recorded_and_never_delivered(told) -> None:
    """Also not after a switch to enforce."""
    await hold(told, OAK, mode=Mode.OBSERVE)
    await give(told, OAK)
    assert {row.state for row in await rows(told)} == {NoticeState.OBSERVED}
    await hold(told, OAK, minute=1)
    assert {row.state for row in await rows(told)} == {NoticeState.OBSERVED}
    assert not await told.database.read(lambda connection: due_targets(connection, at=at(10)))


@pytest.mark.parametrize(
    ("verdict", "kind"), [(ACCEPT, NoticeKind.REQUEST_ACCEPTED), (REJECT, NoticeKind.REQUEST_REJECTED)]
)
async def test_what_the_policy_answered_is_told_when_it_is_done(told, verdict, kind) -> None:
    """Webhooks hear of each; people do if the rule names their group."""
    await see(told, OAK, SHARE, minute=0)
    await answer(told, OAK, verdict, minute=0)
    decision = replace(decided(SHARE, verdict), tell="benchmarking")
    step = Step(decision=decision, action=Action.ACCEPT if verdict is ACCEPT else Action.REJECT)
    intent = await told.record_intent(step, at=at(0))
    assert await kinds(told) == [kind]
    await told.record_outcome(intent, Receipt(step=step, outcome=Outcome.DONE), at=at(0))
    assert await kinds(told) == [kind, kind]
    assert await kinds(told, TEAM) == [kind]
    assert {row.body["answered_by"] for row in await rows(told)} == {"policy"}


async def test_a_refused_answer_is_not_told_as_an_outcome(told) -> None:
    """The request is still pending."""
    await see(told, OAK, minute=0)
    await answer(told, OAK, ACCEPT, minute=0, outcome=Outcome.REFUSED)
    assert await kinds(told) == []


async def test_an_outcome_that_reads_settle_is_told_too(told) -> None:
    """The accept got no response, but its effect is shown."""
    await see(told, OAK, minute=0)
    await answer(told, OAK, ACCEPT, minute=0, outcome=Outcome.OPEN)
    for minute in (10, 20, 30):
        await see(told, minute=minute, connected=frozenset({ALICE}))
    assert await kinds(told) == [NoticeKind.REQUEST_ACCEPTED]


async def test_what_was_rejected_with_its_parent_is_told_too(told) -> None:
    """It has no answer of its own."""
    await see(told, OAK, SHARE, minute=0)
    await answer(told, OAK, REJECT, minute=0, falls=(SHARE.key,))
    for minute in (10, 20, 30):
        await see(told, minute=minute)
    assert await kinds(told) == [NoticeKind.REQUEST_REJECTED] * 2
    assert [row.body["with_its_parent"] for row in await rows(told)] == [False, True]


async def test_an_answer_by_people_is_told_with_its_outcome(told) -> None:
    """To webhooks, also those of the group that was told of the hold; names only where they may have them."""
    told.targets = (replace(HOOK, groups=frozenset({"benchmarking"})), replace(HOOK, name="names", personal=True), TEAM)
    await hold(told, OAK)
    assert (await give(told, OAK)).number is not None
    history = await see(told, OAK, minute=1)
    person = history.human_answers[OAK.key]
    decision = replace(decided(OAK, Verdict.ACCEPT), person=person, rule=None, tell=None)
    step = Step(decision=decision, action=Action.ACCEPT)
    intent = await told.record_intent(step, at=at(1))
    await told.record_outcome(intent, Receipt(step=step, outcome=Outcome.DONE), at=at(1))
    said = [NoticeKind.REQUEST_HELD, NoticeKind.REQUEST_ANSWERED, NoticeKind.REQUEST_ACCEPTED]
    assert await kinds(told) == said
    assert await kinds(told, TEAM) == [NoticeKind.REQUEST_HELD]
    assert [row.body.get("people") for row in await rows(told, HOOK)] == [None, None, None]
    named = [row for row in await rows(told) if row.target == "names"]
    assert [row.body.get("people") for row in named] == [None, ["ana"], ["ana"]]
    assert [row.body.get("answered_by") for row in named] == [None, None, "people"]


async def test_an_answer_that_is_void_is_told_to_all(told) -> None:
    """Its request is back in the queue."""
    await hold(told, OAK)
    await give(told, OAK)
    edited = replace(OAK, access_level="Read Only")
    (voided,) = await told.record_snapshot(read(edited, minute=1), at=at(1))
    assert await kinds(told) == [NoticeKind.REQUEST_HELD, NoticeKind.REQUEST_ANSWERED, NoticeKind.ANSWER_VOID]
    (_, row) = await rows(told, TEAM)
    assert (row.kind, row.body["why"]) == (NoticeKind.ANSWER_VOID, voided.why)
    await told.void_answers([voided], at=at(1))
    assert len(await rows(told, TEAM)) == 2


async def test_an_answer_that_portfolio_manager_refuses_is_told_as_void(told) -> None:
    """It will not be sent again by itself."""
    await hold(told, OAK)
    await give(told, OAK)
    person = (await see(told, OAK, minute=1)).human_answers[OAK.key]
    step = Step(decision=replace(decided(OAK, Verdict.ACCEPT), person=person), action=Action.ACCEPT)
    intent = await told.record_intent(step, at=at(1))
    await told.record_outcome(
        intent, Receipt(step=step, outcome=Outcome.REFUSED, text="Alice Oak is unknown."), at=at(1)
    )
    *_, last = await rows(told, HOOK)
    assert (last.kind, last.body["why"]) == (NoticeKind.ANSWER_VOID, "Portfolio Manager refused it")


async def test_an_answer_that_was_taken_back_is_told_to_webhooks(told) -> None:
    """They heard of the answer."""
    await hold(told, OAK)
    await give(told, OAK)
    await told.database.run(
        lambda connection: take_back(
            connection, [OAK.key], account=None, by=Reviewer(name="ben"), at=at(0), targets=told.targets
        )
    )
    assert (await kinds(told))[-1] is NoticeKind.ANSWER_VOID
    assert await kinds(told, TEAM) == [NoticeKind.REQUEST_HELD]


async def test_findings_about_shares_are_told(told) -> None:
    """What lowers access needs somebody; what raises it does not."""
    everybody = replace(TEAM, name="everybody", groups=None)
    told.targets = (HOOK, TEAM, everybody)
    shares = {ALICE: frozenset({5})}
    await told.reconcile(read(minute=-9, connected=frozenset({ALICE})), at=at(-9))
    await see(told, property_share(5), minute=0, connected=frozenset({ALICE}))
    await answer(told, property_share(5), ACCEPT, minute=0)
    for minute, level in ((1, None), (2, "Read Only"), (3, "Full Access")):
        seen = read(minute=minute, connected=frozenset({ALICE}), shared_properties=shares)
        if level is not None:
            changed = Notification(
                id=minute,
                type="SHAREUPDATE",
                description=f"access level revised to {level}",
                account_id=ALICE,
                property_id=5,
                created_at=at(minute),
            )
            seen = replace(seen, notifications=(changed,))
        await told.record_snapshot(seen, at=at(minute))
        await told.reconcile(seen, at=at(minute))
    for minute in (4, 5, 6):
        await told.reconcile(read(minute=minute, connected=frozenset(), shared_properties={}), at=at(minute))
    said = [kind for kind in await kinds(told) if kind is not NoticeKind.REQUEST_ACCEPTED]
    assert said == [NoticeKind.ACCESS_LOWERED, NoticeKind.ACCESS_RAISED, NoticeKind.CONNECTION_ENDED]
    assert await kinds(told, TEAM) == []
    assert await kinds(told, everybody) == [NoticeKind.ACCESS_LOWERED]


async def test_notices_of_one_request_are_sent_in_order_and_others_overtake(told) -> None:
    """While the first one waits for its next attempt, its successor waits too."""
    await hold(told, OAK, SHARE)
    await give(told, OAK)
    first = await claim(told, when=at(0))
    second = await claim(told, when=at(0))
    assert first is not None
    assert second is not None
    assert (first.notice.body["request"]["key"], second.notice.body["request"]["key"]) == (str(OAK.key), str(SHARE.key))
    assert await claim(told, when=at(0)) is None
    assert await end(told, first, TryLater(why="500"), when=at(0)) is NoticeState.WAITING
    assert await claim(told, when=at(0) + 4 * SECOND) is None
    again = await claim(told, when=at(0) + 5 * SECOND)
    assert again is not None
    assert again.notice == first.notice
    assert await end(told, again, Delivered(), when=at(0) + 5 * SECOND) is NoticeState.DELIVERED
    successor = await claim(told, when=at(0) + 5 * SECOND)
    assert successor is not None
    assert successor.notice.kind is NoticeKind.REQUEST_ANSWERED


async def test_a_dead_notice_frees_its_successors(told) -> None:
    """At once if the target says so, otherwise after ten attempts; it can be sent again."""
    await hold(told, OAK)
    await give(told, OAK)
    assert await end(told, await claim(told, when=at(0)), Dead("410"), when=at(0)) is NoticeState.DEAD
    when = at(0)
    for attempt in range(10):
        claimed = await claim(told, when=when)
        assert claimed is not None
        assert claimed.notice.kind is NoticeKind.REQUEST_ANSWERED
        state = await end(told, claimed, TryLater(why="500"), when=when)
        assert state is (NoticeState.DEAD if attempt == 9 else NoticeState.WAITING)
        when += timedelta(hours=24)
    counted = await told.database.read(count_notices)
    assert (counted["hook"].dead, counted["hook"].waiting, counted["team"].waiting) == (2, 0, 1)
    assert await told.database.run(lambda connection: resend(connection, at=when, target="hook")) == 2
    assert await told.database.run(lambda connection: resend(connection, at=when, target="hook")) == 0
    claimed = await claim(told, when=when)
    assert claimed is not None
    assert claimed.notice.kind is NoticeKind.REQUEST_HELD
    await end(told, claimed, Delivered(), when=when)
    named = [claimed.notice.event_id]
    assert await told.database.run(lambda connection: resend(connection, at=when, event_ids=named)) == 1


async def test_a_claim_keeps_others_away_until_it_ends(told) -> None:
    """A sender that was killed sends nothing more; then the same notice is sent again, and a late result is void."""
    await hold(told, OAK)
    first = await claim(told, when=at(0))
    assert await claim(told, when=at(0) + CLAIM - SECOND) is None
    second = await claim(told, when=at(0) + CLAIM)
    assert first is not None
    assert second is not None
    assert second.notice == first.notice
    assert await end(told, first, Delivered(), when=at(1)) is None
    assert await end(told, second, Delivered(), when=at(1)) is NoticeState.DELIVERED


async def test_a_claim_that_is_given_up_is_sent_again_at_once(told) -> None:
    """For example when the program stops; the attempt does not count."""
    await hold(told, OAK)
    claimed = await claim(told, when=at(0))
    assert claimed is not None
    await told.database.run(lambda connection: release(connection, claimed))
    assert await told.database.read(lambda connection: due_targets(connection, at=at(0))) == {"hook"}
    assert (await rows(told, HOOK))[0].attempts == 0


async def test_people_get_one_message_for_what_happens_within_half_a_minute(told) -> None:
    """It begins 30 seconds after the first event and has all that is known then, oldest first."""
    await hold(told, OAK)
    await hold(told, OAK, SHARE, minute=0.4)
    assert await claim(told, TEAM, when=at(0) + 29 * SECOND) is None
    claimed = await claim(told, TEAM, when=at(0) + 30 * SECOND)
    assert claimed is not None
    assert [event["request"]["key"] for event in claimed.notice.body["events"]] == [str(OAK.key), str(SHARE.key)]
    assert claimed.notice.event_id == claimed.notice.body["events"][0]["event_id"]
    assert await end(told, claimed, TryLater(why="no route"), when=at(1)) is NoticeState.WAITING
    assert await claim(told, TEAM, when=at(1)) is None
    again = await claim(told, TEAM, when=at(1) + 5 * SECOND)
    assert again is not None
    assert again.notice == claimed.notice
    await end(told, again, Delivered(), when=at(2))
    assert {row.state for row in await rows(told, TEAM)} == {NoticeState.DELIVERED}


@pytest.mark.parametrize("target", [HOOK, TEAM])
async def test_personal_data_is_added_where_it_may_be_seen(told, target) -> None:
    """When it is sent, from the request's row, so that nothing has to be masked here later."""
    told.targets = (replace(target, personal=True),)
    await hold(told, OAK)
    assert OAK.username not in str(await rows(told))
    claimed = await claim(told, told.targets[0], when=at(1))
    assert claimed is not None
    event = claimed.notice.body if target is HOOK else claimed.notice.body["events"][0]
    assert (event["request"]["username"], event["request"]["custom"]) == (OAK.username, [["Number", "12345"]])
    assert "row" not in event["request"]


async def test_a_private_field_is_told_to_nobody(ledger) -> None:
    """Its digest is of no use to a reader."""
    personal = replace(HOOK, personal=True)
    ledger.targets = (personal,)
    await ledger.record_snapshot(read(OAK, minute=0), at=at(0), private=frozenset({"number"}))
    await ledger.record_decisions([replace(decided(OAK, HOLD), tell="a")], [], mode=Mode.ENFORCE, at=at(0))
    claimed = await claim(ledger, personal, when=at(1))
    assert claimed is not None
    assert claimed.notice.body["request"]["custom"] == [["Number", "(private)"]]


DAY = 24 * 60


async def digest(ledger: SqlLedger, *, minute: float, target: NoticeTarget = TEAM) -> bool:
    """Add the digest that is due at this minute."""
    return await ledger.database.run(lambda connection: add_digest(connection, target, at=at(minute)))


async def test_a_digest_lists_once_a_day_what_is_still_held(told) -> None:
    """Also what was held before anybody was told; not what another group has to review; nothing if nothing is held."""
    assert not await digest(told, minute=DAY)
    told.targets = ()
    await hold(told, OAK, minute=DAY)
    told.targets = (HOOK, TEAM)
    await hold(told, OAK, SHARE, minute=DAY + 1, tell="billing", rule="other")
    await hold(told, OAK, minute=DAY + 2)
    assert not await digest(told, minute=DAY + 2)
    assert await digest(told, minute=2 * DAY)
    assert not await digest(told, minute=2 * DAY + 1)
    (row,) = [row for row in await rows(told, TEAM) if row.kind is not NoticeKind.REQUEST_HELD]
    assert (row.kind, row.state, row.account) == (NoticeKind.DIGEST, NoticeState.WAITING, "")
    assert (row.body["held"], [each["key"] for each in row.body["requests"]]) == (1, [str(OAK.key)])
    await end(told, await claim(told, TEAM, when=at(2 * DAY)), Delivered(), when=at(2 * DAY))
    claimed = await claim(told, TEAM, when=at(2 * DAY))
    assert claimed is not None
    assert (claimed.notice.kind, claimed.notice.body["held"]) == (NoticeKind.DIGEST, 1)
    assert await digest(told, minute=3 * DAY)


async def test_no_digest_for_a_target_without_an_hour(told) -> None:
    """And none is looked for."""
    await hold(told, OAK, tell="managers")
    assert not await digest(told, minute=2 * DAY, target=MANAGERS)
    assert not await told.database.read(lambda connection: digest_wanted(connection, MANAGERS, at=at(2 * DAY)))


async def test_a_digest_of_accounts_in_observe_mode_is_not_delivered(told) -> None:
    """It is recorded, as all notices are."""
    await hold(told, OAK, mode=Mode.OBSERVE)
    assert await digest(told, minute=2 * DAY)
    (row,) = [row for row in await rows(told, TEAM) if row.kind is NoticeKind.DIGEST]
    assert row.state is NoticeState.OBSERVED


async def remind(ledger: SqlLedger, *, minute: float) -> int:
    """Add the reminders that are due at this minute."""
    return await ledger.database.run(lambda connection: add_reminders(connection, ledger.targets, at=at(minute)))


async def test_a_target_is_reminded_once_and_then_somebody_else_is_told(told) -> None:
    """After twice the time. What was answered meanwhile, or was held before anybody was told, is not reminded of."""
    targets, told.targets = told.targets, ()
    await hold(told, connection(77), minute=-1)
    told.targets = targets
    await hold(told, OAK, SHARE)
    assert await remind(told, minute=2 * DAY - 1) == 0
    await answer(told, SHARE, ACCEPT, minute=DAY)
    assert await remind(told, minute=2 * DAY) == 1
    assert await remind(told, minute=3 * DAY) == 0
    assert await kinds(told, MANAGERS) == []
    assert await remind(told, minute=4 * DAY) == 2
    assert await remind(told, minute=9 * DAY) == 0
    assert (await kinds(told, TEAM)).count(NoticeKind.REMINDER) == 1
    assert (await kinds(told, HOOK)).count(NoticeKind.REMINDER) == 1
    (row,) = await rows(told, MANAGERS)
    assert (row.kind, row.body["group"], row.body["request"]["key"]) == (NoticeKind.REMINDER, "managers", str(OAK.key))


async def test_a_new_hold_is_reminded_of_again(told) -> None:
    """The time begins anew, because it is another question."""
    await hold(told, OAK)
    assert await remind(told, minute=2 * DAY) == 1
    await hold(told, OAK, minute=2 * DAY + 1, rule="another")
    assert await remind(told, minute=3 * DAY) == 0
    assert await remind(told, minute=4 * DAY + 1) == 1


async def test_a_notice_is_written_with_what_has_happened_or_not_at_all(told) -> None:
    """If the transaction fails, there is no row."""
    await see(told, OAK, minute=0)

    def fail(_connection: object) -> None:
        raise ZeroDivisionError

    async def record() -> None:
        decision = replace(decided(OAK, HOLD), tell="benchmarking")
        await told.record_decisions([decision], [], mode=Mode.ENFORCE, at=at(0))

    with pytest.raises(ZeroDivisionError):
        await told.database.run(fail)
    assert await rows(told) == []
    await record()
    found = await told.database.read(lambda connection: connection.execute(select(notice_table.c.request_id)).all())
    assert len(found) == 2
