"""How conditions come out: true, false, or unknown.

Their gap is false, plain or negated: a test needs a value, so `not` is carried inward to the tests. Our gap is
unknown. `present` asks whether there is a value, so it alone needs none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from decimal import Context, Decimal
from typing import Any

from pm_autoaccept.model import Claim, Evidence, Fact, Facts, NotLearnt, PendingRequest, Truth
from pm_autoaccept.policy.cleaning import cleaned
from pm_autoaccept.policy.conditions import (
    ALWAYS,
    AllOf,
    Column,
    Comparison,
    Condition,
    Lookup,
    Not,
    SameAs,
    Test,
    is_private,
)
from pm_autoaccept.policy.fields import Field
from pm_autoaccept.policy.operators import Operator
from pm_autoaccept.policy.private import hide
from pm_autoaccept.policy.sources import Source
from pm_autoaccept.policy.tables import Row, Table
from pm_autoaccept.policy.taken import claimant
from pm_autoaccept.policy.values import Relative, Value, read_answer, text_of

_DIGITS = 60
"""More than two numbers that can be read, or their difference, ever have."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a condition is asked of.

    Attributes:
        zone: the time zone in which days are days.
        row: inside `where`: the row that was found.
    """

    request: PendingRequest
    facts: Facts
    tables: Mapping[str, Fact[Table]]
    zone: tzinfo = UTC
    row: Row | None = None


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
        others: for true: the other owners' requests by which a value is taken.
    """

    truth: Truth
    evidence: tuple[Evidence, ...] = ()
    gaps: tuple[Gap, ...] = ()
    grounds: tuple[Test, ...] = ()
    others: tuple[Claim, ...] = ()


def judge(condition: Condition, circumstances: Circumstances, *, negated: bool = False) -> Outcome:
    """How the condition comes out under the circumstances."""
    if isinstance(condition, Comparison | SameAs | Lookup):
        outcome = _judge_one(condition, circumstances, negated=negated)
        return replace(outcome, evidence=hide(outcome.evidence, condition)) if is_private(condition) else outcome
    if isinstance(condition, Not):
        return judge(condition.part, circumstances, negated=not negated)
    outcomes = [judge(part, circumstances, negated=negated) for part in condition.parts]
    every = isinstance(condition, AllOf) is not negated
    return _combine(outcomes, every=every)


def _judge_one(test: Test, circumstances: Circumstances, *, negated: bool) -> Outcome:
    if isinstance(test, Comparison):
        return _judge_test(test, circumstances, negated=negated)
    if isinstance(test, SameAs):
        return _judge_sameness(test, circumstances, negated=negated)
    return _judge_lookup(test, circumstances, negated=negated)


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
        others=tuple(each for outcome in bearing for each in outcome.others),
    )


def _judge_test(test: Comparison, circumstances: Circumstances, *, negated: bool) -> Outcome:
    expected = f"not {test.expected}" if negated else test.expected
    given = _value(test.field, circumstances)
    found = _found(given)
    # What is looked up is looked up as text.
    value = _comparable(test.field, found if test.source is not None and found is not None else given, test)
    if isinstance(value, NotLearnt):
        return _unknown(_gap(test.field, value), Evidence(test.field.name, expected, found, Truth.UNKNOWN))
    if test.operator.name == "present":
        holds: Fact[bool] = (value is not None) is test.literals[0]
    elif value is None:
        holds = negated
    elif test.operator.name == "taken":
        return _judge_taken(test, str(value), circumstances, expected=expected, found=found, negated=negated)
    elif test.source is not None:
        table = _table(test.source, circumstances)
        holds = table if isinstance(table, NotLearnt) else table.has((str(value),))
    else:
        literals = _at_this_time(test, circumstances)
        holds = literals if isinstance(literals, NotLearnt) else _any_holds(test.operator, value, literals)
    if isinstance(holds, NotLearnt):
        gap = Gap(test.source or "now", holds.why)
        return _unknown(gap, Evidence(test.field.name, expected, found, Truth.UNKNOWN))
    truth = Truth.TRUE if holds is not negated else Truth.FALSE
    grounds = (test,) if truth is Truth.TRUE else ()
    return Outcome(truth=truth, evidence=(Evidence(test.field.name, expected, found, truth),), grounds=grounds)


def _judge_taken(
    test: Comparison, value: str, circumstances: Circumstances, *, expected: str, found: str | None, negated: bool
) -> Outcome:
    name = test.field.name
    claim = claimant(test, value, circumstances.request, circumstances.facts)
    if isinstance(claim, NotLearnt):
        return _unknown(_gap(test.field, claim), Evidence(name, expected, found, Truth.UNKNOWN))
    taken = claim is not None
    truth = Truth.TRUE if (taken is test.literals[0]) is not negated else Truth.FALSE
    if claim is not None:
        found = f"{found}, as {claim.key} of {claim.username or claim.owner} says too"
    true = truth is Truth.TRUE
    return Outcome(
        truth=truth,
        evidence=(Evidence(name, expected, found, truth),),
        grounds=(test,) if true else (),
        others=(claim,) if true and claim is not None else (),
    )


def _any_holds(operator: Operator, value: Value, literals: tuple[Any, ...]) -> bool:
    return any(operator.holds(value, literal) for literal in literals)


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
    values = [_value(field, circumstances) for field, _ in pairs]
    ready = [_comparable(field, value, test) for (field, _), value in zip(pairs, values, strict=True)]
    gaps = [_gap(field, value) for (field, _), value in zip(pairs, ready, strict=True) if isinstance(value, NotLearnt)]
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


def _judge_lookup(lookup: Lookup, circumstances: Circumstances, *, negated: bool) -> Outcome:
    """The row is there and passes; `not` is carried into `where`, and of a row that is not there nothing is asked."""
    source = lookup.source
    values = [_value(field, circumstances) for field in lookup.by]

    def evidence(truth: Truth) -> tuple[Evidence, ...]:
        how = "not in" if negated else "in"
        return tuple(
            Evidence(field.name, f"{how} {source.name} as {column}", _found(value), truth)
            for field, column, value in zip(lookup.by, source.key, values, strict=True)
        )

    parts = [
        value if value is None or isinstance(value, NotLearnt) else _part(source, column, value)
        for column, value in zip(source.key, values, strict=True)
    ]
    if None in parts:
        return Outcome(truth=Truth.FALSE, evidence=evidence(Truth.FALSE))
    gaps = [_gap(field, part) for field, part in zip(lookup.by, parts, strict=True) if isinstance(part, NotLearnt)]
    if gaps:
        return Outcome(truth=Truth.UNKNOWN, evidence=evidence(Truth.UNKNOWN), gaps=tuple(gaps))
    table = _table(source.name, circumstances)
    row = table if isinstance(table, NotLearnt) else table.row(tuple(str(part) for part in parts))
    if isinstance(row, NotLearnt):
        return Outcome(truth=Truth.UNKNOWN, evidence=evidence(Truth.UNKNOWN), gaps=(Gap(source.name, row.why),))
    there = Truth.TRUE if (row is not None) is not negated else Truth.FALSE
    if row is None or lookup.where == ALWAYS:
        return Outcome(truth=there, evidence=evidence(there), grounds=(lookup,) if there is Truth.TRUE else ())
    passed = judge(lookup.where, replace(circumstances, row=row), negated=negated)
    return replace(
        passed,
        evidence=(*evidence(there), *passed.evidence),
        grounds=(lookup, *passed.grounds) if passed.truth is Truth.TRUE else (),
    )


def _part(source: Source, column: str, value: Value) -> str | None:
    return cleaned(text_of(value), source.clean.get(column, ())) or None


def _value(field: Field | Column, circumstances: Circumstances) -> Fact[Value | None]:
    if isinstance(field, Field):
        return field.value(circumstances.request, circumstances.facts)
    return (circumstances.row or {}).get(field.column, NotLearnt("there is no such row"))


def _comparable(field: Field | Column, value: Fact[Value | None], test: Comparison | SameAs) -> Fact[Value | None]:
    """The value as it is compared: None where nothing is left of it after cleaning, or it cannot be read as asked."""
    if not isinstance(value, str):
        return value
    ready = (cleaned(value, test.clean) or None) if test.read_as is None else read_answer(value, test.read_as)
    if ready is None and isinstance(field, Column):
        # A cell that says nothing is our gap, not the customer's.
        return NotLearnt(f"nothing is left of what our table says in {field.column}")
    return ready


def _table(name: str, circumstances: Circumstances) -> Fact[Table]:
    return circumstances.tables.get(name, NotLearnt("it was not read"))


def _gap(field: Field | Column, what: NotLearnt) -> Gap:
    """What could not be learnt: a field, or the data in which a cell says nothing."""
    return Gap(field.source if isinstance(field, Column) else field.name, what.why)


def _unknown(gap: Gap, evidence: Evidence) -> Outcome:
    return Outcome(truth=Truth.UNKNOWN, evidence=(evidence,), gaps=(gap,))
