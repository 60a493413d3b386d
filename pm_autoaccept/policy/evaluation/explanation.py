"""Explains how each rule evaluates for one request, clause by clause, with the same code that decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from pm_autoaccept.model import Evidence, Kind, Truth, Verdict
from pm_autoaccept.policy.conditions import ALWAYS, AllOf, AnyOf, Condition, Lookup, Not, Split
from pm_autoaccept.policy.data.tables import Row
from pm_autoaccept.policy.evaluation.compiler import judge, parts_of, row_of, still_applies
from pm_autoaccept.policy.evaluation.request_view import Circumstances
from pm_autoaccept.policy.evaluation.truth import Gap, Outcome
from pm_autoaccept.policy.rules import Rule


class CameOut(StrEnum):
    """How a rule was evaluated."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"
    NOT_ON = "not on such requests"
    OVER = "over"
    """Its last day (`until`) has passed."""
    NOT_ASKED = "not asked"
    """An earlier rule decided or stopped the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One test or a group of clauses, with its result.

    Attributes:
        group: `all of` or `one of`; None for a test.
        parts: the clauses of the group.
        tests: the evidence of a test; several pieces if it compares several fields.
        gaps: if unknown: what is unknown, and why.
        missing: the minimum number of tests that would have to change to make it true.
    """

    truth: Truth
    group: str | None = None
    parts: tuple[Clause, ...] = ()
    tests: tuple[Evidence, ...] = ()
    gaps: tuple[Gap, ...] = ()
    missing: int = 0

    @property
    def lacking(self) -> tuple[Clause, ...]:
        """The tests that would have to change; for `one of`, those of the nearest part."""
        if self.truth is Truth.TRUE:
            return ()
        if self.group is None:
            return (self,)
        parts = (min(self.parts, key=_missing),) if self.group == ONE and self.parts else self.parts
        return tuple(test for part in parts for test in part.lacking)


ALL, ONE = "all of", "one of"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLookedAt:
    """The explanation of one rule.

    Attributes:
        then: its verdict if it matches.
        enforce: whether it decides anything.
        clauses: all of them must be true; empty if the rule was not evaluated.
        missing: the minimum number of tests that would have to change.
    """

    id: str
    then: Verdict
    came: CameOut
    enforce: bool = True
    about: str | None = None
    clauses: tuple[Clause, ...] = ()
    missing: int = 0

    @property
    def lacking(self) -> tuple[Clause, ...]:
        """The tests that would have to change."""
        return tuple(test for clause in self.clauses for test in clause.lacking)


def look_through(rules: Iterable[Rule], circumstances: Circumstances) -> tuple[RuleLookedAt, ...]:
    """Every rule in order: its result, or why it was not evaluated."""
    looked: list[RuleLookedAt] = []
    ended = False
    for rule in rules:
        each = _look(rule, circumstances, kind=circumstances.request.kind, ended=ended)
        ended = ended or (rule.enforce and each.came in (CameOut.TRUE, CameOut.UNKNOWN))
        looked.append(each)
    return tuple(looked)


def nearest(looked: Iterable[RuleLookedAt]) -> RuleLookedAt | None:
    """The false rule that lacks the fewest tests; rules that accept come first, and then the order of rules decides.

    People who ask why a request is held want to know what it lacks to be accepted.
    """
    false = [each for each in looked if each.came is CameOut.FALSE and each.enforce]
    return min(false, key=lambda each: (each.then is not Verdict.ACCEPT, each.missing), default=None)


def _look(rule: Rule, circumstances: Circumstances, *, kind: Kind, ended: bool) -> RuleLookedAt:
    came, clauses = CameOut.NOT_ASKED, tuple[Clause, ...]()
    if kind not in rule.on:
        came = CameOut.NOT_ON
    elif not ended:
        clauses = tuple(_clauses(rule, circumstances))
        over = rule.until is not None and clauses[-1].truth is Truth.FALSE
        came = CameOut.OVER if over else CameOut(_all(clause.truth for clause in clauses))
    return RuleLookedAt(
        id=rule.id,
        then=rule.then,
        came=came,
        enforce=rule.enforce,
        about=rule.about,
        clauses=clauses,
        missing=sum(map(_missing, clauses)),
    )


def _clauses(rule: Rule, circumstances: Circumstances) -> Iterator[Clause]:
    """The clauses of a rule: its conditions, and last its `until`."""
    whole = _clause(rule.when, circumstances)
    yield from whole.parts if whole.group == ALL else (whole,)
    if rule.until is not None:
        yield _test(still_applies(rule.until, circumstances))


def _clause(condition: Condition, circumstances: Circumstances, *, negated: bool = False) -> Clause:
    if isinstance(condition, Not):
        return _clause(condition.part, circumstances, negated=not negated)
    outcome = judge(condition, circumstances, negated=negated)
    if isinstance(condition, Lookup) and condition.where != ALWAYS:
        row = row_of(condition, circumstances)
        parts, every = _looked_up(condition, circumstances, row, negated=negated), not negated
    elif isinstance(condition, Split):
        each = (replace(circumstances, part=part) for part in parts_of(condition, circumstances))
        parts = tuple(_clause(condition.test, at, negated=negated) for at in each)
        every = condition.part_of.every is not negated
    elif isinstance(condition, AllOf | AnyOf):
        parts = tuple(_clause(part, circumstances, negated=negated) for part in condition.parts)
        every = isinstance(condition, AllOf) is not negated
    else:
        parts, every = (), True
    if not parts and not isinstance(condition, AllOf | AnyOf):
        return _test(outcome)
    if len(parts) == 1:
        return parts[0]
    missing = sum(map(_missing, parts)) if every else min(map(_missing, parts), default=1)
    return Clause(truth=outcome.truth, group=ALL if every else ONE, parts=parts, gaps=outcome.gaps, missing=missing)


def _looked_up(lookup: Lookup, circumstances: Circumstances, row: Row | None, *, negated: bool) -> tuple[Clause, ...]:
    """The clauses of a lookup: the row exists, and what it must pass, as written; empty if there is no row."""
    if row is None:
        return ()
    there = _test(judge(replace(lookup, where=ALWAYS), circumstances, negated=negated))
    passes = _clause(lookup.where, replace(circumstances, row=row), negated=negated)
    together = passes.group == (ONE if negated else ALL)
    return (there, *(passes.parts if together else (passes,)))


def _test(outcome: Outcome) -> Clause:
    missing = int(outcome.truth is not Truth.TRUE)
    return Clause(truth=outcome.truth, tests=outcome.evidence, gaps=outcome.gaps, missing=missing)


def _missing(clause: Clause) -> int:
    return clause.missing


def _all(truths: Iterable[Truth]) -> Truth:
    found = set(truths)
    return next((each for each in (Truth.FALSE, Truth.UNKNOWN) if each in found), Truth.TRUE)
