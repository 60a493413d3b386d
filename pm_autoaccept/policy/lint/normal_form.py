"""Normal form of conditions for lint: `not` moved inward to the tests, and the cases of a condition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import TypeAlias

from pm_autoaccept.policy.conditions import AllOf, Comparison, Condition, Lookup, Not, SameAs, Split, Test

MAX_CASES_PER_RULE = 256
"""A rule with more cases is not analyzed."""


@dataclass(frozen=True, slots=True)
class Atom:
    """One test, plain or negated; either needs a value."""

    test: Test
    negated: bool = False


@dataclass(frozen=True, slots=True)
class All:
    """Every part must hold."""

    parts: tuple[Normal, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part must hold."""

    parts: tuple[Normal, ...]


Normal: TypeAlias = Atom | All | Some
Case: TypeAlias = tuple[Atom, ...]
"""Tests that together satisfy the condition; a condition holds exactly if one of its cases does."""


def normal(condition: Condition, *, negated: bool = False) -> Normal:
    """The condition with `not` at its tests only, as the evaluator does."""
    if isinstance(condition, Not):
        return normal(condition.part, negated=not negated)
    if isinstance(condition, Comparison | SameAs | Lookup | Split):
        return Atom(condition, negated)
    parts = tuple(normal(part, negated=negated) for part in condition.parts)
    return All(parts) if isinstance(condition, AllOf) is not negated else Some(parts)


def cases_of(condition: Normal, *, one_by_one: bool = False) -> tuple[Case, ...]:
    """The cases of a condition, optionally one for each value of a list; empty if there are too many."""
    found = tuple(islice(_cases(condition, one_by_one=one_by_one), MAX_CASES_PER_RULE + 1))
    return found if len(found) <= MAX_CASES_PER_RULE else ()


def _cases(condition: Normal, *, one_by_one: bool) -> Iterator[Case]:
    if isinstance(condition, Atom):
        for test in _one_by_one(condition) if one_by_one else (condition.test,):
            yield (Atom(test, condition.negated),)
    elif isinstance(condition, Some):
        for part in condition.parts:
            yield from _cases(part, one_by_one=one_by_one)
    else:
        # Each part is limited, since `product` stores all of them.
        parts = [tuple(islice(_cases(part, one_by_one=one_by_one), MAX_CASES_PER_RULE + 1)) for part in condition.parts]
        for chosen in product(*parts):
            yield tuple(atom for case in chosen for atom in case)


def _one_by_one(atom: Atom) -> Iterator[Test]:
    """A plain test of several values, as one test for each."""
    test = atom.test
    if isinstance(test, Comparison) and len(test.literals) > 1 and not atom.negated:
        yield from (replace(test, literals=(literal,)) for literal in test.literals)
    else:
        yield test
