"""What became of each request by the simulator's log alone: who ended it, and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pm_autoaccept.model import Kind, RequestKey
from pm_autoaccept.simulator import Effect, State
from tests.property.customers_acting import above
from tests.property.story import Acted, Identity, Posted, Story, identity


class End(StrEnum):
    """How a request ended."""

    PENDING = "it pends still"
    OURS = "our own answer"
    CARRIED = "it was accepted along with an accept of ours"
    FELL = "it was rejected along with a reject of ours"
    OTHERS = "its customer took it back, or people answered it"


@dataclass(slots=True)
class Request:
    """One request from when it was asked to its end, the events at these places being what asked and ended it."""

    identity: Identity
    asked: int
    end: End = End.PENDING
    place: int = -1
    by: Posted | None = None

    @property
    def key(self) -> RequestKey:
        """What a POST names."""
        return self.identity[0]


def requests(story: Story) -> list[Request]:
    """Every request that ever pended, in the order in which they were asked."""
    every = [Request(identity(tie), -1) for tie in story.before.values() if tie.state is State.PENDING]
    pending = {request.key: request for request in every}
    for place, event in enumerate(story.events):
        for effect in states(event):
            key = RequestKey(Kind(effect.kind), effect.id)
            if effect.before == State.PENDING:
                ended = pending.pop(key)
                ended.place = place
                ended.end, ended.by = _end(event, effect)
            if effect.after == State.PENDING and isinstance(event, Acted):
                pending[key] = Request(identity(event.ties[key]), place)
                every.append(pending[key])
    return every


def states(event: Acted | Posted) -> list[Effect]:
    """The changes of state among an event's effects."""
    return [effect for effect in event.effects if effect.what == "state"]


def _end(event: Acted | Posted, effect: Effect) -> tuple[End, Posted | None]:
    if isinstance(event, Acted):
        return End.OTHERS, None
    if not effect.cascade:
        return End.OURS, event
    return (End.CARRIED if effect.after == State.ACTIVE else End.FELL), event


def interfered(story: Story, key: RequestKey, *, look: int, place: int) -> bool:
    """Whether somebody touched this request, or one it hangs on, after this look had begun and before this event.

    It is the window that docs/architecture.md#promise-1 admits: Portfolio Manager has no compare-and-answer.
    """
    family = {key, *above(story.world, key)}
    window = story.events[story.looks[look].begun : place]
    return any(
        RequestKey(Kind(effect.kind), effect.id) in family
        for event in window
        if isinstance(event, Acted) and event.by_people
        for effect in event.effects
        if effect.kind in set(Kind)
    )


def ended_since(story: Story, key: RequestKey, begin: int, end: int | None = None) -> bool:
    """Whether what was connected or shared was ended by others between these places."""
    return any(
        (effect.kind, effect.id, effect.before) == (key.kind, key.id, State.ACTIVE)
        for event in story.events[begin:end]
        if isinstance(event, Acted)
        for effect in states(event)
    )
