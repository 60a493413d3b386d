"""Conditions, made ready to be asked: each decides quickly whether it is true, and shows at leisure why.

What decides is `came`. What shows, `outcome`, asks the same tests again, so that no reason can differ from what
decided; what had to be read for it has been read already.
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
from pm_autoaccept.policy.private import instead
from pm_autoaccept.policy.values import Value, text_of

Decides: TypeAlias = Callable[[View], Came]

Necessary: TypeAlias = frozenset[tuple[Reading, Value]]
"""Readings and values of which one must be: where all of these readings bring something else, the condition is false.
One that is not learnt may yet be."""


class Asked(Protocol):
    """A condition, ready to be asked."""

    @property
    def came(self) -> Decides:
        """How it comes out."""
        ...

    @property
    def necessary(self) -> tuple[Necessary, ...]:
        """What it cannot do without."""
        ...

    def outcome(self, view: View) -> Outcome:
        """How it comes out, with each of its tests."""
        ...


@dataclass(frozen=True, slots=True)
class Shown:
    """What evidence shows of a test: what was read, the field's name, what was expected; not what is private."""

    given: Reading
    name: str
    expected: str
    private: bool = False

    def evidence(self, view: View, truth: Truth) -> Evidence:
        """What was found, and how the test came out."""
        found: Told = view[self.given]
        if found is None or isinstance(found, NotLearnt):
            return Evidence(self.name, self.expected, None, truth)
        return Evidence(self.name, self.expected, instead(truth) if self.private else text_of(found), truth)


@dataclass(frozen=True, slots=True)
class AskedTest:
    """One test.

    Attributes:
        grounds: what rests on it where it is true.
        claim: for `taken`: brings the other owner's request, None where there is none.
    """

    came: Decides
    shown: tuple[Shown, ...]
    grounds: tuple[Test, ...] = ()
    necessary: tuple[Necessary, ...] = ()
    claim: Reading | None = None

    def outcome(self, view: View) -> Outcome:
        """How it comes out, and what was found."""
        came = self.came(view)
        truth = truth_of(came)
        evidence = tuple(each.evidence(view, truth) for each in self.shown)
        claim = view[self.claim] if self.claim is not None else None
        others: tuple[Claim, ...] = ()
        if isinstance(claim, Claim):
            others = (claim,)
            also = f", as {claim.key} of {claim.username or claim.owner} says too"
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
    """Several conditions: `every` one must be true, or any."""

    parts: tuple[Asked, ...]
    every: bool
    came: Decides
    necessary: tuple[Necessary, ...]

    @classmethod
    def of(cls, parts: tuple[Asked, ...], *, every: bool) -> Asked:
        """The group of these; of one part, that part."""
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
            # One of the parts must be true, and each of them cannot do without something.
            least = [min(part.necessary, key=len) for part in parts if part.necessary]
            necessary = (frozenset[tuple[Reading, Value]]().union(*least),) if len(least) == len(parts) else ()
        return cls(parts, every, came, necessary)

    def outcome(self, view: View) -> Outcome:
        """How it comes out; every part is looked at."""
        return combine((part.outcome(view) for part in self.parts), every=self.every)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedParts:
    """Every part of an answer, or some, each asked the same; negated, `not` is carried into both.

    Attributes:
        name: of the field that is split.
        parts: brings its parts; None where there are none.
        every: whether every part must pass, or one.
        test: what a part must pass.
        shown: what is shown where there is no part to show.
    """

    name: str
    parts: Reading
    every: bool
    test: Asked
    shown: Shown

    necessary: ClassVar[tuple[Necessary, ...]] = ()

    def came(self, view: View) -> Came:
        """How it comes out; what has no part makes it false."""
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
        """How it comes out; every part is looked at."""
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
    """A row of a table, which must be there and pass; negated, `not` is carried into `where`.

    Attributes:
        parts: the key's parts, cleaned.
        row: brings the row of that key; None where there is none.
        where: what it must pass; None for nothing.
    """

    lookup: Lookup
    negated: bool
    parts: tuple[Reading, ...]
    row: Reading
    shown: tuple[Shown, ...]
    where: Asked | None

    necessary: ClassVar[tuple[Necessary, ...]] = ()

    def came(self, view: View) -> Came:
        """Whether the row is there and passes; of a row that is not there nothing is asked."""
        found = self.found(view)
        if isinstance(found, bool | tuple):
            return found
        return not self.negated if self.where is None else self.where.came(view.beside(found))

    def outcome(self, view: View) -> Outcome:
        """How it comes out, with what was looked for, and with each test of the row."""
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
        """The row; or how it comes out, where there is none or that is not known."""
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
