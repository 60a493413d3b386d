"""The keys and cells of a data table, held as a set or a dict, and how a cell is read as a column's type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, TypeAlias

from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy.cleaning import fold
from pm_autoaccept.policy.data.layouts import DateOrder
from pm_autoaccept.policy.values import FieldType, NotAValue, Relative, Value, read_value

COLUMN_TYPES: Mapping[str, FieldType] = MappingProxyType(
    {kind.value: kind for kind in FieldType if kind is not FieldType.CHOICE}
)
"""The allowed column types, by name."""

_BOOLEANS: Mapping[str, bool] = MappingProxyType(
    dict.fromkeys(("true", "yes", "t", "y", "1"), True) | dict.fromkeys(("false", "no", "f", "n", "0"), False)
)
"""The ways in which spreadsheets and databases write booleans."""

Cells: TypeAlias = tuple[str, ...]
"""The cells of one row's declared columns, as written."""

REPEATED: Cells = ("\0",)
"""Marks a key that appears in several rows with different cells."""


class Contents(Protocol):
    """The keys of a table and their cells. A key is one text: its parts, joined."""

    def __contains__(self, key: str) -> bool: ...

    def cells(self, key: str) -> Cells | None:
        """The cells of a key, `REPEATED` if several rows differ, None if the key does not exist."""
        ...

    @property
    def listed(self) -> Iterable[str]:
        """Every key; empty for a large table, which is too big to walk through."""
        ...


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys without cells."""

    keys: frozenset[str]

    def __contains__(self, key: str) -> bool:
        return key in self.keys

    def cells(self, key: str) -> Cells | None:
        """An empty tuple for a key that exists."""
        return () if key in self.keys else None

    @property
    def listed(self) -> Iterable[str]:
        """Every key, in some order."""
        return self.keys


@dataclass(frozen=True, slots=True)
class Rows:
    """Keys and their cells."""

    rows: Mapping[str, Cells]

    def __contains__(self, key: str) -> bool:
        return key in self.rows

    def cells(self, key: str) -> Cells | None:
        """The cells of the key."""
        return self.rows.get(key)

    @property
    def listed(self) -> Iterable[str]:
        """Every key, in the order of the rows."""
        return self.rows


def read_cell(text: str, kind: FieldType, *, column: str, dates: DateOrder | None = None) -> Fact[Value]:
    """The value of a cell; not learnt if the cell is blank or is not a value of the column's type.

    Args:
        text: the cell.
        kind: the column's type.
        column: its name, for the reason.
        dates: how our table writes dates, in addition to 2026-01-31.
    """
    folded = fold(text)
    if not folded:
        return NotLearnt(f"the cell in column {column} of our table is blank")
    if kind is FieldType.DATE and dates is not None and (day := dates.read(folded)) is not None:
        return day
    if kind is FieldType.BOOLEAN and folded.casefold() in _BOOLEANS:
        return _BOOLEANS[folded.casefold()]
    try:
        value = read_value(folded, kind)
    except NotAValue:
        value = None
    if value is None or isinstance(value, Relative):
        # The reason does not quote the cell, because our tables may hold private data.
        return NotLearnt(f"the cell in column {column} of our table is not a valid {kind}")
    return value
