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
    Asked,
    AskedGroup,
    AskedLookup,
    AskedParts,
    AskedTest,
    Decides,
    Necessary,
    Shown,
)
from pm_autoaccept.policy.evaluation.regex import holding
from pm_autoaccept.policy.evaluation.request_view import Circumstances, Reading, Readings, Told, View
from pm_autoaccept.policy.evaluation.taken import claimant
from pm_autoaccept.policy.evaluation.truth import Came, Gap, Outcome
from pm_autoaccept.policy.fields import Field
from pm_autoaccept.policy.operators import Takes
from pm_autoaccept.policy.values import Relative, Value

_DIGITS = 60
"""Decimal precision: more digits than two readable numbers, or their difference, can have."""

Asks = Callable[[Any, View], Fact[bool]]
"""Whether a value passes a plain test; not learnt if what it is compared with is not learnt."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """Compiles the conditions of one policy; fields that are used in several places are read once."""

    readings: Readings = field(default_factory=Readings)

    def of(self, condition: Condition, *, negated: bool = False) -> Asked:
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
            return self.of(condition.part, negated=not negated)
        parts = tuple(self.of(part, negated=negated) for part in condition.parts)
        return AskedGroup.of(parts, every=isinstance(condition, AllOf) is not negated)

    def until(self, last: date) -> Asked:
        """Compile a rule's `until`: today is at most its last day."""
        today = self.readings.one(_today, _today)

        def came(view: View) -> Came:
            day = view[today]
            return (Gap("now", day.why),) if isinstance(day, NotLearnt) else day <= last

        return AskedTest(came, (Shown(today, "today", f"at most {last}"),))

    def _comparison(self, test: Comparison, *, negated: bool) -> Asked:
        name, source = test.operator.name, test.source
        if source is not None:
            value = self.readings.as_key(test.field, test.clean)
        else:
            value = self.readings.comparable(test.field, test.clean, test.read_as)
        necessary: tuple[Necessary, ...] = ()
        claim = None
        if name == "present":
            came = _presence(value, _gap_of(test.field), there=test.literals[0] is not negated)
        elif name == "taken":
            claim = self.readings.one((value, name), partial(_claim, test, value))
            asks = partial(_is_taken, claim, test.literals[0])
            came = _asking(value, asks, _gap_of(test.field), _gap_of(test.field), negated=negated)
        elif source is not None:
            member = self.readings.one((value, source), partial(_member, source, value))
            necessary = () if negated else (frozenset({(member, True)}),)
            came = _asking(value, lambda _, view: view[member], _gap_of(test.field), source, negated=negated)
        elif name in {"equals", "in"} and not _moves(test):
            literals = frozenset(test.literals)
            necessary = () if negated else (frozenset((value, literal) for literal in literals),)
            came = _being_one_of(value, literals, _gap_of(test.field), negated=negated)
        elif len(test.literals) == 1 and not _moves(test):
            holds, literal = test.operator.holds, test.literals[0]
            if test.operator.takes is Takes.PATTERN:
                holds = holding(literal)
            came = _holding(value, holds, literal, _gap_of(test.field), negated=negated)
        else:
            came = _asking(value, _passes(test), _gap_of(test.field), "now", negated=negated)
        expected = f"{'not ' if negated else ''}{test.expected}{_of_parts(test.field, negated=negated)}"
        shown = Shown(self.readings.given(test.field), test.field.name, expected, test.field.private)
        return AskedTest(came, (shown,), (test,), necessary, claim)

    def _sameness(self, test: SameAs, *, negated: bool) -> Asked:
        """Both fields need a value. If one has none, the test is false, even if the other is unknown."""
        one, other = (self.readings.comparable(each, test.clean, test.read_as) for each in (test.field, test.other))
        names = (_gap_of(test.field), _gap_of(test.other))

        def came(view: View) -> Came:
            values: tuple[Told, Told] = (view[one], view[other])
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
            Shown(self.readings.given(each), each.name, f"{how} {than.name}{within}", private)
            for each, than in ((test.field, test.other), (test.other, test.field))
        )
        return AskedTest(came, shown, (test,))

    def lookup(self, lookup: Lookup, *, negated: bool) -> AskedLookup:
        """Compile a lookup."""
        source = lookup.source
        cleaned = [(field, source.clean.get(column, ())) for field, column in zip(lookup.by, source.key, strict=True)]
        parts = tuple(self.readings.as_key(*each) for each in cleaned)
        how = f"{'not in' if negated else 'in'} {source.name} as"
        named = zip(lookup.by, source.key, strict=True)
        return AskedLookup(
            lookup=lookup,
            negated=negated,
            parts=parts,
            row=self.readings.one((parts, source.name), partial(_row, source.name, parts)),
            shown=tuple(
                Shown(self.readings.given(field), field.name, f"{how} {column}", field.private)
                for field, column in named
            ),
            where=None if lookup.where == ALWAYS else self.of(lookup.where, negated=negated),
        )

    def _parts(self, split: Split, *, negated: bool) -> AskedParts:
        field, test = split.field, self.of(split.test, negated=negated)
        return AskedParts(
            name=field.name,
            parts=self.readings.parts(field, split.part_of.separators),
            every=split.part_of.every is not negated,
            test=test,
            shown=Shown(self.readings.given(field), field.name, _expected(test), field.private),
        )


def parts_of(split: Split, circumstances: Circumstances) -> tuple[str, ...]:
    """The parts of an answer for `split`; empty if there are none or they are unknown."""
    parts: Fact[tuple[str, ...] | None] = circumstances.view[Readings().parts(split.field, split.part_of.separators)]
    return () if parts is None or isinstance(parts, NotLearnt) else parts


def row_of(lookup: Lookup, circumstances: Circumstances) -> Row | None:
    """The row that a lookup finds; None if there is none or it is unknown."""
    found = Preparation().lookup(lookup, negated=False).found(circumstances.view)
    return None if isinstance(found, bool | tuple) else found


def judge(condition: Condition, circumstances: Circumstances, *, negated: bool = False) -> Outcome:
    """Evaluate one condition by itself, with evidence."""
    return Preparation().of(condition, negated=negated).outcome(circumstances.view)


def still_applies(until: date, circumstances: Circumstances) -> Outcome:
    """Whether a rule still applies: today is at most its last day."""
    return Preparation().until(until).outcome(circumstances.view)


def _presence(value: Reading, gap: str, *, there: bool) -> Decides:
    def came(view: View) -> Came:
        found = view[value]
        return (Gap(gap, found.why),) if isinstance(found, NotLearnt) else (found is not None) is there

    return came


def _being_one_of(value: Reading, literals: frozenset[Any], gap: str, *, negated: bool) -> Decides:
    def came(view: View) -> Came:
        found = view[value]
        if isinstance(found, NotLearnt):
            return (Gap(gap, found.why),)
        return found is not None and (found in literals) is not negated

    return came


def _holding(value: Reading, holds: Callable[[Any, Any], bool], literal: Any, gap: str, *, negated: bool) -> Decides:  # noqa: ANN401 - of the field's own type
    def came(view: View) -> Came:
        found = view[value]
        if isinstance(found, NotLearnt):
            return (Gap(gap, found.why),)
        return found is not None and holds(found, literal) is not negated

    return came


def _asking(value: Reading, asks: Asks, gap: str, other: str, *, negated: bool) -> Decides:
    """`gap` names what is unknown if the value is not learnt, `other` if what it is compared with is not."""

    def came(view: View) -> Came:
        found = view[value]
        if found is None:
            return False
        if isinstance(found, NotLearnt):
            return (Gap(gap, found.why),)
        passes = asks(found, view)
        return (Gap(other, passes.why),) if isinstance(passes, NotLearnt) else passes is not negated

    return came


def _passes(test: Comparison) -> Asks:
    holds, literals = test.operator.holds, test.literals
    if _moves(test):
        return lambda value, view: _at_this_time(test, value, view)
    return lambda value, _: any(holds(value, literal) for literal in literals)


def _moves(test: Comparison) -> bool:
    """Whether the result depends on the time, because it names `today` or `now`."""
    return any(isinstance(literal, Relative) for literal in test.literals)


def _at_this_time(test: Comparison, value: Value, view: View) -> Fact[bool]:
    """Compare with `today` and `now` at the time of the decision."""
    now = view.facts.now
    if isinstance(now, NotLearnt):
        return now
    moved = (each.at(now, view.zone) if isinstance(each, Relative) else each for each in test.literals)
    return any(test.operator.holds(value, literal) for literal in moved)


def _same(one: Any, other: Any, within: Decimal | None) -> bool:  # noqa: ANN401 - two values of one type, or two numbers
    return one == other if within is None else Context(prec=_DIGITS).subtract(one, other).copy_abs() <= within


def _today(view: View) -> Fact[date]:
    now = view.facts.now
    return now if isinstance(now, NotLearnt) else now.astimezone(view.zone).date()


def _member(source: str, value: Reading, view: View) -> Fact[bool]:
    found, table = view[value], view.table(source)
    if found is None or isinstance(found, NotLearnt):
        return found or False
    return table if isinstance(table, NotLearnt) else table.has((found,))


def _row(source: str, parts: tuple[Reading, ...], view: View) -> Fact[Row | None]:
    table = view.table(source)
    return table if isinstance(table, NotLearnt) else table.row(tuple(view[part] for part in parts))


def _claim(test: Comparison, value: Reading, view: View) -> Any:  # noqa: ANN401 - a fact, or None
    found = view[value]
    if found is None or isinstance(found, NotLearnt):
        return None
    return claimant(test, found, view.request, view.facts)


def _is_taken(claim: Reading, wanted: bool, _: Any, view: View) -> Fact[bool]:  # noqa: ANN401, FBT001 - bound beforehand
    other = view[claim]
    return other if isinstance(other, NotLearnt) else (other is not None) is wanted


def _expected(test: Asked) -> str:
    """What is expected of a part, for the evidence."""
    if isinstance(test, AskedGroup):
        return (" and " if test.every else " or ").join(map(_expected, test.parts))
    return test.shown[0].expected if isinstance(test, AskedTest) else ""


def _of_parts(field: Field | Column, *, negated: bool) -> str:
    """Which parts of an answer must pass, for the evidence; empty if it is tested as a whole."""
    if field.part_of is None:
        return ""
    return f" ({'every' if field.part_of.every is not negated else 'some'} part)"


def _gap_of(field: Field | Column) -> str:
    """The name of what is unknown: the field, or the data source of the cell."""
    return field.source if isinstance(field, Column) else field.name
