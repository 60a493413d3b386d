"""Conditions of a rule as data: comparisons, lookups and split answers, combined by all, any and not."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, TypeAlias

from pm_autoaccept.policy.cleaning import Cleaning
from pm_autoaccept.policy.data.sources import Source
from pm_autoaccept.policy.fields import Field
from pm_autoaccept.policy.operators import Operator
from pm_autoaccept.policy.parser.source_text import Place
from pm_autoaccept.policy.split_answers import PartOf
from pm_autoaccept.policy.values import FieldType


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the row that a lookup found: used inside `where` in place of a field."""

    source: str
    column: str
    type: FieldType
    private: bool = False

    members: ClassVar[tuple[str, ...]] = ()
    lower_case: ClassVar[bool] = False
    part_of: ClassVar[PartOf | None] = None

    @property
    def name(self) -> str:
        """The name that messages and evidence show; no field has such a name."""
        return f"{self.column} in {self.source}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One test: a field, an operator, and the values to compare with.

    Attributes:
        literals: one of them must match: compiled patterns for `matches`, one boolean for `present`; a date can be
            relative to the time of the decision.
        expected: what is expected, for people, for example `in billing_accounts`.
        source: the data name in which the value is looked up, instead of literals.
        clean: how the value is cleaned; literals are already cleaned.
        read_as: the type as which a custom field is read; an answer that is not of this type counts as absent.
        place: the position of the literals in the file.
    """

    field: Field | Column
    operator: Operator
    literals: tuple[Any, ...] = ()
    expected: str
    source: str | None = None
    clean: tuple[Cleaning, ...] = ()
    read_as: FieldType | None = None
    place: Place | None = dataclasses.field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SameAs:
    """One test: a field or column has the same value as another field.

    Attributes:
        within: the difference that is allowed between two numbers.
        clean: how both values are cleaned.
        read_as: the type as which a text is read; one that is not of this type counts as absent.
    """

    field: Field | Column
    other: Field
    within: Decimal | None = None
    clean: tuple[Cleaning, ...] = ()
    read_as: FieldType | None = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """True if every part is true; without parts, `always`."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True if at least one part is true."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True if the part, with `not` moved inward to its tests, is true."""

    part: Condition


ALWAYS = AllOf(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """True if the table has the row and the row passes `where`.

    Attributes:
        by: for each key column of the source, the field whose value is looked up.
        where: the conditions that the row must pass.
    """

    source: Source
    by: tuple[Field, ...]
    where: Condition = ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """True if every part of an answer passes (`every`), or at least one does (`some`).

    Attributes:
        field: the field that is split.
        part_of: the separators, and whether `every` part must pass.
        test: the test of a part, on the field that `fields.part` makes.
    """

    field: Field
    part_of: PartOf
    test: Condition


Test: TypeAlias = Comparison | SameAs | Lookup | Split
Condition: TypeAlias = Test | AllOf | AnyOf | Not
