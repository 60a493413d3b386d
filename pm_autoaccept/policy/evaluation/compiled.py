"""Compiled conditions: `evaluate` is fast, `outcome` evaluates again with evidence for the explanation.

Both run the same tests, so that the explanation cannot differ from the decision. Values are cached in the view.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, TypeAlias

from pm_autoaccept.model import Claim, Evidence, Fact, NotLearnt, Truth
from pm_autoaccept.policy.conditions import Lookup, Test
from pm_autoaccept.policy.data.tables import Row
from pm_autoaccept.policy.evaluation.request_view import FieldReader, FieldValue, RequestView
from pm_autoaccept.policy.evaluation.truth import Gap, Outcome, TruthOrGaps, combine, truth_of
from pm_autoaccept.policy.private import private_evidence
from pm_autoaccept.policy.values import Value, text_of

Evaluator: TypeAlias = Callable[[RequestView], TruthOrGaps]

RequiredValues: TypeAlias = frozenset[tuple[FieldReader, Value]]
"""Field values of which at least one is required: if every field has another value, the condition is false. A field
that is not learnt may still match."""


class CompiledCondition(Protocol):
    """A compiled condition."""

    @property
    def evaluate(self) -> Evaluator:
        """Evaluates it, without evidence."""
        ...

    @property
    def required(self) -> tuple[RequiredValues, ...]:
        """The values that it requires."""
        ...

    def outcome(self, view: RequestView) -> Outcome:
        """Evaluate it with the evidence of each test."""
        ...


@dataclass(frozen=True, slots=True)
class EvidenceSource:
    """What the evidence of a test shows: value, field name and expectation. Private values are hidden."""

    given: FieldReader
    name: str
    expected: str
    private: bool = False

    def evidence(self, view: RequestView, truth: Truth) -> Evidence:
        """The value that was found, and the result of the test."""
        found: FieldValue = view[self.given]
        if found is None or isinstance(found, NotLearnt):
            return Evidence(self.name, self.expected, None, truth)
        return Evidence(self.name, self.expected, private_evidence(truth) if self.private else text_of(found), truth)


@dataclass(frozen=True, slots=True)
class CompiledTest:
    """One compiled test.

    Attributes:
        grounds: the tests that support a true result.
        claim: for `taken`: the other owner's request, None if there is none.
    """

    evaluate: Evaluator
    shown: tuple[EvidenceSource, ...]
    grounds: tuple[Test, ...] = ()
    required: tuple[RequiredValues, ...] = ()
    claim: FieldReader | None = None

    def outcome(self, view: RequestView) -> Outcome:
        """Evaluate it with evidence."""
        result = self.evaluate(view)
        truth = truth_of(result)
        evidence = tuple(each.evidence(view, truth) for each in self.shown)
        claim = view[self.claim] if self.claim is not None else None
        others: tuple[Claim, ...] = ()
        if isinstance(claim, Claim):
            others = (claim,)
            also = f", also in {claim.key} of {claim.username or claim.owner}"
            evidence = tuple(replace(each, found=f"{each.found}{also}") for each in evidence)
        return Outcome(
            truth=truth,
            evidence=evidence,
            gaps=result if isinstance(result, tuple) else (),
            grounds=self.grounds if result is True else (),
            others=others if result is True else (),
        )


@dataclass(frozen=True, slots=True)
class CompiledGroup:
    """A compiled `all` or `any`: `every` part must be true, or at least one."""

    parts: tuple[CompiledCondition, ...]
    every: bool
    evaluate: Evaluator
    required: tuple[RequiredValues, ...]

    @classmethod
    def of(cls, parts: tuple[CompiledCondition, ...], *, every: bool) -> CompiledCondition:
        """The group of these parts; a single part is returned as it is."""
        if len(parts) == 1:
            return parts[0]
        settling = not every
        evaluators = tuple(part.evaluate for part in parts)

        def evaluate(view: RequestView) -> TruthOrGaps:
            result: TruthOrGaps = every
            for part in evaluators:
                each = part(view)
                if each is settling:
                    return settling
                if each is not every:
                    result = each
            return result

        if every:
            required = tuple(each for part in parts for each in part.required)
        else:
            # At least one part must be true, and each part requires a value.
            least = [min(part.required, key=len) for part in parts if part.required]
            required = (frozenset[tuple[FieldReader, Value]]().union(*least),) if len(least) == len(parts) else ()
        return cls(parts, every, evaluate, required)

    def outcome(self, view: RequestView) -> Outcome:
        """Evaluate every part, with evidence."""
        return combine((part.outcome(view) for part in self.parts), every=self.every)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledSplit:
    """A compiled `split`: every part of an answer, or some part, must pass a test. `not` is carried into both.

    Attributes:
        name: of the field that is split.
        parts: its parts; None if there are none.
        every: whether every part must pass, or at least one.
        test: what a part must pass.
        shown: the evidence if there are no parts.
    """

    name: str
    parts: FieldReader
    every: bool
    test: CompiledCondition
    shown: EvidenceSource

    required: ClassVar[tuple[RequiredValues, ...]] = ()

    def evaluate(self, view: RequestView) -> TruthOrGaps:
        """Evaluate it; an answer without parts makes it false."""
        parts: Fact[tuple[str, ...] | None] = view[self.parts]
        if parts is None:
            return False
        if isinstance(parts, NotLearnt):
            return (Gap(self.name, parts.why),)
        settling = not self.every
        result: TruthOrGaps = self.every
        for part in parts:
            each = self.test.evaluate(view.with_part(part))
            if each is settling:
                return settling
            if each is not self.every:
                result = each
        return result

    def outcome(self, view: RequestView) -> Outcome:
        """Evaluate every part, with evidence."""
        parts: Fact[tuple[str, ...] | None] = view[self.parts]
        if parts is not None and not isinstance(parts, NotLearnt):
            return combine((self.test.outcome(view.with_part(part)) for part in parts), every=self.every)
        result = self.evaluate(view)
        truth = truth_of(result)
        return Outcome(
            truth=truth,
            evidence=(self.shown.evidence(view, truth),),
            gaps=result if isinstance(result, tuple) else (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledLookup:
    """A compiled `lookup`: a row with this key must exist and pass `where`. `not` is carried into `where`.

    Attributes:
        parts: the cleaned parts of the key.
        row: the row with this key; None if there is none.
        where: what the row must pass; None for nothing.
    """

    lookup: Lookup
    negated: bool
    parts: tuple[FieldReader, ...]
    row: FieldReader
    shown: tuple[EvidenceSource, ...]
    where: CompiledCondition | None

    required: ClassVar[tuple[RequiredValues, ...]] = ()

    def evaluate(self, view: RequestView) -> TruthOrGaps:
        """Evaluate whether the row exists and passes `where`."""
        found = self.found(view)
        if isinstance(found, bool | tuple):
            return found
        return not self.negated if self.where is None else self.where.evaluate(view.with_row(found))

    def outcome(self, view: RequestView) -> Outcome:
        """Evaluate it with evidence: the key, and each test of the row."""
        found = self.found(view)
        result = found if isinstance(found, bool | tuple) else not self.negated
        looked = Outcome(
            truth=truth_of(result),
            evidence=tuple(each.evidence(view, truth_of(result)) for each in self.shown),
            gaps=result if isinstance(result, tuple) else (),
            grounds=(self.lookup,) if result is True else (),
        )
        if isinstance(found, bool | tuple) or self.where is None:
            return looked
        passed = self.where.outcome(view.with_row(found))
        grounds = (self.lookup, *passed.grounds) if passed.truth is Truth.TRUE else ()
        return replace(passed, evidence=(*looked.evidence, *passed.evidence), grounds=grounds)

    def found(self, view: RequestView) -> TruthOrGaps | Row:
        """The row; or the result, if the row does not exist or is unknown."""
        parts = [view[each] for each in self.parts]
        if None in parts:
            return False
        named = zip(self.shown, parts, strict=True)
        gaps = tuple(Gap(shown.name, part.why) for shown, part in named if isinstance(part, NotLearnt))
        if gaps:
            return gaps
        row: Fact[Row | None] = view[self.row]
        if isinstance(row, NotLearnt):
            return (Gap(self.lookup.source.name, row.why),)
        return self.negated if row is None else row
