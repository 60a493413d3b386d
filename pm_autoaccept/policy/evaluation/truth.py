"""How conditions come out: true, false, or unknown; with what was seen of each test, and what was not learnt.

Their gap is false, plain or negated: a test needs a value, so `not` is carried inward to the tests. Our gap is
unknown. `present` asks whether there is a value, so it alone needs none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from pm_autoaccept.model import Claim, Evidence, Truth
from pm_autoaccept.policy.conditions import Test


@dataclass(frozen=True, slots=True)
class Gap:
    """What could not be learnt, a field or a data source, and why."""

    name: str
    why: str


Came: TypeAlias = bool | tuple[Gap, ...]
"""True, false, or unknown: then what could not be learnt, at least one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a condition came out.

    Attributes:
        evidence: every test that was looked at, in order.
        gaps: for unknown: what made it so.
        grounds: for true: the tests, plain or negated, that it rests on.
        others: for true: the other owners' requests by which a value is taken.
    """

    truth: Truth
    evidence: tuple[Evidence, ...] = ()
    gaps: tuple[Gap, ...] = ()
    grounds: tuple[Test, ...] = ()
    others: tuple[Claim, ...] = ()


def truth_of(came: Came) -> Truth:
    """Which of the three it is."""
    if came is True:
        return Truth.TRUE
    return Truth.FALSE if came is False else Truth.UNKNOWN


def combine(outcomes: Iterable[Outcome], *, every: bool) -> Outcome:
    """`every`: false if any is false, else unknown if any is, else true; otherwise the dual."""
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
