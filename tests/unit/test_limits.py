"""limits: what is kept back, what goes with what, whose turn it is, and what people read of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from pm_autoaccept.limits import has_room
from pm_autoaccept.model import (
    Action,
    AnswerState,
    History,
    Kind,
    LastAnswer,
    Limit,
    LimitUsage,
    PendingRequest,
    Plan,
    ReasonKind,
    Verdict,
)
from pm_autoaccept.plan import plan
from tests.examples import ALICE, BOB, NOW, by_people, connection, decided, meter_share, property_share, snapshot

ACCEPT, REJECT, HOLD = Verdict.ACCEPT, Verdict.REJECT, Verdict.HOLD
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOUSE, METER = property_share(11), meter_share(21, 11)


def accepts(at_most: int, *, count: int = 0, frees_from: datetime | None = None) -> LimitUsage:
    """A limit of accepts per hour, and what counts for it."""
    limit = Limit(action=Action.ACCEPT, at_most=at_most, period=HOUR)
    return LimitUsage(limit=limit, count=count, of=count, frees_from=frees_from)


def rejects(at_most: int, *, count: int = 0) -> LimitUsage:
    """A limit of rejects per day, and what counts for it."""
    return LimitUsage(limit=Limit(action=Action.REJECT, at_most=at_most, period=DAY), count=count, of=count)


def share(percent: str, *, count: int, of: int) -> LimitUsage:
    """A limit of the share of rejects per day, and what counts for it."""
    return LimitUsage(limit=Limit(action=Action.REJECT, percent=Decimal(percent), period=DAY), count=count, of=of)


def planned(pairs: Iterable[tuple[PendingRequest, Verdict]], *tallies: LimitUsage, **said: object) -> Plan:
    """Plan these verdicts within these limits."""
    pairs = list(pairs)
    seen = snapshot(*(request for request, _ in pairs), connected=frozenset({ALICE, BOB}))
    decisions = [decided(request, verdict) for request, verdict in pairs]
    return plan(decisions, snapshot=seen, history=History(limit_usage=tallies, **said))


def sent(made: Plan) -> list[str]:
    """What is to be sent, in order."""
    return [str(step.key) for step in made.steps]


def late(made: Plan) -> list[str]:
    """What a limit keeps back."""
    return [str(kept.decision.key) for kept in made.kept_back if kept.reason.kind is ReasonKind.OVER_LIMIT]


def owners(*days: int | None) -> list[PendingRequest]:
    """A connection request for each, asked so many days ago; None for one without a date."""
    return [
        connection(number, requested_at=None if ago is None else NOW - ago * DAY)
        for number, ago in enumerate(days, start=1)
    ]


def test_so_many_go_and_the_oldest_first():
    """What would pass the limit waits; whoever asked first is answered first, the order of sending stays."""
    made = planned([(each, ACCEPT) for each in owners(1, 3, None, 2)], accepts(3))
    assert sent(made) == ["connection:3", "connection:2", "connection:4"]
    assert late(made) == ["connection:1"]


def test_what_was_sent_in_the_period_counts():
    """The ledger's count and this plan's steps share the room."""
    assert sent(planned([(each, ACCEPT) for each in owners(1, 2, 3)], accepts(5, count=3))) == [
        "connection:3",
        "connection:2",
    ]
    assert sent(planned([(each, ACCEPT) for each in owners(1)], accepts(5, count=7))) == []


def test_a_limit_is_for_its_own_action():
    """Rejects go on where accepts have reached their limit, and the other way round."""
    pairs = [(connection(1), ACCEPT), (connection(2), REJECT)]
    assert sent(planned(pairs, accepts(0))) == ["connection:2"]
    assert sent(planned(pairs, rejects(0))) == ["connection:1"]


def test_each_of_several_limits_holds():
    """The tighter one of today decides, and is the one that is named."""
    tight, wide = accepts(1), LimitUsage(limit=Limit(action=Action.ACCEPT, at_most=5, period=DAY), count=1, of=1)
    made = planned([(each, ACCEPT) for each in owners(2, 1)], wide, tight)
    assert sent(made) == ["connection:1"]
    assert "1 accepts per 1h" in made.kept_back[0].reason.text
    assert made.steps[0].within == (wide.limit, tight.limit)


def test_without_limits_everything_goes():
    """`none` was said."""
    made = planned([(each, ACCEPT) for each in owners(*range(300))])
    assert (len(made.steps), made.kept_back) == (300, ())
    assert made.steps[0].within == ()


def test_a_step_goes_with_all_that_must_be_done_before_it_or_not_at_all():
    """An old meter takes its younger property and connection along; where there is no room for all three it waits."""
    old = meter_share(21, 11, requested_at=NOW - 9 * DAY)
    pairs = [(connection(requested_at=NOW), ACCEPT), (HOUSE, ACCEPT), (old, ACCEPT)]
    assert sent(planned(pairs, accepts(3))) == ["connection:410221", "property:11", "meter:21"]
    made = planned(pairs, accepts(2))
    assert (sent(made), late(made)) == (["connection:410221", "property:11"], ["meter:21"])
    made = planned(pairs, accepts(1))
    assert (sent(made), late(made)) == (["connection:410221"], ["property:11", "meter:21"])


def test_what_goes_along_is_counted_once():
    """Two meters of one property take it, and its connection, along only once."""
    pairs = [(connection(), ACCEPT), (HOUSE, ACCEPT), (METER, ACCEPT), (meter_share(22, 11), ACCEPT)]
    assert len(planned(pairs, accepts(4)).steps) == 4


def test_a_parent_is_not_rejected_before_each_child_that_gets_a_reject_of_its_own():
    """A child that waits for a limit would fall with its parent and never read its own note."""
    pairs = [(connection(), REJECT), (HOUSE, REJECT), (METER, REJECT), (property_share(12), HOLD)]
    made = planned(pairs, rejects(2))
    assert (sent(made), late(made)) == (["meter:21", "property:11"], ["connection:410221"])
    assert sent(planned(pairs, rejects(3))) == ["meter:21", "property:11"]
    made = planned(pairs, rejects(4))
    assert sent(made) == ["meter:21", "property:11", "connection:410221"]
    assert [str(each) for each in made.steps[2].falls] == ["property:12"]


def test_what_falls_along_counts_once_and_as_a_reject():
    """A held meter falls with its property and its connection, and is one answer."""
    pairs = [(connection(), REJECT), (HOUSE, REJECT), (METER, HOLD)]
    assert sent(planned(pairs, rejects(3))) == ["property:11", "connection:410221"]
    assert sent(planned(pairs, rejects(2))) == ["property:11"]
    assert sent(planned(pairs, rejects(1))) == []


def test_a_child_to_be_accepted_still_waits_where_its_parent_s_reject_waits():
    """A reject that a limit keeps back lets nothing through below it."""
    made = planned([(connection(), REJECT), (HOUSE, ACCEPT)], rejects(0))
    assert sent(made) == []
    assert [kept.reason.kind for kept in made.kept_back] == [ReasonKind.PARENT_REJECTED, ReasonKind.OVER_LIMIT]


def test_what_is_kept_back_anyway_takes_no_room():
    """An answer that is done and still listed is not sent again, so that the next one may go."""
    first, second = owners(2, 1)
    made = planned([(first, ACCEPT), (second, ACCEPT)], accepts(1), answer_states={first.key: AnswerState.ACCEPTED})
    assert sent(made) == ["connection:2"]


def test_an_answer_that_is_sent_again_takes_no_room():
    """It counts already, since it was sent; the ledger counts again when it is."""
    first, second = owners(2, 1)
    said = {"answer_states": {first.key: AnswerState.REPEATABLE}, "sent": {first.key: LastAnswer(action=Action.ACCEPT)}}
    assert sent(planned([(first, ACCEPT), (second, ACCEPT)], accepts(1, count=1), **said)) == ["connection:1"]
    assert sent(planned([(first, ACCEPT), (second, ACCEPT)], accepts(2, count=1), **said)) == [
        "connection:1",
        "connection:2",
    ]


def test_a_younger_one_goes_where_an_older_one_with_its_family_finds_no_room():
    """A large family must not stop everybody else; its members go on one by one."""
    old = [property_share(11, BOB, requested_at=NOW - 9 * DAY), meter_share(21, 11, BOB, requested_at=NOW - 8 * DAY)]
    pairs = [(connection(BOB, requested_at=NOW - 10 * DAY), REJECT), *((each, REJECT) for each in old)]
    made = planned([*pairs, (connection(requested_at=NOW), REJECT)], rejects(2))
    assert sent(made) == ["meter:21", "property:11"]
    pairs = [(pairs[0][0], REJECT), *((each, HOLD) for each in old)]
    assert sent(planned([*pairs, (connection(requested_at=NOW), REJECT)], rejects(2))) == ["connection:410221"]


@pytest.mark.parametrize(
    ("count", "of", "room"), [(19, 19, True), (2, 20, True), (3, 20, False), (3, 30, True), (4, 39, False)]
)
def test_a_share_of_all_answers_counts_from_the_twentieth_on(count, of, room):
    """Of three answers one would be 33 percent."""
    limit = Limit(action=Action.REJECT, percent=Decimal(10), period=DAY)
    assert has_room(limit, count=count, of=of) is room


def test_a_share_is_reckoned_on_what_was_answered_not_on_what_is_still_to_be_accepted():
    """Accepts of the same plan may yet fail."""
    pairs = [(each, ACCEPT) for each in owners(*range(50, 80))]
    pairs += [(connection(100 + number, requested_at=NOW - number * HOUR), REJECT) for number in range(4)]
    made = planned(pairs, share("10", count=1, of=25))
    assert late(made) == ["connection:102", "connection:101", "connection:100"]
    assert sent(made)[0] == "connection:103"
    assert len(made.steps) == 31
    assert made.steps[0].within == (share("10", count=0, of=0).limit,)


def _sentence(made: Plan) -> str:
    return made.kept_back[-1].reason.text


def test_the_reason_says_the_limit_the_count_and_when_it_goes_on():
    """When the oldest that counts is as old as the period, to the minute that has come by then."""
    frees_from = NOW - timedelta(minutes=20, seconds=30)
    made = planned([(each, ACCEPT) for each in owners(2, 1)], accepts(5, count=4, frees_from=frees_from))
    assert _sentence(made) == (
        "the limit of 5 accepts per 1h is reached (4 sent, 1 more planned); it resumes at 2026-03-04 12:40 UTC, or when"
        " a person lifts the limit"
    )


def test_where_nothing_was_sent_yet_it_goes_on_a_period_after_this_plan():
    """The plan's own steps fill the limit."""
    made = planned([(each, ACCEPT) for each in owners(2, 1)], accepts(1))
    assert _sentence(made) == (
        "the limit of 1 accepts per 1h is reached (0 sent, 1 more planned); it resumes at 2026-03-04 13:01 UTC, or when"
        " a person lifts the limit"
    )


def test_a_limit_of_none_at_all_leaves_answers_to_people():
    """`0 per 1d` is how a policy says so."""
    assert _sentence(planned([(connection(), REJECT)], rejects(0))) == (
        "the policy's limit is 0 rejects per 1d, so a person must answer"
    )


def test_a_reject_that_alone_passes_the_limit_says_that_waiting_does_not_help():
    """With all that falls along it never fits."""
    pairs = [(connection(), REJECT), (HOUSE, HOLD), (METER, HOLD)]
    assert _sentence(planned(pairs, rejects(2))) == (
        "this would make 3 rejects at once, including the requests below it, and the limit is 2 per 1d; a person can"
        " lift the limit"
    )
    assert "it resumes at" in _sentence(planned(pairs, rejects(3, count=1)))


def test_a_share_that_is_reached_says_what_it_waits_for():
    """There is no moment to name."""
    assert _sentence(planned([(connection(), REJECT)], share("2.5", count=1, of=30))) == (
        "the limit of 2.5% rejects per 1d is reached (1 of 30 answers); it resumes when more requests are accepted,"
        " when earlier rejects are 1d old, or when a person lifts the limit"
    )


def test_kinds_stand_in_no_other_order_than_before():
    """Within the limits, rejects go up the tree and accepts down it, as without."""
    pairs = [
        (connection(), ACCEPT),
        (HOUSE, ACCEPT),
        (property_share(12, BOB), REJECT),
        (meter_share(31, 12, BOB), REJECT),
    ]
    made = planned(pairs, accepts(9), rejects(9))
    assert [step.key.kind for step in made.steps] == [Kind.METER, Kind.PROPERTY, Kind.CONNECTION, Kind.PROPERTY]


def test_answers_by_people_count_towards_no_limit():
    """They go even if a limit is used up, take no room, and let what waits for them count alone."""
    by_ana = replace(decided(connection(1), ACCEPT), person=by_people(Action.ACCEPT))
    share = property_share(11, owner=1)
    decisions = [by_ana, decided(share, ACCEPT), decided(connection(2), ACCEPT)]
    seen = snapshot(*(decision.request for decision in decisions))
    made = plan(decisions, snapshot=seen, history=History(limit_usage=(accepts(1, count=3),)))
    assert (sent(made), sorted(late(made))) == (["connection:1"], ["connection:2", "property:11"])
    made = plan(decisions, snapshot=seen, history=History(limit_usage=(accepts(2),)))
    assert sent(made) == ["connection:1", "connection:2", "property:11"]
    assert [bool(step.within) for step in made.steps] == [False, True, True]
