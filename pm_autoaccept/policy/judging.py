"""How conditions come out: true, false, or unknown.

Their gap is false, plain or negated: a test needs a value, so `not` is carried inward to the tests. Our gap is
unknown. `present` asks whether there is a value, so it alone needs none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pm_autoaccept.model import Evidence, Fact, Facts, NotLearnt, PendingRequest, Truth
from pm_autoaccept.policy.cleaning import cleaned
from pm_autoaccept.policy.conditions import AllOf, Comparison, Condition, Not
from pm_autoaccept.policy.sources import Table
from pm_autoaccept.policy.values import Relative, Value, text_of


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a condition is asked of: the request, the facts, and the tables."""

    request: PendingRequest
    facts: Facts
    tables: Mapping[str, Fact[Table]]


@dataclass(frozen=True, slots=True)
class Gap:
    """What could not be learnt, a field or a data source, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a condition came out.

    Attributes:
        evidence: every test that was looked at, in order.
        gaps: for unknown: what made it so.
        grounds: for true: the tests, plain or negated, that it rests on.
    """

    truth: Truth
    evidence: tuple[Evidence, ...] = ()
    gaps: tuple[Gap, ...] = ()
    grounds: tuple[Comparison, ...] = ()


def judge(condition: Condition, circumstances: Circumstances, *, negated: bool = False) -> Outcome:
    """How the condition comes out under the circumstances."""
    if isinstance(condition, Comparison):
        return _judge_test(condition, circumstances, negated=negated)
    if isinstance(condition, Not):
        return judge(condition.part, circumstances, negated=not negated)
    outcomes = [judge(part, circumstances, negated=negated) for part in condition.parts]
    every = isinstance(condition, AllOf) is not negated
    return _combine(outcomes, every=every)


def _combine(outcomes: Iterable[Outcome], *, every: bool) -> Outcome:
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
    )


def _judge_test(test: Comparison, circumstances: Circumstances, *, negated: bool) -> Outcome:
    expected = f"not {test.expected}" if negated else test.expected
    value = test.field.value(circumstances.request, circumstances.facts)
    if isinstance(value, NotLearnt):
        return _unknown(Gap(test.field.name, value.why), Evidence(test.field.name, expected, None, Truth.UNKNOWN))
    found = None if value is None else text_of(value)
    value = _cleaned(value, test)
    if test.operator.name == "present":
        holds = (value is not None) is test.literals[0]
    elif value is None:
        return Outcome(truth=Truth.FALSE, evidence=(Evidence(test.field.name, expected, found, Truth.FALSE),))
    elif test.source is not None:
        table = circumstances.tables.get(test.source, NotLearnt("it was not read"))
        if isinstance(table, NotLearnt):
            return _unknown(Gap(test.source, table.why), Evidence(test.field.name, expected, found, Truth.UNKNOWN))
        holds = value in table.keys
    else:
        literals = _at_this_time(test, circumstances.facts)
        if isinstance(literals, NotLearnt):
            return _unknown(Gap("now", literals.why), Evidence(test.field.name, expected, found, Truth.UNKNOWN))
        holds = any(test.operator.holds(value, literal) for literal in literals)
    truth = Truth.TRUE if holds is not negated else Truth.FALSE
    grounds = (test,) if truth is Truth.TRUE else ()
    return Outcome(truth=truth, evidence=(Evidence(test.field.name, expected, found, truth),), grounds=grounds)


def _at_this_time(test: Comparison, facts: Facts) -> Fact[tuple[Any, ...]]:
    """What the value is compared with, `today` and `now` being those of the decision."""
    if not any(isinstance(literal, Relative) for literal in test.literals):
        return test.literals
    now = facts.now
    if isinstance(now, NotLearnt):
        return now
    return tuple(literal.at(now) if isinstance(literal, Relative) else literal for literal in test.literals)


def _cleaned(value: Value | None, test: Comparison) -> Value | None:
    """The value as it is compared: None where nothing is left of it after cleaning; text where it is a key."""
    if value is not None and test.source is not None:
        value = text_of(value)
    return (cleaned(value, test.clean) or None) if isinstance(value, str) else value


def _unknown(gap: Gap, evidence: Evidence) -> Outcome:
    return Outcome(truth=Truth.UNKNOWN, evidence=(evidence,), gaps=(gap,))
