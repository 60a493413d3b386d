"""Enforces the policy's limits on accepts and rejects per period, oldest request first (promise 4).

Answers by people count towards no limit.

A step is sent together with all steps that must be done before it, or not at all: an accept with the accepts above it,
a reject with the rejects below it. So no reject cascades to a request whose own reject a limit has kept back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pm_autoaccept.model import Action, KeptBack, Limit, LimitUsage, Reason, ReasonKind, RequestKey, Step
from pm_autoaccept.policy.durations import written_duration

MIN_ANSWERS_FOR_PERCENT = 20
"""The number of answers per period from which a percentage applies: one of three answers is already 33 percent."""

_NOUNS: Mapping[Action, str] = {Action.ACCEPT: "accepts", Action.REJECT: "rejects"}


def has_room(limit: Limit, *, count: int, of: int) -> bool:
    """Whether a limit allows `count` answers of its action in its period, among `of` answers of both actions."""
    if limit.at_most is not None and count > limit.at_most:
        return False
    return limit.percent is None or of < MIN_ANSWERS_FOR_PERCENT or count * 100 <= limit.percent * of


def keep_within(
    steps: Mapping[RequestKey, Step], tallies: Iterable[LimitUsage], *, at: datetime
) -> tuple[tuple[Step, ...], tuple[KeptBack, ...]]:
    """The steps within the limits, in their original order, and the others with the reason.

    Args:
        steps: the planned steps, each after those it needs; a step needs only steps with the same action.
        tallies: the ledger's count for each limit.
        at: the start of a period that begins with this plan.
    """
    rooms = {action: _Room([each for each in tallies if each.limit.action is action], at) for action in Action}
    kept_back: list[KeptBack] = []
    for step in sorted(steps.values(), key=_asked):
        room = rooms[step.action]
        together = _together(step, steps) - room.going
        exceeded = room.exceeded(together, steps)
        if exceeded is None:
            room.going |= together
            room.taken |= _answered(together, steps)
        else:
            kept_back.append(KeptBack(step.decision, room.reason(step, exceeded)))
    going = (step for step in steps.values() if step.key in rooms[step.action].going)
    limits = {action: room.limits for action, room in rooms.items()}
    within = (
        replace(step, within=limits[step.action]) if limits[step.action] and step.decision.person is None else step
        for step in going
    )
    return tuple(within), tuple(kept_back)


@dataclass(slots=True)
class _Room:
    """The room left within one action's limits.

    Attributes:
        going: the requests whose steps are within the limits.
        taken: the requests that these steps answer directly or by cascade.
    """

    tallies: Collection[LimitUsage]
    at: datetime
    going: set[RequestKey] = field(default_factory=set)
    taken: set[RequestKey] = field(default_factory=set)

    @property
    def limits(self) -> tuple[Limit, ...]:
        return tuple(tally.limit for tally in self.tallies)

    def exceeded(self, together: Collection[RequestKey], steps: Mapping[RequestKey, Step]) -> LimitUsage | None:
        """The limit that these steps would exceed; None if there is room for them, or if people answer them all."""
        if all(steps[key].decision.person is not None for key in together):
            return None
        more = len(self.taken) + len(_answered(together, steps) - self.taken)
        for tally in self.tallies:
            if not has_room(tally.limit, count=tally.count + more, of=tally.of + more):
                return tally
        return None

    def reason(self, step: Step, tally: LimitUsage) -> Reason:
        """Why there is no room for a step."""
        limit, length, noun = tally.limit, written_duration(tally.limit.period), _NOUNS[step.action]
        at_most, answers = limit.at_most, len({step.key, *step.falls})
        if limit.percent is not None:
            text = (
                f"the limit of {limit.percent}% {noun} per {length} is reached ({tally.count} of {tally.of} answers);"
                f" it resumes when more requests are accepted, when earlier {noun} are {length} old, or when a person"
                " lifts the limit"
            )
        elif at_most == 0:
            text = f"the policy's limit is 0 {noun} per {length}, so a person must answer"
        elif at_most is not None and answers > at_most:
            text = (
                f"this would make {answers} {noun} at once, including the requests below it, and the limit is"
                f" {at_most} per {length}; a person can lift the limit"
            )
        else:
            resumes_at = _minute((tally.frees_from or self.at) + limit.period)
            text = (
                f"the limit of {at_most} {noun} per {length} is reached ({tally.count} sent, {len(self.taken)} more"
                f" planned); it resumes at {resumes_at}, or when a person lifts the limit"
            )
        return Reason(ReasonKind.OVER_LIMIT, text)


def _asked(step: Step) -> tuple[bool, float]:
    """Rejects first, so that a percentage never counts on accepts still to come; then the oldest request."""
    asked = step.decision.request.requested_at
    return step.action is Action.ACCEPT, asked.timestamp() if asked else 0.0


def _together(step: Step, steps: Mapping[RequestKey, Step]) -> set[RequestKey]:
    """A step and all that must be done before it."""
    return {step.key}.union(*(_together(steps[key], steps) for key in step.needs))


def _answered(keys: Iterable[RequestKey], steps: Mapping[RequestKey, Step]) -> set[RequestKey]:
    """The requests that these steps answer, directly or by cascade. Answers by people do not count.

    Repeated answers have already been counted.
    """
    counted = (steps[key] for key in keys if not steps[key].repeats and steps[key].decision.person is None)
    return {each for step in counted for each in (step.key, *step.falls)}


def _minute(moment: datetime) -> str:
    """A time for people, rounded up to the minute."""
    return f"{moment + timedelta(seconds=59):%Y-%m-%d %H:%M} UTC"
