"""Stories that property tests found: what the ledger says of requests that stood below a reject of ours."""

from __future__ import annotations

from pm_autoaccept.model import Kind, Outcome, RequestKey, Verdict
from pm_autoaccept.simulator import Access, Inferred, State
from tests.property.agreement import wrong
from tests.property.customers_acting import Act, Moment, What
from tests.property.policies_made import MadePolicy, MadeRule
from tests.property.small_worlds import Home, Owner, Said, Share, SmallWorld, Standing
from tests.property.story import Drawn, Failed, Story

PENDING = Share(State.PENDING, Access.READ_WRITE, forwarded=False, said=Said.GOOD)
METER = RequestKey(Kind.METER, 10101)


def story(happen, *acts: Act, failed: Failed | None = None, takes_meters: bool) -> Story:
    """A connected owner's property is rejected; its meter is held."""
    owner = Owner(Standing.CONNECTED, Said.GOOD, (Home(PENDING, (PENDING,)),))
    rules = (MadeRule(Kind.PROPERTY, (), Verdict.REJECT, note=False),)
    world = SmallWorld((owner,), Inferred(property_reject_takes_meters=takes_meters))
    return happen.run(Drawn(world, MadePolicy(rules, Verdict.HOLD), acts, failed, turns=(0,)))


def outcome_of_the_meter(happened: Story) -> Outcome | None:
    """What the ledger says of the meter, in a story in which nothing else is wrong."""
    assert wrong(happened) == []
    (row,) = (row for row in happened.rows if row.key == METER)
    return row.outcome


def test_a_meter_falls_with_its_property(happen):
    """What the property's reject took along is fallen."""
    assert outcome_of_the_meter(story(happen, takes_meters=True)) is Outcome.FALLEN


def test_a_meter_that_still_pended_after_its_property_s_reject_did_not_fall_with_it(happen):
    """Where it is withdrawn later, the ledger does not claim that we rejected it (docs/protocol.md#property-reject)."""
    withdrawn = Act(
        cycle=2,
        moment=Moment.BETWEEN,
        what=What.WITHDRAW,
    )
    assert outcome_of_the_meter(story(happen, withdrawn, takes_meters=False)) is Outcome.GONE


def test_what_may_have_fallen_with_a_reject_of_unknown_fate_is_gone(happen):
    """Where no answer came to our reject, what vanished below it was not settled elsewhere: nobody knows."""
    lost = Failed(cycle=0, kind=Kind.PROPERTY, answer=True, after=True)
    assert outcome_of_the_meter(story(happen, failed=lost, takes_meters=True)) is Outcome.GONE
