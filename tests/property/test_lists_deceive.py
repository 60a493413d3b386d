"""Stories that property tests found: lists shift, flap, lag and show twins, and nothing is answered because of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pm_autoaccept.model import Action, Kind, Limit, Outcome, Verdict
from pm_autoaccept.simulator import Access, Inferred, State
from tests.property.agreement import told, wrong
from tests.property.customers_acting import Act, Moment, What
from tests.property.policies_made import MadePolicy, MadeRule, not_twice
from tests.property.small_worlds import FIELDS, GOOD, LAGS, Home, Owner, Said, Share, SmallWorld, Standing
from tests.property.story import Drawn, Failed, Story

LONG = LAGS[-1]
PENDS = Share(State.PENDING, Access.READ_WRITE, forwarded=False, said=Said.GOOD)
UNSHARED = Share(State.NONE, Access.READ_WRITE, forwarded=False, said=Said.NOTHING)


def asks(said: Said, *homes: Home) -> Owner:
    """An owner who asks for a connection."""
    return Owner(Standing.ASKS, said, homes)


def connected(*homes: Home) -> Owner:
    """An owner who is connected."""
    return Owner(Standing.CONNECTED, Said.GOOD, homes)


def accepts(kind: Kind, *when: str) -> MadeRule:
    """A rule."""
    return MadeRule(kind, when, Verdict.ACCEPT, note=False)


def rejects(kind: Kind, *when: str) -> MadeRule:
    """A rule."""
    return MadeRule(kind, when, Verdict.REJECT, note=False)


def holding(*rules: MadeRule) -> MadePolicy:
    """A policy that holds what no rule is about."""
    return MadePolicy(rules, Verdict.HOLD)


def says(kind: Kind, value: str) -> str:
    """A line of a rule's conditions."""
    return f"custom.{FIELDS[kind]}: {value}"


def tell(happen, drawn: Drawn) -> Story:
    """Let a story happen in which nothing is wrong."""
    story = happen.run(drawn)
    broken = wrong(story)
    assert not broken, "\n".join([*broken, told(story)])
    return story


def drawn(world: SmallWorld, policy: MadePolicy, *acts: Act, **more: object) -> Drawn:
    """A story in which nothing fails but what is said."""
    return Drawn(world, policy, acts, **{"failed": None, "turns": (0,), **more})


def between_pages(what: What, *, after: int = 0) -> Act:
    """Somebody acts on the first request of the earlier pages, in the second cycle."""
    return Act(cycle=1, moment=Moment.PAGES, what=what, after=after, near=True)


def before(cycle: int, what: What, **more: object) -> Act:
    """Somebody acts, or a list begins to show something oddly, before a cycle."""
    return Act(cycle=cycle, moment=Moment.BETWEEN, what=what, **more)


@pytest.mark.parametrize("what", [What.WITHDRAW, What.STAFF_ACCEPT, What.STAFF_REJECT], ids=lambda what: what.name)
def test_what_a_shifting_list_misses_once_still_has_what_it_says(happen, what):
    """The last of three customers moves to a page that was read already; another who says the same is not accepted."""
    world = SmallWorld((asks(Said.BAD), asks(Said.GOOD), asks(Said.GOOD)), Inferred(page_size=2))
    policy = holding(not_twice(Kind.CONNECTION), accepts(Kind.CONNECTION, says(Kind.CONNECTION, GOOD)))
    story = tell(happen, drawn(world, policy, between_pages(what)))
    assert not story.posts


def test_what_a_list_hides_once_still_has_what_it_says(happen):
    """A list that flaps hides one of two who say the same: the other one waits."""
    world = SmallWorld((asks(Said.GOOD), asks(Said.GOOD)), Inferred())
    policy = holding(not_twice(Kind.CONNECTION), accepts(Kind.CONNECTION))
    assert not tell(happen, drawn(world, policy, before(1, What.HIDE))).posts


def test_a_property_that_is_missed_once_is_not_carried_along(happen):
    """A meter may share an unshared property in so many words; one that pends and is missed once is not unshared."""
    world = SmallWorld((connected(Home(PENDS, (PENDS,))),), Inferred())
    policy = holding(accepts(Kind.METER, "property.share: none"))
    assert not tell(happen, drawn(world, policy, before(1, What.HIDE))).posts


@pytest.mark.parametrize("after", range(5))
def test_the_reads_of_one_cycle_are_united(happen, after):
    """The property list is read twice where a meter's property is not in it; what either read shows still pends."""
    homes = Home(PENDS, ()), Home(PENDS, (PENDS,))
    world = SmallWorld((connected(*homes), connected(Home(UNSHARED, (PENDS,)))), Inferred(page_size=1))
    policy = holding(accepts(Kind.METER, "property.share: none", "account.username: owner_1"))
    tell(happen, drawn(world, policy, between_pages(What.WITHDRAW, after=after)))


def test_a_reject_waits_for_what_is_missed_once_below_it(happen):
    """A connection that is to be rejected waits for a share that one read misses: it would fall without its note."""
    world = SmallWorld((asks(Said.GOOD, Home(PENDS, ())),), Inferred(own_share_needs_connection=False))
    rejecting = holding(rejects(Kind.CONNECTION), rejects(Kind.PROPERTY))
    limits = (Limit(action=Action.REJECT, at_most=1, period=timedelta(days=1)),)
    hidden = before(1, What.HIDE, which=1)
    first = holding(MadeRule(Kind.CONNECTION, (), Verdict.HOLD, note=False))
    story = tell(happen, drawn(world, first, hidden, limits=limits, later=(1, rejecting)))
    assert [posted.key.kind for _, posted in story.posts] == [Kind.PROPERTY, Kind.CONNECTION]


@pytest.mark.parametrize("status", [302, 405, 409])
@pytest.mark.parametrize("kind", [Kind.CONNECTION, Kind.PROPERTY])
def test_what_a_second_attempt_is_told_does_not_end_the_doubt_about_the_first(happen, kind, status):
    """The first attempt was done, and its answer lost: whatever came to the second, nobody else settled it."""
    world = SmallWorld((asks(Said.GOOD), connected(Home(PENDS, ()))), Inferred(lag=LONG))
    failed = Failed(cycle=0, kind=kind, answer=True, after=True, again=status)
    story = tell(happen, drawn(world, holding(accepts(kind)), failed=failed))
    (row,) = (row for row in story.rows if row.key.kind is kind)
    assert (row.attempts, row.outcome) == (2, Outcome.DONE_INFERRED)


@pytest.mark.parametrize("status", [302, 405, 409])
def test_an_answer_in_doubt_is_never_followed_by_the_other_one(happen, status):
    """A policy that has changed meanwhile waits for a person, also where the second attempt was refused."""
    world = SmallWorld((asks(Said.GOOD),), Inferred())
    failed = Failed(cycle=0, kind=Kind.CONNECTION, answer=True, after=False, again=status)
    later = (3, holding(rejects(Kind.CONNECTION)))
    story = tell(happen, drawn(world, holding(accepts(Kind.CONNECTION)), failed=failed, later=later))
    assert {posted.action for _, posted in story.posts} == {Action.ACCEPT}


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "by_id"])
def test_a_property_that_is_shared_anew_does_not_hide_behind_the_accepted_one(happen, order):
    """A meter's accept carries no new share along that stands beside the one that we accepted."""
    world = SmallWorld((connected(Home(PENDS, (UNSHARED,))),), Inferred(order=order, lag=LONG))
    policy = holding(accepts(Kind.PROPERTY, says(Kind.PROPERTY, GOOD)), accepts(Kind.METER))
    again = before(1, What.SHARE_AGAIN, which=1, said=Said.BAD)
    story = tell(happen, drawn(world, policy, again, before(1, What.ASK)))
    assert story.world.state(Kind.PROPERTY, 101) is State.PENDING


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "by_id"])
def test_a_connection_that_is_asked_anew_does_not_hide_behind_the_accepted_one(happen, order):
    """A share's accept connects no account whose new request stands beside the one that we accepted."""
    shared = Home(UNSHARED, ())
    switches = Inferred(order=order, lag=LONG, own_share_needs_connection=False)
    world = SmallWorld((asks(Said.GOOD, shared),), switches)
    policy = holding(accepts(Kind.CONNECTION, says(Kind.CONNECTION, GOOD)), accepts(Kind.PROPERTY))
    again = before(1, What.SHARE_AGAIN, said=Said.BAD)
    story = tell(happen, drawn(world, policy, again, before(1, What.ASK)))
    assert story.world.state(Kind.CONNECTION, 1) is State.PENDING


@pytest.mark.parametrize("first", [Verdict.ACCEPT, Verdict.REJECT])
@pytest.mark.parametrize("then", [Verdict.ACCEPT, Verdict.REJECT])
def test_what_we_answered_is_not_the_next_time_because_its_list_flaps(happen, first, then):
    """What was answered, and is hidden by one read and shown again, is not answered again, nor otherwise."""
    world = SmallWorld((asks(Said.GOOD),), Inferred(lag=LONG))
    of = {Verdict.ACCEPT: accepts(Kind.CONNECTION), Verdict.REJECT: rejects(Kind.CONNECTION)}
    later = (2, holding(of[then]))
    story = tell(happen, drawn(world, holding(of[first]), before(1, What.HIDE), later=later))
    assert len(story.posts) == 1


@pytest.mark.parametrize("keeps", [True, False], ids=["old date", "new date"])
def test_what_we_accepted_is_the_next_time_after_it_has_ended(happen, keeps):
    """A customer who unshares and shares again is answered again, whatever date the request has."""
    world = SmallWorld((connected(Home(PENDS, ())),), Inferred(asked_again_keeps_date=keeps))
    story = tell(happen, drawn(world, holding(accepts(Kind.PROPERTY)), before(1, What.SHARE_AGAIN, which=1)))
    assert [posted.action for _, posted in story.posts] == [Action.ACCEPT] * 2


@pytest.mark.parametrize("keeps", [True, False], ids=["old date", "new date"])
def test_what_is_withdrawn_and_asked_again_is_judged(happen, keeps):
    """Without an answer of ours a request that comes back is judged, whatever date it has."""
    world = SmallWorld((asks(Said.BAD),), Inferred(asked_again_keeps_date=keeps))
    policy = holding(accepts(Kind.CONNECTION, says(Kind.CONNECTION, GOOD)))
    acts = before(1, What.WITHDRAW), before(2, What.ASK, said=Said.GOOD)
    story = tell(happen, drawn(world, policy, *acts))
    assert [posted.action for _, posted in story.posts] == [Action.ACCEPT]
