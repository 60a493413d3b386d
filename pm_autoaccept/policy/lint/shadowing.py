"""Find shadowed rules: earlier rules that match everything a later rule matches, so it is never reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pm_autoaccept.policy.conditions import Comparison
from pm_autoaccept.policy.lint.implication import follows, named_values
from pm_autoaccept.policy.lint.normal_form import All, Atom, Case, Normal, cases_of

MAX_RULES_COMPARED = 500
"""Earlier rules that one case of a rule is compared with; the index rarely leaves more."""


@dataclass(frozen=True, slots=True)
class _Known:
    """An earlier rule: its position, id and condition."""

    number: int
    id: str
    condition: Normal


@dataclass(slots=True)
class RulesAbove:
    """An index of the earlier rules for one kind of request.

    Each rule is filed under one test that it requires: under each value that the test lists, or else under its field.
    A later condition without that test cannot imply the rule.
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
        """The ids of the earlier rules that together match all that the condition matches; empty if none do.

        A condition is true or unknown exactly if one of its cases is, so each case is checked on its own.
        """
        for one_by_one in (False, True):
            found = [next(self._stopping(case), None) for case in cases_of(condition, one_by_one=one_by_one)]
            stopping = [each for each in found if each is not None]
            if found and len(stopping) == len(found):
                return tuple(each.id for each in sorted(set(stopping), key=lambda each: each.number))
        return ()

    def _stopping(self, case: Case) -> Iterator[_Known]:
        """The earlier rules that match all that a case matches, in order."""
        candidates = {known.number: known for known in self._others}
        for atom in case:
            if not isinstance(atom.test, Comparison):
                continue
            candidates |= {known.number: known for known in self._by_field.get(_field(atom), ())}
            for value in (_plain_values(atom) or ())[:1]:
                candidates |= {known.number: known for known in self._by_value.get((_field(atom), value), ())}
        for number in islice(sorted(candidates), MAX_RULES_COMPARED):
            if follows(case, candidates[number].condition):
                yield candidates[number]


def _demanded(condition: Normal) -> Iterator[Atom]:
    """The tests that the condition requires."""
    if isinstance(condition, Atom):
        yield condition
    elif isinstance(condition, All):
        for part in condition.parts:
            yield from _demanded(part)
    elif len(condition.parts) == 1:
        yield from _demanded(condition.parts[0])


def _field(atom: Atom) -> str:
    assert isinstance(atom.test, Comparison)  # noqa: S101 - both callers have checked it
    return atom.test.field.name.casefold()


def _plain_values(atom: Atom) -> tuple[Any, ...] | None:
    """The values that a test lists, if it does not clean: they imply only tests that do not clean either."""
    return named_values(atom) if isinstance(atom.test, Comparison) and not atom.test.clean else None
