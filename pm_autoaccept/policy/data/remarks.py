"""Warnings about a data table's rows: unreadable cells, and keys that are too short (lost leading zeros)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache, partial
from types import MappingProxyType

from pm_autoaccept.model import NotLearnt
from pm_autoaccept.policy.cleaning import Cleaning
from pm_autoaccept.policy.data.contents import read_cell
from pm_autoaccept.policy.data.layouts import DateOrder
from pm_autoaccept.policy.messages import counted, listed
from pm_autoaccept.policy.values import FieldType

_FEWEST, _USUAL = 20, 95
"""How many keys a usual length needs to be meaningful, and how many percent of them must have it."""
_CELLS = 10_000
"""The size of the cache of readable cells; dates and small numbers repeat often."""


class RemarkKind(StrEnum):
    """The subject of a remark."""

    UNREADABLE_CELLS = "unreadable-cells"
    SHORT_KEYS = "short-keys"


@dataclass(frozen=True, slots=True)
class Remark:
    """One remark about a table.

    Attributes:
        grave: most cells of a column cannot be read, so rules that test it hold most requests.
    """

    kind: RemarkKind
    text: str
    grave: bool = False


_PLAIN: Mapping[FieldType, re.Pattern[str]] = MappingProxyType(
    {
        FieldType.TEXT: re.compile(".+", re.DOTALL),
        FieldType.INTEGER: re.compile("[0-9]{1,18}"),
        FieldType.NUMBER: re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?"),
    }
)
"""Fast patterns for the usual cells of a type, so that a large table is read quickly."""


@lru_cache(maxsize=_CELLS)
def _is_readable(cell: str, kind: FieldType, dates: DateOrder | None) -> bool:
    return not isinstance(read_cell(cell, kind, column="", dates=dates), NotLearnt)


@dataclass(slots=True)
class CellCount:
    """Counts the blank and unreadable cells of one column.

    Attributes:
        kinds: the types that its cells may have.
        dates: how dates are written.
        plain: a fast check for cells that are certainly readable.
    """

    column: str
    kinds: tuple[FieldType, ...]
    unit: str
    dates: DateOrder | None = None
    plain: Callable[[str], object] = field(init=False)
    blank: int = 0
    unreadable: int = 0
    first: int = 0

    def __post_init__(self) -> None:
        kind = self.kinds[0]
        self.plain = _PLAIN[kind].fullmatch if kind in _PLAIN else partial(_is_readable, kind=kind, dates=self.dates)

    def reads(self, cell: str, at: int) -> bool:
        """Whether a cell can be read; if not, count it."""
        if self.plain(cell) or any(_is_readable(cell, kind, self.dates) for kind in self.kinds):
            return True
        if cell:
            self.unreadable += 1
            self.first = self.first or at
        else:
            self.blank += 1
        return False

    def remarks(self, rows: int) -> Iterator[Remark]:
        """The remarks about the column, in a table with this number of rows."""
        if self.unreadable:
            filled = rows - self.blank
            said = f"{self.unreadable:,} of {counted(filled, 'cell')} in the column {self.column}"
            where = f"; the first is in {self.unit} {self.first}" if self.first else ""
            how = f" ({self.dates.written})" if self.dates is not None and FieldType.DATE in self.kinds else ""
            text = f"{said} cannot be read as {listed(self.kinds)}{how}{where}"
            yield Remark(RemarkKind.UNREADABLE_CELLS, text, grave=self.unreadable * 2 > filled)


@dataclass(slots=True)
class KeyLengths:
    """Counts the lengths of the cleaned keys in one key column."""

    column: str
    clean: tuple[Cleaning, ...]
    unit: str
    _counts: dict[int, int] = field(default_factory=dict)
    _first: dict[int, tuple[str, int]] = field(default_factory=dict)

    def note(self, key: str, at: int) -> None:
        """Count a key."""
        length = len(key)
        if length in self._counts:
            self._counts[length] += 1
        else:
            self._counts[length], self._first[length] = 1, (key, at)

    def remarks(self) -> Iterator[Remark]:
        """A remark if a few keys are shorter than nearly all others, because spreadsheets drop leading zeros."""
        total = sum(self._counts.values())
        usual = max(self._counts, key=lambda length: self._counts[length], default=0)
        shorter = [length for length in self._counts if length < usual]
        healed = any(cleaning.name == "no_leading_zeros" for cleaning in self.clean)
        if healed or not shorter or total < _FEWEST or self._counts[usual] * 100 < total * _USUAL:
            return
        key, at = next(self._first[length] for length in self._counts if length < usual)
        count = sum(self._counts[length] for length in shorter)
        where = f" in {self.unit} {at}" if at else ""
        fill = ", ".join([*(cleaning.written for cleaning in self.clean), f"zero_fill {usual}"])
        yield Remark(
            RemarkKind.SHORT_KEYS,
            f"{count:,} of {counted(total, 'key')} in the column {self.column} are shorter than the others, which have "
            f"{usual} characters; the first is {key}{where}. If a spreadsheet removed leading zeros, format the column "
            f"as text and export it again, or write `clean: [{fill}]`",
        )
