"""Data tables that conditions look up: whether a key exists, and the cells of its row; also builds them from rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy.data.contents import REPEATED, Cells, Contents, Keys, Rows, read_cell
from pm_autoaccept.policy.data.keys import GarbledKey, key_reader
from pm_autoaccept.policy.data.layouts import DateOrder
from pm_autoaccept.policy.data.packed import Packing
from pm_autoaccept.policy.data.remarks import CellCount, KeyLengths, Remark
from pm_autoaccept.policy.data.sources import VALUE, Source
from pm_autoaccept.policy.parser.source_text import Place
from pm_autoaccept.policy.values import FieldType, Value

Row: TypeAlias = Mapping[str, Fact[Value]]
"""Column → value, for every key column (cleaned text) and declared column; not learnt if the cell is blank or cannot be
read as the column's type."""

_REPEATED = NotLearnt("the key appears in several rows with different contents")

LARGE = 100_000
"""The number of keys above which contents are packed. A smaller set takes about 10 MB and is ten times as fast."""

_PLACES = 100_000
"""How many rows with blank or unreadable cells are remembered by their number."""

_SEPARATOR = "\0"
"""Joins the parts of a key; neither XML nor a table can contain this character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """An immutable data table. New contents are a new table with another digest.

    Attributes:
        rows: the number of rows with a key.
        digest: of what was read.
        key: the names of its key columns.
        columns: its declared columns.
        dates: how its dates are written.
        unit: what row numbers count, `line` or `row`.
        places: key → row number, for the remembered rows with blank or unreadable cells.
        remarks: warnings about its rows.
    """

    name: str
    rows: int
    digest: str
    key: tuple[str, ...] = (VALUE,)
    columns: Mapping[str, FieldType] = field(default_factory=dict, hash=False)
    contents: Contents = field(repr=False, compare=False)
    dates: DateOrder | None = None
    unit: str = field(default="row", repr=False, compare=False)
    places: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)
    remarks: tuple[Remark, ...] = field(default=(), repr=False, compare=False)

    def has(self, key: tuple[str, ...]) -> Fact[bool]:
        """Whether a row has this key: one cleaned text for each key column.

        Not learnt if the key appears in several rows with different contents.
        """
        if not self.columns:
            return _joined(key) in self.contents
        cells = self._cells(key)
        return cells if isinstance(cells, NotLearnt) else cells is not None

    @property
    def keys(self) -> Iterator[tuple[str, ...]]:
        """Every key, one cleaned text for each key column; empty for a large table."""
        return (tuple(key.split(_SEPARATOR)) for key in self.contents.listed)

    def row(self, key: tuple[str, ...]) -> Fact[Row | None]:
        """The row of this key; None if the key does not exist.

        Not learnt if the key appears in several rows with different contents.
        """
        cells = self._cells(key)
        if cells is None or isinstance(cells, NotLearnt):
            return cells
        row: dict[str, Fact[Value]] = dict(zip(self.key, key, strict=True))
        at = self.places.get(_joined(key))
        for (name, kind), cell in zip(self.columns.items(), cells, strict=True):
            said = read_cell(cell, kind, column=name, dates=self.dates)
            row[name] = NotLearnt(f"{self.unit} {at}: {said.why}") if at and isinstance(said, NotLearnt) else said
        return MappingProxyType(row)

    def _cells(self, key: tuple[str, ...]) -> Fact[Cells | None]:
        cells = self.contents.cells(_joined(key))
        return _REPEATED if cells == REPEATED else cells


def _joined(key: tuple[str, ...]) -> str:
    """A key as one text. No part contains the separator: requests cannot, and such rows of a table are dropped."""
    return key[0] if len(key) == 1 else _SEPARATOR.join(key)


@dataclass(slots=True)
class Tabulation:
    """Builds a table row by row.

    Attributes:
        rows: the number of rows with a key.
        dropped: the number of rows without a key, or with a part that is blank after cleaning.
        large: the number of keys above which they are packed.
        unit: what row numbers count, `line` or `row`.
    """

    source: Source
    unit: str = "row"
    rows: int = 0
    dropped: int = 0
    large: int = LARGE
    _found: dict[str, Cells] = field(default_factory=dict)
    _packing: Packing | None = None
    _clean: list[Callable[[str], str]] = field(init=False)
    _lengths: list[KeyLengths] = field(init=False)
    _counts: list[CellCount] = field(init=False)
    _plain: list[Callable[[str], object]] = field(init=False)
    _places: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        of_keys = [(name, self.source.clean.get(name, ())) for name in self.source.key]
        self._clean = [key_reader(clean) for _, clean in of_keys]
        self._lengths = [KeyLengths(name, clean, self.unit) for name, clean in of_keys]
        columns, dates = self.source.columns, self.source.dates
        self._counts = [CellCount(name, (kind,), self.unit, dates) for name, kind in columns.items()]
        self._plain = [count.plain for count in self._counts]

    def add(self, key: Sequence[str], cells: Iterable[str] = (), *, at: int = 0) -> None:
        """Add a row.

        Args:
            key: one text for each key column, as written.
            cells: one text for each declared column, as written.
            at: the row number; 0 if it has none.

        Raises:
            GarbledKey: a spreadsheet or a script has changed a part of the key.
        """
        joined = self._joined(key, at)
        if not joined:
            self.dropped += 1
            return
        self.rows += 1
        written = tuple([cell.strip() for cell in cells])
        for plain, cell in zip(self._plain, written, strict=True):
            if not plain(cell):
                self._look_at(joined, written, at)
                break
        if self._packing is not None:
            self._packing.add(joined, written)
        elif self._found.setdefault(joined, written) != written:
            self._found[joined] = REPEATED
        elif len(self._found) > self.large:
            self._packing = Packing(with_cells=bool(self.source.columns))
            for each, beside in self._found.items():
                self._packing.add(each, beside)
            self._found.clear()

    def _look_at(self, joined: str, written: Cells, at: int) -> None:
        """Count the cells of a row, and note its number if a cell is blank or unreadable."""
        silent = [cell for count, cell in zip(self._counts, written, strict=True) if not count.reads(cell, at)]
        # In a large table, many cells may be blank for good reasons.
        noted = any(silent) or (silent and self._packing is None)
        if at and noted and len(self._places) < _PLACES:
            self._places.setdefault(joined, at)

    def _joined(self, key: Sequence[str], at: int) -> str:
        """The cleaned key as one text; empty if a part is empty after cleaning."""
        parts = [clean(part) for part, clean in zip(key, self._clean, strict=True)]
        if not all(parts):
            return ""
        for lengths, part in zip(self._lengths, parts, strict=True):
            lengths.note(part, at)
        joined = _SEPARATOR.join(parts)
        return joined if joined.count(_SEPARATOR) == len(parts) - 1 else ""

    def table(self, digest: str) -> Table:
        """The table of all added rows; can be called once."""
        source = self.source
        return Table(
            name=source.name,
            rows=self.rows,
            digest=digest,
            key=source.key,
            columns=source.columns,
            contents=self._contents(),
            dates=source.dates,
            unit=self.unit,
            places=self._places,
            remarks=tuple(self._remarks()),
        )

    def _remarks(self) -> Iterator[Remark]:
        for count in self._counts:
            yield from count.remarks(self.rows)
        for lengths in self._lengths:
            yield from lengths.remarks()

    def _contents(self) -> Contents:
        if self._packing is not None:
            return self._packing.packed()
        return Rows(self._found) if self.source.columns else Keys(frozenset(self._found))


def tabulate(
    source: Source, rows: Iterable[Sequence[str]], *, digest: str = "", places: Sequence[Place] = ()
) -> Fact[Table]:
    """Build a table from rows: each has one text for every key column, then one for every declared column.

    Not learnt if a spreadsheet has changed a key. `places` gives the position of each row; the default is its number.
    """
    made = Tabulation(source)
    count = len(source.key)
    for number, row in enumerate(rows):
        try:
            made.add(row[:count], row[count:])
        except GarbledKey as error:
            return NotLearnt(f"{places[number].where if places else f'row {number + 1}'}: {error}")
    return made.table(digest)
