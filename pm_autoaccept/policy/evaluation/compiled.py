"""Compiled conditions: `came` evaluates one quickly, `outcome` evaluates it again with evidence for the explanation.

Both run the same tests, so that the explanation cannot differ from the decision. Values are cached in the view.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, TypeAlias

from pm_autoaccept.model import Claim, Evidence, Fact, NotLearnt, Truth
from pm_autoaccept.policy.conditions import Lookup, Test
from pm_autoaccept.policy.data.tables import Row
from pm_autoaccept.policy.evaluation.request_view import Reading, Told, View
from pm_autoaccept.policy.evaluation.truth import Came, Gap, Outcome, combine, truth_of
from pm_autoaccept.policy.private import private_evidence
from pm_autoaccept.policy.values import Value, text_of

Decides: TypeAlias = Callable[[View], Came]

Necessary: TypeAlias = frozenset[tuple[Reading, Value]]
"""Field values of which at least one is required: if every field has another value, the condition is false. A field
that is not learnt may still match."""


class Asked(Protocol):
    """A compiled condition."""

    @property
    def came(self) -> Decides:
        """Evaluates it, without evidence."""
        ...

    @property
    def necessary(self) -> tuple[Necessary, ...]:
        """The values that it requires."""
        ...

    def outcome(self, view: View) -> Outcome:
        """Evaluate it with the evidence of each test."""
        ...


@dataclass(frozen=True, slots=True)
class Shown:
    """What the evidence of a test shows: value, field name and expectation. Private values are hidden."""

    given: Reading
    name: str
    expected: str
    private: bool = False

    def evidence(self, view: View, truth: Truth) -> Evidence:
        """The value that was found, and the result of the test."""
        found: Told = view[self.given]
        if found is None or isinstance(found, NotLearnt):
            return Evidence(self.name, self.expected, None, truth)
        return Evidence(self.name, self.expected, private_evidence(truth) if self.private else text_of(found), truth)


@dataclass(frozen=True, slots=True)
class AskedTest:
    """One compiled test.

    Attributes:
        grounds: the tests that support a true result.
        claim: for `taken`: the other owner's request, None if there is none.
    """

    came: Decides
    shown: tuple[Shown, ...]
    grounds: tuple[Test, ...] = ()
    necessary: tuple[Necessary, ...] = ()
    claim: Reading | None = None

    def outcome(self, view: View) -> Outcome:
        """Evaluate it with evidence."""
        came = self.came(view)
        truth = truth_of(came)
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
            gaps=came if isinstance(came, tuple) else (),
            grounds=self.grounds if came is True else (),
            others=others if came is True else (),
        )


@dataclass(frozen=True, slots=True)
class AskedGroup:
    """A compiled `all` or `any`: `every` part must be true, or at least one."""

    parts: tuple[Asked, ...]
    every: bool
    came: Decides
    necessary: tuple[Necessary, ...]

    @classmethod
    def of(cls, parts: tuple[Asked, ...], *, every: bool) -> Asked:
        """The group of these parts; a single part is returned as it is."""
        if len(parts) == 1:
            return parts[0]
        settling = not every
        decides = tuple(part.came for part in parts)

        def came(view: View) -> Came:
            came: Came = every
            for part in decides:
                each = part(view)
                if each is settling:
                    return settling
                if each is not every:
                    came = each
            return came

        if every:
            necessary = tuple(each for part in parts for each in part.necessary)
        else:
            # At least one part must be true, and each part requires a value.
            least = [min(part.necessary, key=len) for part in parts if part.necessary]
            necessary = (frozenset[tuple[Reading, Value]]().union(*least),) if len(least) == len(parts) else ()
        return cls(parts, every, came, necessary)

    def outcome(self, view: View) -> Outcome:
        """Evaluate every part, with evidence."""
        return combine((part.outcome(view) for part in self.parts), every=self.every)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedParts:
    """A compiled `split`: every part of an answer, or some part, must pass a test. `not` is carried into both.

    Attributes:
        name: of the field that is split.
        parts: its parts; None if there are none.
        every: whether every part must pass, or at least one.
        test: what a part must pass.
        shown: the evidence if there are no parts.
    """

    name: str
    parts: Reading
    every: bool
    test: Asked
    shown: Shown

    necessary: ClassVar[tuple[Necessary, ...]] = ()

    def came(self, view: View) -> Came:
        """Evaluate it; an answer without parts makes it false."""
        parts: Fact[tuple[str, ...] | None] = view[self.parts]
        if parts is None:
            return False
        if isinstance(parts, NotLearnt):
            return (Gap(self.name, parts.why),)
        settling = not self.every
        came: Came = self.every
        for part in parts:
            each = self.test.came(view.at(part))
            if each is settling:
                return settling
            if each is not self.every:
                came = each
        return came

    def outcome(self, view: View) -> Outcome:
        """Evaluate every part, with evidence."""
        parts: Fact[tuple[str, ...] | None] = view[self.parts]
        if parts is not None and not isinstance(parts, NotLearnt):
            return combine((self.test.outcome(view.at(part)) for part in parts), every=self.every)
        came = self.came(view)
        truth = truth_of(came)
        return Outcome(
            truth=truth,
            evidence=(self.shown.evidence(view, truth),),
            gaps=came if isinstance(came, tuple) else (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedLookup:
    """A compiled `lookup`: a row with this key must exist and pass `where`. `not` is carried into `where`.

    Attributes:
        parts: the cleaned parts of the key.
        row: the row with this key; None if there is none.
        where: what the row must pass; None for nothing.
    """

    lookup: Lookup
    negated: bool
    parts: tuple[Reading, ...]
    row: Reading
    shown: tuple[Shown, ...]
    where: Asked | None

    necessary: ClassVar[tuple[Necessary, ...]] = ()

    def came(self, view: View) -> Came:
        """Evaluate whether the row exists and passes `where`."""
        found = self.found(view)
        if isinstance(found, bool | tuple):
            return found
        return not self.negated if self.where is None else self.where.came(view.beside(found))

    def outcome(self, view: View) -> Outcome:
        """Evaluate it with evidence: the key, and each test of the row."""
        found = self.found(view)
        came = found if isinstance(found, bool | tuple) else not self.negated
        looked = Outcome(
            truth=truth_of(came),
            evidence=tuple(each.evidence(view, truth_of(came)) for each in self.shown),
            gaps=came if isinstance(came, tuple) else (),
            grounds=(self.lookup,) if came is True else (),
        )
        if isinstance(found, bool | tuple) or self.where is None:
            return looked
        passed = self.where.outcome(view.beside(found))
        grounds = (self.lookup, *passed.grounds) if passed.truth is Truth.TRUE else ()
        return replace(passed, evidence=(*looked.evidence, *passed.evidence), grounds=grounds)

    def found(self, view: View) -> Came | Row:
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
