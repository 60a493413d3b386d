"""Conditions with every `not` carried inward, and the cases that a condition falls into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import TypeAlias

from pm_autoaccept.policy.conditions import AllOf, Comparison, Condition, Lookup, Not, SameAs, Split, Test

MAX_CASES_PER_RULE = 256
"""Cases of one rule that are looked into one by one."""


@dataclass(frozen=True, slots=True)
class Atom:
    """One test, plain or negated. Both need a value."""

    test: Test
    negated: bool = False


@dataclass(frozen=True, slots=True)
class All:
    """Every part."""

    parts: tuple[Normal, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """One part or more."""

    parts: tuple[Normal, ...]


Normal: TypeAlias = Atom | All | Some
Case: TypeAlias = tuple[Atom, ...]
"""Tests that all hold in one of the ways in which a condition can."""


def normal(condition: Condition, *, negated: bool = False) -> Normal:
    """The condition with `not` at its tests only, where the evaluator carries it too."""
    if isinstance(condition, Not):
        return normal(condition.part, negated=not negated)
    if isinstance(condition, Comparison | SameAs | Lookup | Split):
        return Atom(condition, negated)
    parts = tuple(normal(part, negated=negated) for part in condition.parts)
    return All(parts) if isinstance(condition, AllOf) is not negated else Some(parts)


def cases_of(condition: Normal, *, one_by_one: bool = False) -> tuple[Case, ...]:
    """The ways in which it can hold, lists of values taken one by one if asked for; none where they are too many."""
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
        # Materialised part by part, each no further than the whole may go.
        parts = [tuple(islice(_cases(part, one_by_one=one_by_one), MAX_CASES_PER_RULE + 1)) for part in condition.parts]
        for chosen in product(*parts):
            yield tuple(atom for case in chosen for atom in case)


def _one_by_one(atom: Atom) -> Iterator[Test]:
    """A plain test on several values, as one on each."""
    test = atom.test
    if isinstance(test, Comparison) and len(test.literals) > 1 and not atom.negated:
        yield from (replace(test, literals=(literal,)) for literal in test.literals)
    else:
        yield test
