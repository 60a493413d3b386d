"""Tables of our own data, as conditions ask them: is this a key, and what stands in its row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy.cleaning import Cleaning, cleaned
from pm_autoaccept.policy.data.cells import read_cell
from pm_autoaccept.policy.data.contents import REPEATED, Cells, Contents, Keys, Rows
from pm_autoaccept.policy.data.packed import Packing
from pm_autoaccept.policy.data.sources import VALUE, Source
from pm_autoaccept.policy.values import FieldType, Value

Row: TypeAlias = Mapping[str, Fact[Value]]
"""Column → what stands there: every key column (cleaned text) and every declared one; not learnt where our table
leaves it blank, or where it cannot be read as the column's type."""

_REPEATED = NotLearnt("the key stands in several rows with different contents")

LARGE = 100_000
"""Keys from which on contents are packed: below, a set takes some 10 MB and finds a key ten times as fast."""

_SEPARATOR = "\0"
"""Between the parts of a key: neither XML nor a table that was read whole brings this character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as it was read. New contents are another table, with another digest.

    Attributes:
        rows: how many rows had a key.
        digest: of what was read.
        key: the names of its key columns.
        columns: its declared columns.
    """

    name: str
    rows: int
    digest: str
    key: tuple[str, ...] = (VALUE,)
    columns: Mapping[str, FieldType] = field(default_factory=dict, hash=False)
    contents: Contents = field(repr=False, compare=False)

    @classmethod
    def of_keys(cls, name: str, keys: Iterable[str], *, digest: str = "", rows: int | None = None) -> Table:
        """A table of cleaned keys, without columns."""
        found = frozenset(keys)
        return cls(name=name, rows=len(found) if rows is None else rows, digest=digest, contents=Keys(found))

    def has(self, key: tuple[str, ...]) -> Fact[bool]:
        """Whether a row has this key, one cleaned text for each key column.

        Not learnt where the key repeats with other contents.
        """
        if not self.columns:
            return _joined(key) in self.contents
        cells = self._cells(key)
        return cells if isinstance(cells, NotLearnt) else cells is not None

    def row(self, key: tuple[str, ...]) -> Fact[Row | None]:
        """The row of this key; None where there is none.

        Not learnt where the key repeats with other contents.
        """
        cells = self._cells(key)
        if cells is None or isinstance(cells, NotLearnt):
            return cells
        row: dict[str, Fact[Value]] = dict(zip(self.key, key, strict=True))
        for (name, kind), cell in zip(self.columns.items(), cells, strict=True):
            row[name] = read_cell(cell, kind, column=name)
        return MappingProxyType(row)

    def _cells(self, key: tuple[str, ...]) -> Fact[Cells | None]:
        cells = self.contents.cells(_joined(key))
        return _REPEATED if cells == REPEATED else cells


def _joined(key: tuple[str, ...]) -> str:
    """A key as one text. No part may have the separator in it: of a request none has, and of a table none was taken."""
    return key[0] if len(key) == 1 else _SEPARATOR.join(key)


@dataclass(slots=True)
class Tabulation:
    """A table in the making, row by row.

    Attributes:
        rows: how many rows had a key.
        dropped: how many had none, or a part of one that was blank after cleaning.
        large: from how many keys on they are packed.
    """

    source: Source
    rows: int = 0
    dropped: int = 0
    large: int = LARGE
    _found: dict[str, Cells] = field(default_factory=dict)
    _packing: Packing | None = None
    _clean: list[tuple[Cleaning, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self._clean = [self.source.clean.get(name, ()) for name in self.source.key]

    def add(self, key: Sequence[str], cells: Iterable[str] = ()) -> None:
        """Add a row: one text for each key column, and one for each declared column, as they were written."""
        joined = self._joined(key)
        if not joined:
            self.dropped += 1
            return
        self.rows += 1
        written = tuple([cell.strip() for cell in cells])
        if self._packing is not None:
            self._packing.add(joined, written)
        elif self._found.setdefault(joined, written) != written:
            self._found[joined] = REPEATED
        elif len(self._found) > self.large:
            self._packing = Packing(with_cells=bool(self.source.columns))
            for each, beside in self._found.items():
                self._packing.add(each, beside)
            self._found.clear()

    def _joined(self, key: Sequence[str]) -> str:
        """The cleaned key as one text; empty where nothing is left of a part of it."""
        parts = [cleaned(part, clean) for part, clean in zip(key, self._clean, strict=True)]
        if not all(parts):
            return ""
        joined = _SEPARATOR.join(parts)
        return joined if joined.count(_SEPARATOR) == len(parts) - 1 else ""

    def table(self, digest: str) -> Table:
        """The table of what was added; it can be asked for once."""
        source = self.source
        return Table(
            name=source.name,
            rows=self.rows,
            digest=digest,
            key=source.key,
            columns=source.columns,
            contents=self._contents(),
        )

    def _contents(self) -> Contents:
        if self._packing is not None:
            return self._packing.packed()
        return Rows(self._found) if self.source.columns else Keys(frozenset(self._found))


def tabulate(source: Source, rows: Iterable[Sequence[str]], *, digest: str = "") -> Table:
    """The table of these rows: each has a text for every key column and then for every declared column."""
    made = Tabulation(source)
    count = len(source.key)
    for row in rows:
        made.add(row[:count], row[count:])
    return made.table(digest)
