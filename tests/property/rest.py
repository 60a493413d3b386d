"""The judge of worlds that come to rest: nothing is held for ever without a reason that is true."""

from __future__ import annotations

from collections.abc import Iterator

from pm_autoaccept.model import Action, Decision, KeptBack, Reason, ReasonKind, Verdict
from pm_autoaccept.simulator import State
from tests.property.endings import ended_since
from tests.property.story import Look, Story, decided, identity

PASSING = ("contradictory", "list_not_whole", "missed_once", "in_doubt")
"""Kinds of reason that end by themselves in a world in which nobody acts and nothing fails."""

SAID = (ReasonKind.RULE, ReasonKind.DEFAULT, ReasonKind.EXPIRED, ReasonKind.UNKNOWN, ReasonKind.NOT_UNDERSTOOD)
"""Kinds of reason for which a policy holds a request, or what it asks about. All others speak of an answer of ours."""


def nothing_is_held_for_ever(story: Story) -> Iterator[str]:
    """In a quiet world every request ends answered, held by a rule that says so, or shown to people with a reason."""
    look = story.looks[-1]
    kept = {each.decision.key: each for each in look.plan.kept_back}
    for step in look.plan.steps:
        yield f"{step.action} {step.key} is still to be sent after {len(story.looks)} cycles"
    for key, tie in story.world.ties.items():
        if tie.state is not State.PENDING:
            continue
        decision = look.decision(key)
        if decision is None:
            yield f"{key} pends, and nobody shows it"
        elif decided(decision) != identity(tie):
            yield f"{key} pends, and what is shown under its name is another request"
        elif decision.verdict is Verdict.HOLD:
            yield from _held(story, decision)
        elif key in kept:
            yield from _kept_back(story, look, kept[key])
    for row in story.rows:
        if row.outcome == "open" and story.world.ties[row.key].state is not State.PENDING:
            yield f"the row of {row.key} is open for ever"


def _held(story: Story, decision: Decision) -> Iterator[str]:
    """What is wrong with the reason for which a request is held."""
    key, reason = decision.key, decision.reason
    yield from _passing(story, decision, reason)
    if reason.kind not in SAID and not _may_be_answered(story, decision):
        yield f"{key} is held for ever, and nobody said so: {reason.kind}, {reason.text!r}"


def _passing(story: Story, decision: Decision, reason: Reason) -> Iterator[str]:
    """What is wrong with a reason that ends by itself, or says nothing.

    Doubt is left to people where the answer was refused when it was sent again, or about another request, whose own
    reason is judged.
    """
    doubt = reason.kind is ReasonKind.IN_DOUBT
    refused = any(posted.refused and story.meant(posted) == decided(decision) for _, posted in story.posts)
    left_to_people = doubt and (refused or reason.other is not None)
    if (reason.kind in PASSING and not left_to_people) or not reason.text:
        yield f"{decision.key} is held for ever by what should pass: {reason.kind}, {reason.text!r}"


def _kept_back(story: Story, look: Look, kept: KeptBack) -> Iterator[str]:
    """What is wrong with the reason why an answer that was decided is not sent."""
    key, reason = kept.decision.key, kept.reason
    yield from _passing(story, kept.decision, reason)
    if not _is_true(story, look, kept):
        yield f"{key} is kept back for ever, and it is not so: {reason.kind}, {reason.text!r}"


def _is_true(story: Story, look: Look, kept: KeptBack) -> bool:
    """Whether a reason agrees with the world; of a kind of reason that is not known here nobody can say."""
    decision, reason = kept.decision, kept.reason
    above = State.NONE if reason.other is None else story.world.state(reason.other.kind, reason.other.id)
    shown = reason.other is not None and look.decision(reason.other) is not None
    waits = above is not State.ACTIVE and (above is not State.PENDING or shown)
    ours = [posted for _, posted in story.posts if story.meant(posted) == decided(decision)]
    true = {
        ReasonKind.CONNECTION_NOT_ACCEPTED: waits,
        ReasonKind.PROPERTY_NOT_ACCEPTED: waits,
        ReasonKind.PROPERTY_NOT_SHARED: above not in {State.ACTIVE, State.PENDING},
        ReasonKind.PARENT_REJECTED: above is State.PENDING,
        ReasonKind.ANSWERED: _may_be_answered(story, decision),
        ReasonKind.VERDICT_CHANGED: any(posted.lost for posted in ours) or decided(decision) in story.never_left,
        ReasonKind.REFUSED: any(posted.refused for posted in ours),
        ReasonKind.OVER_LIMIT: bool(story.drawn.limits),
        ReasonKind.IN_DOUBT: reason.other is None or above is State.PENDING,
    }
    return true.get(reason.kind, True)


def _may_be_answered(story: Story, decision: Decision) -> bool:
    """Whether an answer of ours to just this request took effect, or may have, and what it accepted has not ended."""
    return decided(decision) in story.never_left or any(
        story.meant(posted) == decided(decision)
        and not posted.refused
        and (posted.action is Action.REJECT or not ended_since(story, posted.key, place))
        for place, posted in story.posts
    )
