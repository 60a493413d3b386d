"""Counts in how many stories each of docs/protocol.md#cascades was at stake, and in how many it came about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from pm_autoaccept.model import Action, Decision, Kind, ReasonKind, RequestKey, Verdict
from pm_autoaccept.simulator import State
from tests.property.customers_acting import above
from tests.property.endings import End, interfered, requests, states
from tests.property.lists_seen import BESIDE_LISTS, LISTS, Seen
from tests.property.small_worlds import FORWARDER
from tests.property.story import Acted, Look, Moment, Posted, Story, decided


def _decided(story: Story, verdict: Verdict, *kinds: Kind) -> Iterator[tuple[Look, Decision]]:
    for look in story.looks:
        for decision in look.plan.decisions:
            if decision.verdict is verdict and decision.key.kind in kinds:
                yield look, decision


def _kept(story: Story, *reasons: ReasonKind) -> Iterator[tuple[Decision, RequestKey]]:
    for look in story.looks:
        for kept in look.plan.kept_back:
            if kept.reason.kind in reasons and kept.reason.other is not None:
                yield kept.decision, kept.reason.other


def _meter_and_pending_property(story: Story) -> Seen:
    stake = any(
        look.decision(above(story.world, decision.key)[0]) is not None
        for look, decision in _decided(story, Verdict.ACCEPT, Kind.METER)
    )
    reasons = (ReasonKind.PROPERTY_NOT_ACCEPTED, ReasonKind.PARENT_REJECTED)
    return stake, any(other.kind is Kind.PROPERTY for _, other in _kept(story, *reasons))


def _meter_and_unshared_property(story: Story) -> Seen:
    kept = any(True for _ in _kept(story, ReasonKind.PROPERTY_NOT_SHARED))
    shared = any(
        effect.kind == Kind.PROPERTY and effect.cascade and effect.after == State.ACTIVE
        for _, posted in story.posts
        for effect in states(posted)
    )
    return kept or shared, shared


def _share_and_unconnected_owner(story: Story) -> Seen:
    accepts = _decided(story, Verdict.ACCEPT, Kind.PROPERTY, Kind.METER)
    stake = any(look.decision(above(story.world, decision.key)[-1]) is not None for look, decision in accepts)
    reasons = (ReasonKind.CONNECTION_NOT_ACCEPTED, ReasonKind.PARENT_REJECTED)
    kept = any(other.kind is Kind.CONNECTION for _, other in _kept(story, *reasons))
    return stake or kept, kept


def _reject_takes(kind: Kind) -> Callable[[Story], Seen]:
    def seen(story: Story) -> Seen:
        rejected = {(look.begun, each.key) for look, each in _decided(story, Verdict.REJECT, kind)}
        stake = any(
            (look.begun, parent) in rejected
            for look in story.looks
            for decision in look.plan.decisions
            for parent in above(story.world, decision.key)
        )
        fell = any(each.end is End.FELL and each.by and each.by.key.kind is kind for each in requests(story))
        return stake, fell

    return seen


def _leaf_first(story: Story) -> Seen:
    rejects: dict[int, set[RequestKey]] = {}
    for look, decision in _decided(story, Verdict.REJECT, *Kind):
        rejects.setdefault(look.begun, set()).add(decision.key)
    sent = {posted.key for _, posted in story.posts if posted.action is Action.REJECT and states(posted)}
    pairs = {(key, parent) for keys in rejects.values() for key in keys for parent in above(story.world, key)}
    together = {(key, parent) for key, parent in pairs if any({key, parent} <= keys for keys in rejects.values())}
    return bool(together), any({key, parent} <= sent for key, parent in together)


def _share_forward(story: Story) -> Seen:
    forwarded = [
        (look, decision)
        for look in story.looks
        for decision in look.plan.decisions
        if decision.request.sender_id == FORWARDER and look.decision(above(story.world, decision.key)[-1]) is not None
    ]
    answered = {posted.key for _, posted in story.posts if states(posted)}
    return bool(forwarded), any(
        {decision.key, above(story.world, decision.key)[-1]} <= answered for _, decision in forwarded
    )


def _share_rejected_alone(story: Story) -> Seen:
    stake = came = False
    for place, posted in story.posts:
        if posted.action is not Action.REJECT or posted.key.kind is Kind.CONNECTION or not states(posted):
            continue
        connection = above(story.world, posted.key)[-1]
        tie = posted.ties.get(connection)
        if tie is not None and tie.state is State.PENDING:
            stake = True
            later = [event.ties for event in story.events[place + 1 :]] or [story.world.ties]
            came = came or later[0][connection].state is State.PENDING
    return stake, came


def _asked_again(story: Story) -> Seen:
    rejected: dict[RequestKey, int] = {}
    every = requests(story)
    for request in every:
        if request.end is End.OURS and request.by is not None and request.by.action is Action.REJECT:
            rejected.setdefault(request.key, request.place)
    again = [request for request in every if request.key in rejected and request.asked > rejected[request.key]]
    looked = {decided(each) for look in story.looks for each in look.plan.decisions}
    return bool(again), any(request.identity in looked for request in again)


def _customer_in_between(story: Story) -> Seen:
    acted = any(
        isinstance(event, Acted) and event.by_people and event.moment is not Moment.BETWEEN for event in story.events
    )
    met = any(interfered(story, posted.key, look=posted.look, place=place) for place, posted in story.posts)
    return acted, met


def _list_failed(story: Story) -> Seen:
    failed = any(look.plan.not_whole for look in story.looks)
    kept = (kept.reason.kind for look in story.looks for kept in look.plan.kept_back)
    return failed, ReasonKind.LIST_NOT_WHOLE in kept


def _answer_lost(story: Story) -> Seen:
    processed = any(posted.lost and posted.processed for _, posted in story.posts)
    return processed or bool(story.unprocessed), processed


def _carried_in_the_window(story: Story) -> Seen:
    acted = any(
        isinstance(event, Acted) and event.by_people and event.moment is not Moment.BETWEEN for event in story.events
    )
    return acted, any(
        effect.after == State.ACTIVE
        and effect.before == State.PENDING
        and (effect.cascade or not _as_decided(story, posted))
        for _, posted in story.posts
        for effect in states(posted)
    )


def _as_decided(story: Story, posted: Posted) -> bool:
    decision = story.looks[posted.look].decision(posted.key)
    return decision is not None and decision.request.requested_at == posted.ties[posted.key].asked_at


CASCADES: Mapping[str, Callable[[Story], Seen]] = {
    "a meter's accept accepts its pending property (kept back)": _meter_and_pending_property,
    "a meter's accept shares its unshared property (allowed in so many words)": _meter_and_unshared_property,
    "a share's accept connects its owner (kept back)": _share_and_unconnected_owner,
    "a connection's reject rejects its shares (fell)": _reject_takes(Kind.CONNECTION),
    "a property's reject rejects its meters (fell)": _reject_takes(Kind.PROPERTY),
    "rejects above each other go leaf first (both sent)": _leaf_first,
    "a forwarded share comes with its connection (both answered)": _share_forward,
    "a share's reject leaves the connection pending (it did)": _share_rejected_alone,
    "what we rejected is asked again (and decided again)": _asked_again,
    "a customer acts between read and answer (on what we answered)": _customer_in_between,
}
"""Each with what makes the second number. Each must be seen in five of a hundred stories, both ways."""

BESIDE: Mapping[str, Callable[[Story], Seen]] = {
    "a customer acts between read and answer (and more went through)": _carried_in_the_window,
    "a list could not be read (a reject waited for it)": _list_failed,
    "an answer's fate is unknown (it was processed)": _answer_lost,
}
"""What is worth knowing beside."""

COUNTED = {**CASCADES, **LISTS, **BESIDE, **BESIDE_LISTS}


@dataclass(slots=True)
class Tally:
    """The stories so far, and in how many of them each cascade was at stake and came to something."""

    stories: int = 0
    at_stake: Counter[str] = field(default_factory=Counter)
    came: Counter[str] = field(default_factory=Counter)

    def count(self, story: Story) -> None:
        """Count one more story."""
        self.stories += 1
        for name, seen in COUNTED.items():
            stake, came = seen(story)
            self.at_stake[name] += stake
            self.came[name] += came

    def rare(self, *, below: float) -> list[str]:
        """The cascades that were seen in too small a share of the stories, one way or the other; and odd lists."""
        least = below * self.stories
        cascades = [name for name in CASCADES if min(self.at_stake[name], self.came[name]) < least]
        return cascades + [name for name in LISTS if self.at_stake[name] < least]

    def table(self) -> list[str]:
        """Lines for people."""
        lines = [f"{self.stories} stories; share in which each was at stake, and (in brackets) came to something:"]
        for name in COUNTED:
            stake, came = self.at_stake[name] / self.stories, self.came[name] / self.stories
            lines.append(f"  {name:<76} {stake:6.1%} {came:6.1%}")
        return lines
