"""Conditions, as they were read: tests, and the groups that they stand in."""

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
    """A column of the row that a lookup found. Inside `where` it stands where a field stands elsewhere."""

    source: str
    column: str
    type: FieldType
    private: bool = False

    members: ClassVar[tuple[str, ...]] = ()
    lower_case: ClassVar[bool] = False
    part_of: ClassVar[PartOf | None] = None

    @property
    def name(self) -> str:
        """What people read; no field is called so."""
        return f"{self.column} in {self.source}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One test: a field, an operator, and what the field is compared with.

    Attributes:
        literals: any of them suffices; for `matches` compiled patterns, for `present` one boolean; a day or a moment
            may be relative to the time of the decision.
        expected: what was asked, for people, as `in billing_accounts`.
        source: the name of the data in which the value is looked up, instead of literals.
        clean: how the value is cleaned; literals are cleaned already.
        read_as: what a custom field's text is read as; what cannot be read so counts as absent.
        place: where what it is compared with stands.
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
    """One test: a field, or a column, has the same value as another field.

    Attributes:
        within: by how much two numbers may differ.
        clean: how both values are cleaned.
        read_as: what a text among the two is read as; what cannot be read so counts as absent.
    """

    field: Field | Column
    other: Field
    within: Decimal | None = None
    clean: tuple[Cleaning, ...] = ()
    read_as: FieldType | None = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """True if every part is. Without parts it is `always`."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True if one part is."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True if the part, with `not` carried inward, is."""

    part: Condition


ALWAYS = AllOf(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """True if the table has the row, and the row passes.

    Attributes:
        by: for each key column of the source the field whose value is looked for there.
        where: what the row must pass.
    """

    source: Source
    by: tuple[Field, ...]
    where: Condition = ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """True if each part of an answer passes (`every`), or one does (`some`).

    Attributes:
        field: what is split.
        part_of: where, and whether `every` part must pass.
        test: what a part must pass: tests of `fields.part`.
    """

    field: Field
    part_of: PartOf
    test: Condition


Test: TypeAlias = Comparison | SameAs | Lookup | Split
Condition: TypeAlias = Test | AllOf | AnyOf | Not
