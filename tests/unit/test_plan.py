"""plan: promise 1, order, and what is kept back."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from pm_autoaccept.cascades import Consequence
from pm_autoaccept.model import (
    Action,
    AnswerState,
    Change,
    Decision,
    History,
    Kind,
    LastAnswer,
    NotLearnt,
    PendingRequest,
    Plan,
    Reason,
    ReasonKind,
    RequestKey,
    Snapshot,
    Verdict,
)
from pm_autoaccept.plan import plan
from tests.examples import (
    ALICE,
    BOB,
    NOW,
    by_people,
    connection,
    decided,
    key,
    meter_share,
    pending_list,
    property_share,
    snapshot,
)

ACCEPT, REJECT, HOLD = Verdict.ACCEPT, Verdict.REJECT, Verdict.HOLD
CONNECTED = {"connected": frozenset({ALICE})}
SHARED = {"shared_properties": {ALICE: frozenset({11})}}


def planned(
    pairs: list[tuple[PendingRequest, Verdict]],
    *,
    history: History | None = None,
    seen: Snapshot | None = None,
    **facts: object,
) -> Plan:
    """Plan these verdicts over a snapshot of just these requests."""
    requests = [request for request, _ in pairs]
    decisions = [decided(request, verdict) for request, verdict in pairs]
    return plan(decisions, snapshot=seen or snapshot(*requests, **facts), history=history or History())


def sent(made: Plan) -> list[tuple[str, str]]:
    """What is to be sent, in order."""
    return [(str(step.key), step.action.lower()) for step in made.steps]


def why(made: Plan) -> dict[str, ReasonKind]:
    """Request → why it is kept back."""
    return {str(kept.decision.key): kept.reason.kind for kept in made.kept_back}


def needs(made: Plan) -> dict[str, list[str]]:
    """Request → what must be done before it."""
    return {str(step.key): [str(needed) for needed in step.needs] for step in made.steps}


def test_an_owner_who_connects_is_accepted_from_the_top_down():
    """Accepts go connection, property, meter, each after those above it."""
    made = planned([(meter_share(21, 11), ACCEPT), (property_share(11), ACCEPT), (connection(), ACCEPT)])
    assert sent(made) == [("connection:410221", "accept"), ("property:11", "accept"), ("meter:21", "accept")]
    assert needs(made) == {
        "connection:410221": [],
        "property:11": ["connection:410221"],
        "meter:21": ["connection:410221", "property:11"],
    }
    assert not made.kept_back


@pytest.mark.parametrize("verdict", [HOLD, REJECT])
def test_a_share_is_kept_back_while_its_owner_s_connection_is_not_accepted(verdict):
    """Accepting the share would accept the connection, so the share waits and names it."""
    made = planned([(connection(), verdict), (property_share(11), ACCEPT)])
    kind = ReasonKind.PARENT_REJECTED if verdict is REJECT else ReasonKind.CONNECTION_NOT_ACCEPTED
    assert why(made) == {"property:11": kind}
    assert made.kept_back[0].reason.other == key("connection", ALICE)
    assert ("property:11", "accept") not in sent(made)


def test_a_connected_owner_s_share_needs_no_connection():
    """An owner who is connected already and has no connection request pending needs none."""
    made = planned([(property_share(11), ACCEPT)], **CONNECTED)
    assert sent(made) == [("property:11", "accept")]
    assert needs(made) == {"property:11": []}


def test_a_pending_connection_counts_even_if_the_owner_is_listed_as_connected():
    """The list of customers may be older than the request: what pends now is what an accept would carry along."""
    made = planned([(connection(), HOLD), (property_share(11), ACCEPT)], **CONNECTED)
    assert why(made) == {"property:11": ReasonKind.CONNECTION_NOT_ACCEPTED}


def test_an_unconnected_owner_without_a_connection_request_is_kept_back():
    """Accepting the share would connect an owner about whom nothing was decided."""
    made = planned([(property_share(11), ACCEPT)], connected=frozenset({BOB}))
    assert why(made) == {"property:11": ReasonKind.CONNECTION_NOT_ACCEPTED}
    assert "not connected" in made.kept_back[0].reason.text


def test_a_share_is_kept_back_if_who_is_connected_could_not_be_learnt():
    """Doubt about the connection is hold."""
    made = planned([(property_share(11), ACCEPT)], connected=NotLearnt("GET /customer/list: 500"))
    assert why(made) == {"property:11": ReasonKind.CONNECTION_NOT_ACCEPTED}
    assert "500" in made.kept_back[0].reason.text


@pytest.mark.parametrize(
    ("verdict", "kind"), [(HOLD, ReasonKind.PROPERTY_NOT_ACCEPTED), (REJECT, ReasonKind.PARENT_REJECTED)]
)
def test_a_meter_is_kept_back_while_its_pending_property_is_not_accepted(verdict, kind):
    """Accepting the meter would accept the property's pending share."""
    made = planned([(property_share(11), verdict), (meter_share(21, 11), ACCEPT)], **CONNECTED)
    assert why(made) == {"meter:21": kind}
    assert made.kept_back[0].reason.other == key("property", 11)


def test_a_meter_waits_for_a_property_that_itself_waits():
    """A property that is kept back keeps its meters back too."""
    made = planned([(property_share(11), ACCEPT), (meter_share(21, 11, BOB), ACCEPT)], connected=frozenset({BOB}))
    assert why(made) == {
        "property:11": ReasonKind.CONNECTION_NOT_ACCEPTED,
        "meter:21": ReasonKind.PROPERTY_NOT_ACCEPTED,
    }
    assert "is itself kept back" in made.kept_back[1].reason.text


def test_a_meter_of_a_shared_property_is_accepted():
    """Nothing is carried along where the property is shared already."""
    assert sent(planned([(meter_share(21, 11), ACCEPT)], **CONNECTED, **SHARED)) == [("meter:21", "accept")]


def test_a_meter_whose_property_is_neither_shared_nor_pending_is_kept_back():
    """Accepting it would share the property read-only."""
    made = planned([(meter_share(21, 12), ACCEPT)], **CONNECTED, **SHARED)
    assert why(made) == {"meter:21": ReasonKind.PROPERTY_NOT_SHARED}


def _in_so_many_words(history: History) -> Plan:
    request = meter_share(21, 12)
    decision = decided(request, ACCEPT, accepts_unshared_property=True)
    return plan([decision], snapshot=snapshot(request, **CONNECTED, **SHARED), history=history)


def test_a_rule_may_accept_a_meter_without_its_property_in_so_many_words():
    """A rule that tests `property.share: none` has decided the read-only share too."""
    assert sent(_in_so_many_words(History())) == [("meter:21", "accept")]


def test_no_rule_may_share_a_property_that_we_rejected():
    """Where the ledger holds a reject of the property, not even such a rule accepts its meter."""
    made = _in_so_many_words(History(rejected_properties=frozenset({12})))
    assert why(made) == {"meter:21": ReasonKind.PROPERTY_NOT_SHARED}
    assert "we rejected property 12" in made.kept_back[0].reason.text


@pytest.mark.parametrize(
    "facts",
    [
        {"shared_properties": {}},
        {"shared_properties": {ALICE: NotLearnt("403")}},
        {"failed": Kind.PROPERTY, **SHARED},
        {"strange": Kind.PROPERTY, **SHARED},
    ],
)
def test_a_meter_is_kept_back_where_its_property_s_share_could_not_be_learnt(facts):
    """A list that is not whole, an unreadable element, a failed read: doubt is hold."""
    assert why(planned([(meter_share(21, 11), ACCEPT)], **CONNECTED, **facts)) == {
        "meter:21": ReasonKind.PROPERTY_NOT_SHARED
    }


def test_a_meter_without_an_owner_is_kept_back():
    """A document that names no owner shows nothing about the property."""
    request = PendingRequest(kind=Kind.METER, id=21, property_id=11)
    assert why(planned([(request, ACCEPT)], **CONNECTED)) == {"meter:21": ReasonKind.PROPERTY_NOT_SHARED}


def test_a_meter_without_a_property_has_nothing_above_it_to_ask():
    """Decide holds such a meter; plan must not fall over it."""
    request = PendingRequest(kind=Kind.METER, id=21, account_id=ALICE)
    assert sent(planned([(request, REJECT)])) == [("meter:21", "reject")]


def test_rejects_go_leaf_first_so_that_each_gets_its_own_note():
    """A connection's reject waits for its meters' and properties', a property's for its meters'."""
    made = planned([(connection(), REJECT), (property_share(11), REJECT), (meter_share(21, 11), REJECT)])
    assert sent(made) == [("meter:21", "reject"), ("property:11", "reject"), ("connection:410221", "reject")]
    assert needs(made) == {
        "meter:21": [],
        "property:11": ["meter:21"],
        "connection:410221": ["property:11", "meter:21"],
    }


def test_what_falls_with_a_reject_is_named_and_never_waited_for():
    """Held children and those that were to be accepted fall with their parent; a rejected one has its own step."""
    requests = [property_share(11), property_share(12), meter_share(21, 11)]
    made = planned([(connection(), REJECT), (requests[0], HOLD), (requests[1], ACCEPT), (requests[2], REJECT)])
    falls = {str(step.key): {str(each) for each in step.falls} for step in made.steps}
    assert falls == {"connection:410221": {"property:11", "property:12"}, "meter:21": set()}
    assert needs(made)["connection:410221"] == ["meter:21"]
    assert why(made) == {"property:12": ReasonKind.PARENT_REJECTED}


@pytest.mark.parametrize(
    ("request_", "failed", "goes"),
    [
        (connection(), Kind.PROPERTY, False),
        (connection(), Kind.METER, False),
        (property_share(11), Kind.METER, False),
        (property_share(11), Kind.CONNECTION, True),
        (meter_share(21, 11), Kind.PROPERTY, True),
    ],
)
def test_a_reject_is_kept_back_while_what_pends_below_it_is_not_known(request_, failed, goes):
    """Its side effects must be known before it is sent; what stands above or beside it does not matter."""
    made = planned([(request_, REJECT)], failed=failed)
    assert bool(made.steps) is goes
    assert list(why(made).values()) == ([] if goes else [ReasonKind.LIST_NOT_WHOLE])


def test_a_reject_waits_while_an_answer_to_a_child_is_in_doubt():
    """What became of the child's own answer must be known before its parent takes it along."""
    child = property_share(11)
    history = History(answer_states={child.key: AnswerState.IN_DOUBT})
    made = planned([(connection(), REJECT), (child, REJECT)], history=history)
    assert why(made) == {"property:11": ReasonKind.IN_DOUBT, "connection:410221": ReasonKind.IN_DOUBT}


@pytest.mark.parametrize("standing", [each for each in AnswerState if each is not AnswerState.UNANSWERED])
@pytest.mark.parametrize("verdict", [ACCEPT, REJECT])
def test_what_was_answered_is_never_answered_again(standing, verdict):
    """An answer that is done, in doubt, refused, or somebody else's keeps the request back."""
    request = connection()
    made = planned([(request, verdict)], history=History(answer_states={request.key: standing}))
    assert not made.steps
    assert list(why(made)) == ["connection:410221"]


def test_an_accept_that_is_done_but_still_listed_lets_its_children_through():
    """The list lags; the ledger knows that the connection is accepted."""
    parent = connection()
    history = History(answer_states={parent.key: AnswerState.ACCEPTED})
    made = planned([(parent, ACCEPT), (property_share(11), ACCEPT)], history=history)
    assert sent(made) == [("property:11", "accept")]
    assert needs(made) == {"property:11": []}


@pytest.mark.parametrize(
    "standing", [AnswerState.REJECTED, AnswerState.SETTLED, AnswerState.IN_DOUBT, AnswerState.REFUSED]
)
def test_any_other_answer_above_keeps_a_child_back(standing):
    """Only an accept of ours that is done lets a child through."""
    parent = connection()
    made = planned(
        [(parent, ACCEPT), (property_share(11), ACCEPT)], history=History(answer_states={parent.key: standing})
    )
    assert not made.steps


def test_rejects_go_before_accepts_and_the_oldest_first():
    """The order of the plan is the order in which answers are sent."""
    old, new = NOW - timedelta(days=2), NOW - timedelta(days=1)
    made = planned(
        [
            (connection(5, requested_at=new), ACCEPT),
            (connection(6, requested_at=old), ACCEPT),
            (connection(7), REJECT),
            (connection(3, requested_at=new), ACCEPT),
        ]
    )
    assert [step.key.id for step in made.steps] == [7, 6, 3, 5]
    assert [step.action for step in made.steps] == [Action.REJECT] + [Action.ACCEPT] * 3


def test_holds_are_decisions_without_steps():
    """A held request is neither sent nor kept back."""
    made = planned([(connection(), HOLD)])
    assert (made.steps, made.kept_back, len(made.decisions)) == ((), (), 1)


def test_a_plan_is_fresh_for_five_minutes_or_twice_what_all_the_reading_took():
    """Facts that took long to read do not make the lists too old to be answered from at all."""
    quick = plan([], snapshot=snapshot(), history=History())
    assert (quick.fresh_from, quick.fresh_until) == (NOW + timedelta(seconds=1), NOW + timedelta(minutes=5))
    slow = plan([], snapshot=snapshot(ended=NOW + timedelta(minutes=4)), history=History())
    assert slow.fresh_until == NOW + timedelta(minutes=8)
    first, last = pending_list(Kind.CONNECTION), pending_list(Kind.METER, ended=NOW + timedelta(minutes=1))
    mixed = replace(snapshot(), connections=replace(first, begun=NOW - timedelta(minutes=2)), meters=last)
    made = plan([], snapshot=mixed, history=History())
    assert (made.fresh_from, made.fresh_until) == (NOW + timedelta(minutes=1), NOW + timedelta(minutes=3))


@pytest.mark.parametrize("standing", [AnswerState.REFUSED, AnswerState.REPEATABLE])
@pytest.mark.parametrize("awaits", [None, *Change])
@pytest.mark.parametrize("template", ["as before", "another", None])
def test_what_was_refused_goes_only_if_what_it_waits_for_has_changed(standing, awaits, template):
    """400/-100 waits for another template of the note; what the words are is no matter, since ages grow.

    What waits for a time, or for another request, no change of the policy lets go. Of an answer in doubt the last
    attempt may have been refused: then the same holds, and where it was not, it is sent again.
    """
    request = connection()
    sent = LastAnswer(action=Action.ACCEPT, note="Sent 1 hour ago.", template="as before", awaits=awaits)
    history = History(answer_states={request.key: standing}, sent={request.key: sent})
    decision = decided(request, ACCEPT, note="Sent 2 hours ago.", template=template)
    made = plan([decision], snapshot=snapshot(request), history=history)
    changed = awaits is Change.NOTE and template != "as before"
    assert bool(made.steps) is (changed or (standing is AnswerState.REPEATABLE and awaits is None))
    assert {kept.reason.kind for kept in made.kept_back} == (set() if made.steps else {ReasonKind.REFUSED})


def test_another_verdict_does_not_help_what_was_refused():
    """It was not the verdict that was refused."""
    request = connection()
    sent = LastAnswer(action=Action.ACCEPT, awaits=Change.REQUEST)
    history = History(answer_states={request.key: AnswerState.REFUSED}, sent={request.key: sent})
    assert not planned([(request, REJECT)], history=history).steps


def test_a_plan_names_the_lists_that_are_not_whole():
    """People are told which list failed."""
    made = plan([], snapshot=snapshot(failed=Kind.METER), history=History())
    assert [each.kind for each in made.not_whole] == [Kind.METER]


def test_the_children_of_other_owners_do_not_fall():
    """A connection's reject touches its own owner's shares only."""
    decisions: list[Decision] = [decided(connection(), REJECT), decided(property_share(11, BOB), HOLD)]
    made = plan(decisions, snapshot=snapshot(*(each.request for each in decisions)), history=History())
    assert made.steps[0].falls == ()
    assert isinstance(made.steps[0].key, RequestKey)


def _sentences(made: Plan) -> list[tuple[str, RequestKey | None]]:
    return [(kept.reason.text, kept.reason.other) for kept in made.kept_back]


OWNER_KEY, HOUSE_KEY = key("connection", ALICE), key("property", 11)
HOUSE, METER_OF_HOUSE = property_share(11), meter_share(21, 11)


@pytest.mark.parametrize(
    ("pairs", "facts", "text", "other"),
    [
        (
            [(connection(), HOLD), (HOUSE, ACCEPT)],
            {},
            "accepting this would also accept the connection of account 410221, which is held for review",
            OWNER_KEY,
        ),
        (
            [(connection(), REJECT), (HOUSE, ACCEPT)],
            {},
            "the connection of account 410221 is being rejected, which also rejects this request",
            OWNER_KEY,
        ),
        (
            [(HOUSE, ACCEPT)],
            {"connected": NotLearnt("403")},
            "it is unknown whether account 410221 is connected: 403",
            OWNER_KEY,
        ),
        (
            [(HOUSE, ACCEPT)],
            {},
            "account 410221 is not connected and has no pending connection request; accepting this would connect it",
            OWNER_KEY,
        ),
        (
            [(HOUSE, HOLD), (METER_OF_HOUSE, ACCEPT)],
            CONNECTED,
            "accepting this would also accept the share of property 11, which is held for review",
            HOUSE_KEY,
        ),
        (
            [(METER_OF_HOUSE, ACCEPT)],
            CONNECTED | {"shared_properties": {ALICE: frozenset()}},
            "property 11 is not shared with us; accepting this would share it read-only",
            HOUSE_KEY,
        ),
        (
            [(METER_OF_HOUSE, ACCEPT)],
            CONNECTED,
            "it is unknown whether property 11 is shared with us: the properties of account 410221 were not read",
            HOUSE_KEY,
        ),
        (
            [(METER_OF_HOUSE, ACCEPT)],
            CONNECTED | {"failed": Kind.PROPERTY},
            ("it is unknown whether property 11 is shared with us: the list of pending property shares is incomplete"),
            HOUSE_KEY,
        ),
        (
            [(PendingRequest(kind=Kind.METER, id=21, property_id=11), ACCEPT)],
            CONNECTED,
            "it is unknown whether property 11 is shared with us: the document does not name the owner",
            HOUSE_KEY,
        ),
        (
            [(connection(), REJECT)],
            {"failed": Kind.PROPERTY},
            "rejecting this would also reject its pending property shares; the list of them is incomplete",
            None,
        ),
        (
            [(HOUSE, REJECT)],
            {"failed": Kind.METER},
            "rejecting this would also reject its pending meter shares; the list of them is incomplete",
            None,
        ),
    ],
)
def test_each_reason_names_the_other_and_says_in_a_sentence_what_is_at_stake(pairs, facts, text, other):
    """People read these sentences in `pending`, `explain` and `decisions`."""
    assert _sentences(planned(pairs, **facts)) == [(text, other)]


def test_a_child_that_waits_for_one_that_waits_says_so():
    """The nearest cause is named."""
    made = planned([(HOUSE, ACCEPT), (meter_share(21, 11, BOB), ACCEPT)], connected=frozenset({BOB}))
    text = "accepting this would also accept the share of property 11, which is itself kept back"
    assert _sentences(made)[1] == (text, HOUSE_KEY)


def test_a_child_in_doubt_is_named_by_the_parent_that_waits_for_it():
    """Whoever looks at the parent is led to the child."""
    history = History(answer_states={HOUSE.key: AnswerState.IN_DOUBT})
    made = planned([(connection(), REJECT), (HOUSE, REJECT)], history=history)
    assert _sentences(made) == [
        ("an answer was sent, but its outcome is still unknown", None),
        ("the outcome of our answer to property:11 is still unknown", HOUSE_KEY),
    ]


def test_an_accept_takes_nothing_down():
    """Only a reject makes others fall; what is held below an accepted parent goes on pending."""
    made = planned([(connection(), ACCEPT), (HOUSE, HOLD), (METER_OF_HOUSE, HOLD)])
    assert [step.falls for step in made.steps] == [()]


def test_a_request_without_a_date_goes_before_all_others():
    """It may have waited longest."""
    made = planned([(connection(5, requested_at=NOW), ACCEPT), (connection(6), ACCEPT), (connection(4), ACCEPT)])
    assert [step.key.id for step in made.steps] == [4, 6, 5]


@pytest.mark.parametrize("verdict", [ACCEPT, REJECT])
def test_an_answer_of_unknown_fate_is_repeated_word_for_word(verdict):
    """The rule of unknowns: the same answer, with the note that was sent, though the note would be another now."""
    request = connection()
    action = Action.ACCEPT if verdict is ACCEPT else Action.REJECT
    history = History(
        answer_states={request.key: AnswerState.REPEATABLE},
        sent={request.key: LastAnswer(action=action, note="As sent.")},
    )
    (step,) = planned([(request, verdict)], history=history).steps
    assert (step.action, step.decision.note, step.repeats) == (action, "As sent.", True)


def test_another_verdict_than_the_one_of_unknown_fate_waits_for_a_person():
    """Two different answers to one request would be one too many."""
    request = connection()
    for standing in (AnswerState.REPEATABLE, AnswerState.IN_DOUBT):
        sent = LastAnswer(action=Action.ACCEPT, awaits=Change.REQUEST)
        history = History(answer_states={request.key: standing}, sent={request.key: sent})
        (kept,) = planned([(request, REJECT)], history=history).kept_back
        assert kept.reason.kind is ReasonKind.VERDICT_CHANGED
        assert "a person must review it" in kept.reason.text


@pytest.mark.parametrize(("seconds", "goes"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_nothing_is_sent_again_while_the_clocks_do_not_agree(seconds, goes):
    """Nobody can say how long ago it was sent; what was not answered yet is answered all the same."""
    request, new = connection(), connection(BOB)
    history = History(
        answer_states={request.key: AnswerState.REPEATABLE}, sent={request.key: LastAnswer(action=Action.ACCEPT)}
    )
    seen = snapshot(request, new, clock=timedelta(seconds=seconds))
    made = plan([decided(each, ACCEPT) for each in (request, new)], snapshot=seen, history=history)
    assert {step.key for step in made.steps} == ({request.key, new.key} if goes else {new.key})
    assert made.clock_skew == (None if goes else timedelta(seconds=seconds))
    said = {kept.reason.text for kept in made.kept_back}
    assert goes or all(
        "while this machine's clock differs from Portfolio Manager's by 301 seconds" in each for each in said
    )
    assert bool(said) is not goes


def test_without_the_service_s_clock_ours_alone_decides():
    """Not every answer has a Date."""
    request = connection()
    history = History(
        answer_states={request.key: AnswerState.REPEATABLE}, sent={request.key: LastAnswer(action=Action.ACCEPT)}
    )
    assert planned([(request, ACCEPT)], history=history, clock=NotLearnt("no Date")).steps


def test_a_reject_waits_for_a_child_whose_repeated_answer_is_kept_back():
    """What became of the answer to the child is not known, so its parent's reject must not take it along."""
    parent, child = property_share(11), meter_share(21, 11)
    sent = {child.key: LastAnswer(action=Action.ACCEPT)}
    history = History(answer_states={child.key: AnswerState.REPEATABLE}, sent=sent)
    made = planned([(parent, REJECT), (child, REJECT)], history=history)
    assert not made.steps
    assert {kept.reason.kind for kept in made.kept_back} == {ReasonKind.VERDICT_CHANGED, ReasonKind.IN_DOUBT}
    history = History(
        answer_states={child.key: AnswerState.REPEATABLE}, sent={child.key: LastAnswer(action=Action.REJECT)}
    )
    steps = planned([(parent, REJECT), (child, REJECT)], history=history).steps
    assert [(step.key, step.needs) for step in steps] == [(child.key, ()), (parent.key, (child.key,))]


def missed(request: PendingRequest) -> Decision:
    """The decision of a request that one read does not show."""
    return replace(decided(request, HOLD), rule=None, reason=Reason(ReasonKind.MISSED_ONCE, "once"))


def test_a_child_waits_for_a_parent_that_one_read_misses():
    """Accepting it would carry along a parent that may pend and was not decided."""
    decisions = [decided(meter_share(21, 11), ACCEPT), missed(property_share(11))]
    made = plan(decisions, snapshot=snapshot(meter_share(21, 11), **CONNECTED, **SHARED), history=History())
    assert why(made) == {"meter:21": ReasonKind.PROPERTY_NOT_ACCEPTED}
    assert "is missing from one read" in made.kept_back[0].reason.text


@pytest.mark.parametrize("standing", [AnswerState.UNANSWERED, AnswerState.REFUSED])
def test_a_parent_s_reject_waits_for_a_child_that_one_read_misses(standing):
    """If it pends, it gets its own note first."""
    decisions = [decided(connection(), REJECT), missed(property_share(11))]
    history = History(answer_states={key("property", 11): standing})
    made = plan(decisions, snapshot=snapshot(connection()), history=history)
    assert why(made) == {"connection:410221": ReasonKind.MISSED_ONCE}
    assert made.kept_back[0].reason.other == key("property", 11)


@pytest.mark.parametrize("verdict", [ACCEPT, REJECT, HOLD])
@pytest.mark.parametrize("doubt", ["overdue", "strange"])
def test_a_parent_that_we_accepted_counts_only_without_any_doubt(verdict, doubt):
    """It is listed long after our accept, or beside an element whose id nobody can read: that may be another share."""
    pairs = [(property_share(11), verdict), (meter_share(21, 11), ACCEPT)]
    accepted = {key("property", 11): AnswerState.ACCEPTED}
    assert sent(planned(pairs, history=History(answer_states=accepted), **CONNECTED)) == [("meter:21", "accept")]
    overdue = frozenset(accepted) if doubt == "overdue" else frozenset()
    strange = Kind.PROPERTY if doubt == "strange" else None
    made = planned(
        pairs,
        history=History(answer_states=accepted, overdue=overdue),
        seen=snapshot(*(request for request, _ in pairs), strange=strange, **CONNECTED),
    )
    assert sent(made) == []
    assert why(made)["meter:21"] is ReasonKind.PROPERTY_NOT_ACCEPTED


def test_what_is_listed_long_after_its_answer_is_shown_to_people():
    """A list that lags is no explanation any more."""
    history = History(
        answer_states={key("connection", ALICE): AnswerState.REJECTED}, overdue=frozenset({key("connection", ALICE)})
    )
    assert why(planned([(connection(), ACCEPT)], history=history)) == {"connection:410221": ReasonKind.LISTED_AGAIN}


@pytest.mark.parametrize("verdict", [ACCEPT, REJECT])
def test_planning_many_shares_of_one_owner_takes_no_longer_for_each(verdict):
    """Four times the shares make four times the calls: no request looks through the others of its owner."""

    def calls(properties: int) -> int:
        requests = [
            connection(),
            *(property_share(number) for number in range(1, properties + 1)),
            *(meter_share(1_000 + number, number) for number in range(1, properties + 1)),
        ]
        decisions, seen = [decided(request, verdict) for request in requests], snapshot(*requests)
        count = 0

        def counting(*_: object) -> None:
            nonlocal count
            count += 1

        before = sys.getprofile()
        sys.setprofile(counting)
        try:
            made = plan(decisions, snapshot=seen, history=History())
        finally:
            sys.setprofile(before)
        assert len(made.steps) == len(requests)
        return count

    assert calls(200) < 4.2 * calls(50)


def by_ana(made: Decision, action: Action, *goes_along: object, number: int = 1) -> Decision:
    """The same request, as Ana answered it, who was shown that this goes along."""
    verdict = ACCEPT if action is Action.ACCEPT else REJECT
    return replace(made, verdict=verdict, person=by_people(action, *goes_along, number=number))


def answered(
    by_people_: list[tuple[PendingRequest, Action, tuple[object, ...]]],
    *others: tuple[PendingRequest, Verdict],
    history: History | None = None,
    **facts: object,
) -> Plan:
    """Plan the answers of Ana, each with what she was shown, and these verdicts of the policy."""
    requests = [*(request for request, _, _ in by_people_), *(request for request, _ in others)]
    decisions = [by_ana(decided(request, HOLD), action, *shown) for request, action, shown in by_people_]
    decisions += [decided(request, verdict) for request, verdict in others]
    return plan(decisions, snapshot=snapshot(*requests, **facts), history=history or History())


def shown(request: PendingRequest) -> Consequence:
    """A pending request that goes along."""
    return Consequence(request.key, request.content_digest)


A_METER, A_SHARE = meter_share(21, 11), property_share(11)
NOBODY_CONNECTED, NOT_SHARED = Consequence(key("connection", ALICE)), Consequence(key("property", 11))


@pytest.mark.parametrize(
    ("request_", "action", "others", "facts", "goes_along"),
    [
        (A_SHARE, Action.ACCEPT, [], {}, NOBODY_CONNECTED),
        (A_METER, Action.ACCEPT, [], CONNECTED | {"shared_properties": {ALICE: frozenset()}}, NOT_SHARED),
        (connection(), Action.REJECT, [(A_SHARE, HOLD)], {}, shown(A_SHARE)),
        (A_SHARE, Action.REJECT, [(A_METER, HOLD)], CONNECTED, shown(A_METER)),
    ],
    ids=["connects", "shares", "rejects a share", "rejects a meter"],
)
def test_people_may_carry_along_what_they_were_shown(request_, action, others, facts, goes_along):
    """And nothing else: without it the answer is void, and the request is back in the queue."""
    made = answered([(request_, action, (goes_along,))], *others, **facts)
    assert (sent(made), made.voided) == ([(str(request_.key), action.lower())], ())
    made = answered([(request_, action, ())], *others, **facts)
    assert (sent(made), why(made)) == ([], {str(request_.key): ReasonKind.ANSWER_VOID})
    (voided,) = made.voided
    assert (voided.number, voided.key, voided.action, voided.people) == (1, request_.key, action, ("ana",))
    assert str(goes_along.key) in voided.why


def test_what_was_shown_is_that_very_request():
    """The property's share was replaced by another one with the same id since the reviewer looked."""
    other = property_share(11, access_level="Full Access")
    made = answered([(connection(), Action.REJECT, (shown(A_SHARE),))], (other, HOLD))
    assert why(made) == {f"connection:{ALICE}": ReasonKind.ANSWER_VOID}


@pytest.mark.parametrize("verdict", [HOLD, REJECT])
def test_what_is_pending_above_needs_an_answer_of_its_own(verdict):
    """Even if the reviewer was shown it: each request of a family is answered itself."""
    made = answered([(A_SHARE, Action.ACCEPT, (shown(connection()),))], (connection(), verdict))
    assert why(made)["property:11"] in (ReasonKind.CONNECTION_NOT_ACCEPTED, ReasonKind.PARENT_REJECTED)
    assert made.voided == ()


def test_a_family_goes_from_the_top_down():
    """Each with its own answer, or with the policy's."""
    family = [(A_METER, Action.ACCEPT, ()), (A_SHARE, Action.ACCEPT, ()), (connection(), Action.ACCEPT, ())]
    assert sent(answered(family)) == [
        (f"connection:{ALICE}", "accept"),
        ("property:11", "accept"),
        ("meter:21", "accept"),
    ]
    assert sent(answered(family[:2], (connection(), ACCEPT))) == sent(answered(family))


def test_rejects_of_people_go_leaf_first():
    """A child with its own answer does not go along."""
    made = answered([(connection(), Action.REJECT, ()), (A_SHARE, Action.REJECT, ())])
    assert sent(made) == [("property:11", "reject"), (f"connection:{ALICE}", "reject")]


@pytest.mark.parametrize("state", [AnswerState.ACCEPTED, AnswerState.REJECTED, AnswerState.SETTLED])
def test_what_was_answered_and_is_still_listed_does_not_go_along(state):
    """The list lags."""
    standing = History(answer_states={A_SHARE.key: state})
    made = answered([(connection(), Action.REJECT, ())], (A_SHARE, HOLD), history=standing)
    assert sent(made) == [(f"connection:{ALICE}", "reject")]
    standing = History(answer_states={A_SHARE.key: state})
    made = answered([(A_METER, Action.ACCEPT, ())], (A_SHARE, HOLD), history=standing, **CONNECTED)
    assert made.voided == ()


def test_what_could_not_be_learnt_keeps_an_answer_of_people_back():
    """It is not void: the next read may tell."""
    made = answered([(A_SHARE, Action.ACCEPT, ())], connected=NotLearnt("500"))
    assert (why(made), made.voided) == ({"property:11": ReasonKind.CONNECTION_NOT_ACCEPTED}, ())
    made = answered([(A_METER, Action.ACCEPT, ())], shared_properties={ALICE: NotLearnt("500")}, **CONNECTED)
    assert (why(made), made.voided) == ({"meter:21": ReasonKind.PROPERTY_NOT_SHARED}, ())


def test_a_meter_without_an_owner_or_a_property_has_nothing_above_it():
    """Decide does not let people answer it; plan keeps back what it can."""
    made = answered([(replace(A_METER, account_id=None, property_id=None), Action.ACCEPT, ())])
    assert sent(made) == [("meter:21", "accept")]


@pytest.mark.parametrize(("awaits", "goes"), [(Change.NOTE, True), (Change.REQUEST, True), (None, False)])
def test_after_a_refusal_for_good_a_person_may_answer_again(awaits, goes):
    """A refusal with a retry time holds for people too."""
    refused = History(
        answer_states={connection().key: AnswerState.REFUSED},
        sent={connection().key: LastAnswer(action=Action.ACCEPT, awaits=awaits)},
    )
    made = answered([(connection(), Action.REJECT, ())], history=refused)
    assert bool(sent(made)) is goes
