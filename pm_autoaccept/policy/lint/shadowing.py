"""The rules that stand above another, so arranged that those few are found quickly that could leave it nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pm_autoaccept.policy.conditions import Comparison, Split
from pm_autoaccept.policy.lint.implication import follows, named_values
from pm_autoaccept.policy.lint.normal_form import All, Atom, Case, Normal, cases_of

MAX_RULES_COMPARED = 500
"""Rules above with which one case of a rule is compared; more are hardly ever left after the arrangement."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A rule above: its place in the order, its id, and its conditions."""

    number: int
    id: str
    condition: Normal


@dataclass(slots=True)
class RulesAbove:
    """The rules above, of one kind of request, that stop whatever they are true of.

    Each stands under one test that it cannot do without: under each value that the test names, or under its field. What
    does not have that test cannot follow from the rule.
    """

    _count: int = 0
    _by_value: dict[tuple[str, Any], list[_Known]] = field(default_factory=dict)
    _by_field: dict[str, list[_Known]] = field(default_factory=dict)
    _others: list[_Known] = field(default_factory=list)

    def add(self, id_: str, condition: Normal) -> None:
        """Add the next rule."""
        known = _Known(self._count, id_, condition)
        self._count += 1
        tests = [atom for atom in _demanded(condition) if isinstance(atom.test, Comparison)]
        for atom in tests:
            if (values := _plain_values(atom)) is not None:
                for value in values:
                    self._by_value.setdefault((_field(atom), value), []).append(known)
                return
        if tests:
            self._by_field.setdefault(_field(tests[0]), []).append(known)
        else:
            self._others.append(known)

    def stopping(self, condition: Normal) -> tuple[str, ...]:
        """The ids of the rules that leave nothing to a condition; none where something may get past them.

        A condition comes out true or unknown exactly where one of its cases does, so each is looked at alone.
        """
        for one_by_one in (False, True):
            found = [next(self._stopping(case), None) for case in cases_of(condition, one_by_one=one_by_one)]
            stopping = [each for each in found if each is not None]
            if found and len(stopping) == len(found):
                return tuple(each.id for each in sorted(set(stopping), key=lambda each: each.number))
        return ()

    def _stopping(self, case: Case) -> Iterator[_Known]:
        """The rules that leave nothing to a case, from the top."""
        candidates = {known.number: known for known in self._others}
        for atom in case:
            if not isinstance(atom.test, Comparison | Split):
                continue
            candidates |= {known.number: known for known in self._by_field.get(_field(atom), ())}
            for value in (_plain_values(atom) or ())[:1]:
                candidates |= {known.number: known for known in self._by_value.get((_field(atom), value), ())}
        for number in islice(sorted(candidates), MAX_RULES_COMPARED):
            if follows(case, candidates[number].condition):
                yield candidates[number]


def _demanded(condition: Normal) -> Iterator[Atom]:
    """The tests that it cannot do without."""
    if isinstance(condition, Atom):
        yield condition
    elif isinstance(condition, All):
        for part in condition.parts:
            yield from _demanded(part)
    elif len(condition.parts) == 1:
        yield from _demanded(condition.parts[0])


def _field(atom: Atom) -> str:
    assert isinstance(atom.test, Comparison | Split)  # noqa: S101 - both callers have seen to it
    return atom.test.field.name.casefold()


def _plain_values(atom: Atom) -> tuple[Any, ...] | None:
    """The values that it names, where it cleans nothing: only a test that cleans nothing either follows from them."""
    return named_values(atom) if isinstance(atom.test, Comparison) and not atom.test.clean else None
