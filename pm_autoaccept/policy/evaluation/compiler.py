"""Compiles the parsed conditions of a policy, once, when the policy is loaded.

`not` is carried inward to the tests here. A test, plain or negated, needs a value: if the customer gave none, it is
false. The only exception is `present`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal
from functools import partial
from typing import Any

from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy.conditions import ALWAYS, AllOf, Column, Comparison, Condition, Lookup, Not, SameAs, Split
from pm_autoaccept.policy.data.tables import Row
from pm_autoaccept.policy.evaluation.compiled import (
    CompiledCondition,
    CompiledGroup,
    CompiledLookup,
    CompiledSplit,
    CompiledTest,
    Evaluator,
    EvidenceSource,
    RequiredValues,
)
from pm_autoaccept.policy.evaluation.regex import full_matcher
from pm_autoaccept.policy.evaluation.request_view import (
    FieldReader,
    FieldReaders,
    FieldValue,
    RequestContext,
    RequestView,
)
from pm_autoaccept.policy.evaluation.taken import find_duplicate
from pm_autoaccept.policy.evaluation.truth import Gap, Outcome, TruthOrGaps
from pm_autoaccept.policy.fields import Field
from pm_autoaccept.policy.operators import Takes
from pm_autoaccept.policy.values import Relative, Value

_DECIMAL_DIGITS = 60
"""Decimal precision: more digits than two readable numbers, or their difference, can have."""

PlainTest = Callable[[Any, RequestView], Fact[bool]]
"""Whether a value passes a plain test; not learnt if what it is compared with is not learnt."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """Compiles the conditions of one policy; fields that are used in several places are read once."""

    readers: FieldReaders = field(default_factory=FieldReaders)

    def compile(self, condition: Condition, *, negated: bool = False) -> CompiledCondition:
        """Compile a condition or its negation."""
        if isinstance(condition, Comparison):
            return self._comparison(condition, negated=negated)
        if isinstance(condition, SameAs):
            return self._sameness(condition, negated=negated)
        if isinstance(condition, Lookup):
            return self.lookup(condition, negated=negated)
        if isinstance(condition, Split):
            return self._parts(condition, negated=negated)
        if isinstance(condition, Not):
            return self.compile(condition.part, negated=not negated)
        parts = tuple(self.compile(part, negated=negated) for part in condition.parts)
        return CompiledGroup.of(parts, every=isinstance(condition, AllOf) is not negated)

    def until(self, last: date) -> CompiledCondition:
        """Compile a rule's `until`: today is at most its last day."""
        today = self.readers.one(_today, _today)

        def evaluate(view: RequestView) -> TruthOrGaps:
            day = view[today]
            return (Gap("now", day.why),) if isinstance(day, NotLearnt) else day <= last

        return CompiledTest(evaluate, (EvidenceSource(today, "today", f"at most {last}"),))

    def _comparison(self, test: Comparison, *, negated: bool) -> CompiledCondition:
        name, source = test.operator.name, test.source
        if source is not None:
            value = self.readers.as_key(test.field, test.clean)
        else:
            value = self.readers.comparable(test.field, test.clean, test.read_as)
        required: tuple[RequiredValues, ...] = ()
        claim = None
        if name == "present":
            evaluate = _presence(value, _gap_of(test.field), there=test.literals[0] is not negated)
        elif name == "taken":
            claim = self.readers.one((value, name), partial(_claim, test, value))
            asks = partial(_is_taken, claim, test.literals[0])
            evaluate = _asking(value, asks, _gap_of(test.field), _gap_of(test.field), negated=negated)
        elif source is not None:
            member = self.readers.one((value, source), partial(_member, source, value))
            required = () if negated else (frozenset({(member, True)}),)
            evaluate = _asking(value, lambda _, view: view[member], _gap_of(test.field), source, negated=negated)
        elif name in {"equals", "in"} and not _moves(test):
            literals = frozenset(test.literals)
            required = () if negated else (frozenset((value, literal) for literal in literals),)
            evaluate = _being_one_of(value, literals, _gap_of(test.field), negated=negated)
        elif len(test.literals) == 1 and not _moves(test):
            holds, literal = test.operator.holds, test.literals[0]
            if test.operator.takes is Takes.PATTERN:
                holds = full_matcher(literal)
            evaluate = _holding(value, holds, literal, _gap_of(test.field), negated=negated)
        else:
            evaluate = _asking(value, _passes(test), _gap_of(test.field), "now", negated=negated)
        expected = f"{'not ' if negated else ''}{test.expected}{_of_parts(test.field, negated=negated)}"
        shown = EvidenceSource(self.readers.given(test.field), test.field.name, expected, test.field.private)
        return CompiledTest(evaluate, (shown,), (test,), required, claim)

    def _sameness(self, test: SameAs, *, negated: bool) -> CompiledCondition:
        """Both fields need a value. If one has none, the test is false, even if the other is unknown."""
        one, other = (self.readers.comparable(each, test.clean, test.read_as) for each in (test.field, test.other))
        names = (_gap_of(test.field), _gap_of(test.other))

        def evaluate(view: RequestView) -> TruthOrGaps:
            values: tuple[FieldValue, FieldValue] = (view[one], view[other])
            if None in values:
                return False
            named = zip(names, values, strict=True)
            gaps = tuple(Gap(name, value.why) for name, value in named if isinstance(value, NotLearnt))
            return gaps or _same(*values, test.within) is not negated

        how = f"{'not ' if negated else ''}the same as"
        within = f" within {test.within:f}" if test.within is not None else ""
        within += _of_parts(test.field, negated=negated)
        # Showing one of two equal values would disclose the other.
        private = test.field.private or test.other.private
        shown = tuple(
            EvidenceSource(self.readers.given(each), each.name, f"{how} {than.name}{within}", private)
            for each, than in ((test.field, test.other), (test.other, test.field))
        )
        return CompiledTest(evaluate, shown, (test,))

    def lookup(self, lookup: Lookup, *, negated: bool) -> CompiledLookup:
        """Compile a lookup."""
        source = lookup.source
        cleaned = [(field, source.clean.get(column, ())) for field, column in zip(lookup.by, source.key, strict=True)]
        parts = tuple(self.readers.as_key(*each) for each in cleaned)
        how = f"{'not in' if negated else 'in'} {source.name} as"
        named = zip(lookup.by, source.key, strict=True)
        return CompiledLookup(
            lookup=lookup,
            negated=negated,
            parts=parts,
            row=self.readers.one((parts, source.name), partial(_row, source.name, parts)),
            shown=tuple(
                EvidenceSource(self.readers.given(field), field.name, f"{how} {column}", field.private)
                for field, column in named
            ),
            where=None if lookup.where == ALWAYS else self.compile(lookup.where, negated=negated),
        )

    def _parts(self, split: Split, *, negated: bool) -> CompiledSplit:
        field, test = split.field, self.compile(split.test, negated=negated)
        return CompiledSplit(
            name=field.name,
            parts=self.readers.parts(field, split.part_of.separators),
            every=split.part_of.every is not negated,
            test=test,
            shown=EvidenceSource(self.readers.given(field), field.name, _expected(test), field.private),
        )


def parts_of(split: Split, circumstances: RequestContext) -> tuple[str, ...]:
    """The parts of an answer for `split`; empty if there are none or they are unknown."""
    parts: Fact[tuple[str, ...] | None] = circumstances.view[
        FieldReaders().parts(split.field, split.part_of.separators)
    ]
    return () if parts is None or isinstance(parts, NotLearnt) else parts


def row_of(lookup: Lookup, circumstances: RequestContext) -> Row | None:
    """The row that a lookup finds; None if there is none or it is unknown."""
    found = Compiler().lookup(lookup, negated=False).found(circumstances.view)
    return None if isinstance(found, bool | tuple) else found


def judge(condition: Condition, circumstances: RequestContext, *, negated: bool = False) -> Outcome:
    """Evaluate one condition by itself, with evidence."""
    return Compiler().compile(condition, negated=negated).outcome(circumstances.view)


def still_applies(until: date, circumstances: RequestContext) -> Outcome:
    """Whether a rule still applies: today is at most its last day."""
    return Compiler().until(until).outcome(circumstances.view)


def _presence(value: FieldReader, gap: str, *, there: bool) -> Evaluator:
    def evaluate(view: RequestView) -> TruthOrGaps:
        found = view[value]
        return (Gap(gap, found.why),) if isinstance(found, NotLearnt) else (found is not None) is there

    return evaluate


def _being_one_of(value: FieldReader, literals: frozenset[Any], gap: str, *, negated: bool) -> Evaluator:
    def evaluate(view: RequestView) -> TruthOrGaps:
        found = view[value]
        if isinstance(found, NotLearnt):
            return (Gap(gap, found.why),)
        return found is not None and (found in literals) is not negated

    return evaluate


def _holding(
    value: FieldReader, holds: Callable[[Any, Any], bool], literal: object, gap: str, *, negated: bool
) -> Evaluator:
    def evaluate(view: RequestView) -> TruthOrGaps:
        found = view[value]
        if isinstance(found, NotLearnt):
            return (Gap(gap, found.why),)
        return found is not None and holds(found, literal) is not negated

    return evaluate


def _asking(value: FieldReader, asks: PlainTest, gap: str, other: str, *, negated: bool) -> Evaluator:
    """`gap` names what is unknown if the value is not learnt, `other` if what it is compared with is not."""

    def evaluate(view: RequestView) -> TruthOrGaps:
        found = view[value]
        if found is None:
            return False
        if isinstance(found, NotLearnt):
            return (Gap(gap, found.why),)
        passes = asks(found, view)
        return (Gap(other, passes.why),) if isinstance(passes, NotLearnt) else passes is not negated

    return evaluate


def _passes(test: Comparison) -> PlainTest:
    holds, literals = test.operator.holds, test.literals
    if _moves(test):
        return lambda value, view: _at_this_time(test, value, view)
    return lambda value, _: any(holds(value, literal) for literal in literals)


def _moves(test: Comparison) -> bool:
    """Whether the result depends on the time, because it names `today` or `now`."""
    return any(isinstance(literal, Relative) for literal in test.literals)


def _at_this_time(test: Comparison, value: Value, view: RequestView) -> Fact[bool]:
    """Compare with `today` and `now` at the time of the decision."""
    now = view.facts.now
    if isinstance(now, NotLearnt):
        return now
    moved = (each.at(now, view.zone) if isinstance(each, Relative) else each for each in test.literals)
    return any(test.operator.holds(value, literal) for literal in moved)


def _same(one: Any, other: Any, within: Decimal | None) -> bool:  # noqa: ANN401 - two values of one type, or two numbers
    return one == other if within is None else Context(prec=_DECIMAL_DIGITS).subtract(one, other).copy_abs() <= within


def _today(view: RequestView) -> Fact[date]:
    now = view.facts.now
    return now if isinstance(now, NotLearnt) else now.astimezone(view.zone).date()


def _member(source: str, value: FieldReader, view: RequestView) -> Fact[bool]:
    found, table = view[value], view.table(source)
    if found is None or isinstance(found, NotLearnt):
        return found or False
    return table if isinstance(table, NotLearnt) else table.has((found,))


def _row(source: str, parts: tuple[FieldReader, ...], view: RequestView) -> Fact[Row | None]:
    table = view.table(source)
    return table if isinstance(table, NotLearnt) else table.row(tuple(view[part] for part in parts))


def _claim(test: Comparison, value: FieldReader, view: RequestView) -> Any:  # noqa: ANN401 - a fact, or None
    found = view[value]
    if found is None or isinstance(found, NotLearnt):
        return None
    return find_duplicate(test, found, view.request, view.facts)


def _is_taken(claim: FieldReader, wanted: bool, _: Any, view: RequestView) -> Fact[bool]:  # noqa: ANN401, FBT001 - bound beforehand
    other = view[claim]
    return other if isinstance(other, NotLearnt) else (other is not None) is wanted


def _expected(test: CompiledCondition) -> str:
    """What is expected of a part, for the evidence."""
    if isinstance(test, CompiledGroup):
        return (" and " if test.every else " or ").join(map(_expected, test.parts))
    return test.shown[0].expected if isinstance(test, CompiledTest) else ""


def _of_parts(field: Field | Column, *, negated: bool) -> str:
    """Which parts of an answer must pass, for the evidence; empty if it is tested as a whole."""
    if field.part_of is None:
        return ""
    return f" ({'every' if field.part_of.every is not negated else 'some'} part)"


def _gap_of(field: Field | Column) -> str:
    """The name of what is unknown: the field, or the data source of the cell."""
    return field.source if isinstance(field, Column) else field.name
