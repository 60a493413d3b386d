"""How conditions come out: true, false, or unknown.

Their gap is false, plain or negated: a test needs a value, so `not` is carried inward to the tests. Our gap is
unknown. `present` asks whether there is a value, so it alone needs none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from decimal import Context, Decimal
from typing import Any

from pm_autoaccept.model import Evidence, Fact, Facts, NotLearnt, PendingRequest, Truth
from pm_autoaccept.policy.cleaning import cleaned
from pm_autoaccept.policy.conditions import AllOf, Comparison, Condition, Not, SameAs, Test
from pm_autoaccept.policy.tables import Table
from pm_autoaccept.policy.values import Relative, Value, read_answer, text_of

_DIGITS = 60
"""More than two numbers that can be read, or their difference, ever have."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a condition is asked of: the request, the facts, the tables, and the time zone in which days are days."""

    request: PendingRequest
    facts: Facts
    tables: Mapping[str, Fact[Table]]
    zone: tzinfo = UTC


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
    grounds: tuple[Test, ...] = ()


def judge(condition: Condition, circumstances: Circumstances, *, negated: bool = False) -> Outcome:
    """How the condition comes out under the circumstances."""
    if isinstance(condition, Comparison):
        return _judge_test(condition, circumstances, negated=negated)
    if isinstance(condition, SameAs):
        return _judge_sameness(condition, circumstances, negated=negated)
    if isinstance(condition, Not):
        return judge(condition.part, circumstances, negated=not negated)
    outcomes = [judge(part, circumstances, negated=negated) for part in condition.parts]
    every = isinstance(condition, AllOf) is not negated
    return _combine(outcomes, every=every)


def both(one: Outcome, other: Outcome) -> Outcome:
    """How it comes out where both are asked for."""
    return _combine((one, other), every=True)


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
    found = _found(value)
    # What is looked up is looked up as text.
    value = _comparable(found if test.source is not None else value, test)
    if test.operator.name == "present":
        holds = (value is not None) is test.literals[0]
    elif value is None:
        return Outcome(truth=Truth.FALSE, evidence=(Evidence(test.field.name, expected, found, Truth.FALSE),))
    elif test.source is not None:
        table = circumstances.tables.get(test.source, NotLearnt("it was not read"))
        if isinstance(table, NotLearnt):
            return _unknown(Gap(test.source, table.why), Evidence(test.field.name, expected, found, Truth.UNKNOWN))
        held = table.has((str(value),))
        if isinstance(held, NotLearnt):
            return _unknown(Gap(test.source, held.why), Evidence(test.field.name, expected, found, Truth.UNKNOWN))
        holds = held
    else:
        literals = _at_this_time(test, circumstances)
        if isinstance(literals, NotLearnt):
            return _unknown(Gap("now", literals.why), Evidence(test.field.name, expected, found, Truth.UNKNOWN))
        holds = any(test.operator.holds(value, literal) for literal in literals)
    truth = Truth.TRUE if holds is not negated else Truth.FALSE
    grounds = (test,) if truth is Truth.TRUE else ()
    return Outcome(truth=truth, evidence=(Evidence(test.field.name, expected, found, truth),), grounds=grounds)


def _at_this_time(test: Comparison, circumstances: Circumstances) -> Fact[tuple[Any, ...]]:
    """What the value is compared with, `today` and `now` being those of the decision."""
    if not any(isinstance(literal, Relative) for literal in test.literals):
        return test.literals
    now, zone = circumstances.facts.now, circumstances.zone
    if isinstance(now, NotLearnt):
        return now
    return tuple(literal.at(now, zone) if isinstance(literal, Relative) else literal for literal in test.literals)


def _judge_sameness(test: SameAs, circumstances: Circumstances, *, negated: bool) -> Outcome:
    """Both need a value. If one is absent the test is false, whatever may be learnt of the other."""
    how = f"{'not ' if negated else ''}the same as"
    within = f" within {test.within:f}" if test.within is not None else ""
    pairs = ((test.field, test.other), (test.other, test.field))
    values = [field.value(circumstances.request, circumstances.facts) for field, _ in pairs]
    ready = [value if isinstance(value, NotLearnt) else _comparable(value, test) for value in values]
    gaps = [
        Gap(field.name, value.why)
        for (field, _), value in zip(pairs, values, strict=True)
        if isinstance(value, NotLearnt)
    ]
    one, other = ready
    if one is None or other is None:
        truth = Truth.FALSE
    elif gaps or isinstance(one, NotLearnt) or isinstance(other, NotLearnt):
        truth = Truth.UNKNOWN
    else:
        truth = Truth.TRUE if _same(one, other, test.within) is not negated else Truth.FALSE
    return Outcome(
        truth=truth,
        evidence=tuple(
            Evidence(field.name, f"{how} {against.name}{within}", _found(value), truth)
            for (field, against), value in zip(pairs, values, strict=True)
        ),
        gaps=tuple(gaps) if truth is Truth.UNKNOWN else (),
        grounds=(test,) if truth is Truth.TRUE else (),
    )


def _same(one: Any, other: Any, within: Decimal | None) -> bool:  # noqa: ANN401 - two values of one type, or two numbers
    return one == other if within is None else Context(prec=_DIGITS).subtract(one, other).copy_abs() <= within


def _found(value: Fact[Value | None]) -> str | None:
    return None if value is None or isinstance(value, NotLearnt) else text_of(value)


def _comparable(value: Value | None, test: Test) -> Value | None:
    """The value as it is compared: None where nothing is left of it after cleaning, or it cannot be read as asked."""
    if not isinstance(value, str):
        return value
    return (cleaned(value, test.clean) or None) if test.read_as is None else read_answer(value, test.read_as)


def _unknown(gap: Gap, evidence: Evidence) -> Outcome:
    return Outcome(truth=Truth.UNKNOWN, evidence=(evidence,), gaps=(gap,))
