"""Three-valued results of conditions (true, false, unknown), with evidence and with what was not learnt.

If the customer gave no value, a test is false, plain or negated, which is why `not` is carried inward to the tests. If
we could not learn a value, the test is unknown. Only `present` needs no value, because it tests whether there is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from pm_autoaccept.model import Claim, Evidence, Truth
from pm_autoaccept.policy.conditions import Test


@dataclass(frozen=True, slots=True)
class Gap:
    """A field or data source that could not be learnt, and why."""

    name: str
    why: str


Came: TypeAlias = bool | tuple[Gap, ...]
"""True, false, or, for unknown, at least one gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a condition, with evidence.

    Attributes:
        evidence: every evaluated test, in order.
        gaps: if unknown: the cause.
        grounds: if true: the tests, plain or negated, that support it.
        others: if true: the other owners' requests that have the same value.
    """

    truth: Truth
    evidence: tuple[Evidence, ...] = ()
    gaps: tuple[Gap, ...] = ()
    grounds: tuple[Test, ...] = ()
    others: tuple[Claim, ...] = ()


def truth_of(came: Came) -> Truth:
    """The result as a `Truth`."""
    if came is True:
        return Truth.TRUE
    return Truth.FALSE if came is False else Truth.UNKNOWN


def combine(outcomes: Iterable[Outcome], *, every: bool) -> Outcome:
    """`every`: false if any is false, else unknown if any is unknown, else true. Not `every`: the dual."""
    outcomes = tuple(outcomes)
    settling, settled = (Truth.FALSE, Truth.TRUE) if every else (Truth.TRUE, Truth.FALSE)
    truths = {outcome.truth for outcome in outcomes}
    truth = next((each for each in (settling, Truth.UNKNOWN) if each in truths), settled)
    bearing = [outcome for outcome in outcomes if outcome.truth is truth]
    return Outcome(
        truth=truth,
        evidence=tuple(each for outcome in outcomes for each in outcome.evidence),
        gaps=tuple(each for outcome in bearing for each in outcome.gaps),
        grounds=tuple(each for outcome in bearing for each in outcome.grounds),
        others=tuple(each for outcome in bearing for each in outcome.others),
    )
