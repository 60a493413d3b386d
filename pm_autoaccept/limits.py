"""Keeps a plan within the limits of its policy, the oldest request first, so that a mistake stays small (promise 4).

A step goes with all that must be done before it, or not at all: an accept with the accepts above it, a reject with the
rejects below it. So no reject takes a request along that a limit kept back from its own reject and its own note.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pm_autoaccept.model import Action, KeptBack, Limit, LimitUsage, Reason, ReasonKind, RequestKey, Step
from pm_autoaccept.policy.durations import written_duration

FEWEST = 20
"""A share of all answers counts from this answer of its period on: of three answers one is 33 percent."""

_NOUNS: Mapping[Action, str] = {Action.ACCEPT: "accepts", Action.REJECT: "rejects"}


def has_room(limit: Limit, *, count: int, of: int) -> bool:
    """Whether so many answers of the limit's action within its period, among so many of both actions, are allowed."""
    if limit.at_most is not None and count > limit.at_most:
        return False
    return limit.percent is None or of < FEWEST or count * 100 <= limit.percent * of


def keep_within(
    steps: Mapping[RequestKey, Step], tallies: Iterable[LimitUsage], *, at: datetime
) -> tuple[tuple[Step, ...], tuple[KeptBack, ...]]:
    """The steps for which there is room, in the order in which they came, and the others with the reason.

    Args:
        steps: those planned, each after those it needs; what a step needs has the same action.
        tallies: what the ledger counts for each limit.
        at: the time from which a period that begins with this plan is counted.
    """
    rooms = {action: _Room([each for each in tallies if each.limit.action is action], at) for action in Action}
    kept_back: list[KeptBack] = []
    for step in sorted(steps.values(), key=_asked):
        room = rooms[step.action]
        together = _together(step, steps) - room.going
        full = room.full(together, steps)
        if full is None:
            room.going |= together
            room.taken |= _answered(together, steps)
        else:
            kept_back.append(KeptBack(step.decision, room.why(step, full)))
    going = (step for step in steps.values() if step.key in rooms[step.action].going)
    return tuple(replace(step, within=rooms[step.action].limits) for step in going), tuple(kept_back)


@dataclass(slots=True)
class _Room:
    """What is left of one action's limits.

    Attributes:
        going: the requests whose steps have got their place.
        taken: the requests that these steps answer, or take along.
    """

    tallies: Collection[LimitUsage]
    at: datetime
    going: set[RequestKey] = field(default_factory=set)
    taken: set[RequestKey] = field(default_factory=set)

    @property
    def limits(self) -> tuple[Limit, ...]:
        return tuple(tally.limit for tally in self.tallies)

    def full(self, together: Iterable[RequestKey], steps: Mapping[RequestKey, Step]) -> LimitUsage | None:
        """The limit that these steps would pass, None if there is room for them."""
        more = len(self.taken) + len(_answered(together, steps) - self.taken)
        for tally in self.tallies:
            if not has_room(tally.limit, count=tally.count + more, of=tally.of + more):
                return tally
        return None

    def why(self, step: Step, tally: LimitUsage) -> Reason:
        """What is said of a step for which there is no room."""
        limit, length, noun = tally.limit, written_duration(tally.limit.period), _NOUNS[step.action]
        at_most, answers = limit.at_most, len({step.key, *step.falls})
        if limit.percent is not None:
            text = (
                f"{noun} are to be at most {limit.percent}% of the answers of {length} ({tally.count} of {tally.of}"
                f" were); it goes on when more is accepted or earlier {noun} are {length} old, or a person lifts the"
                " limit"
            )
        elif at_most == 0:
            text = f"the policy leaves {noun} to people: its limit is 0 per {length}"
        elif at_most is not None and answers > at_most:
            text = (
                f"this makes {answers} {noun} at once, with all that falls along, and the limit is {at_most} per"
                f" {length}; a person may lift it"
            )
        else:
            goes_on = _minute((tally.frees_from or self.at) + limit.period)
            text = (
                f"the limit of {at_most} {noun} per {length} is reached ({tally.count} sent, {len(self.taken)} more"
                f" planned); it goes on at {goes_on}, or when a person lifts the limit"
            )
        return Reason(ReasonKind.OVER_LIMIT, text)


def _asked(step: Step) -> tuple[bool, float]:
    """Rejects first, so that no share is reckoned on accepts that are still to come; then the oldest request."""
    asked = step.decision.request.requested_at
    return step.action is Action.ACCEPT, asked.timestamp() if asked else 0.0


def _together(step: Step, steps: Mapping[RequestKey, Step]) -> set[RequestKey]:
    """A step and all that must be done before it."""
    return {step.key}.union(*(_together(steps[key], steps) for key in step.needs))


def _answered(keys: Iterable[RequestKey], steps: Mapping[RequestKey, Step]) -> set[RequestKey]:
    """The requests that these steps answer, or take along; not what is sent again, since it counts already."""
    return {each for key in keys if not steps[key].repeats for each in (key, *steps[key].falls)}


def _minute(moment: datetime) -> str:
    """A moment as people read it, to the minute that has come by then."""
    return f"{moment + timedelta(seconds=59):%Y-%m-%d %H:%M} UTC"
