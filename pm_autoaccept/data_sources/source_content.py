"""What one reading of a source brought, wherever its rows stand.

Whatever is doubtful about the rows makes the table not learnt, and the tests that look there unknown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time

from pm_autoaccept.data_sources.memory import give_back
from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy import Form, Source, Table, Tabulation, tabulate
from pm_autoaccept.policy.data.cells import read_cell
from pm_autoaccept.policy.data.keys import GarbledKey
from pm_autoaccept.policy.data.layouts import SEPARATORS, written_separator
from pm_autoaccept.policy.data.remarks import CellCount
from pm_autoaccept.policy.data.tables import LARGE
from pm_autoaccept.policy.values import FieldType

_NUL = "\0"


class Doubtful(Exception):
    """What was read is not what the policy says it is; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reading of a source.

    Attributes:
        table: what it held, or why that could not be learnt.
        dated: when its contents are from: the newest date in its `dated` column, else what the file or the server
            says; None where nobody says. Whoever wrote it may have written a time to come.
        dropped: rows that were left out, since a part of their key is blank.
        mark: what tells this version of the contents from another without reading it; empty where nothing does.
        again: the contents are those of the reading before, and were not read again.
    """

    table: Fact[Table]
    dated: datetime | None = None
    dropped: int = 0
    mark: str = ""
    again: bool = False


def read_values(source: Source) -> Reading:
    """The table of values that stand in the policy itself."""
    data = "\n".join(source.values).encode("utf-8", "backslashreplace")
    rows = ((value,) for value in source.values)
    table = tabulate(source, rows, digest=hashlib.sha256(data).hexdigest(), places=source.places)
    return doubt(source, table.why) if isinstance(table, NotLearnt) else Reading(table=table)


@dataclass(slots=True)
class Taking:
    """Takes in the rows of a source, and notes what is doubtful about them.

    Attributes:
        made: the table in the making.
        newest: the newest date so far in the `dated` column.
    """

    made: Tabulation
    newest: datetime | None = None
    _dates: CellCount = field(init=False)

    def __post_init__(self) -> None:
        source, kinds = self.made.source, (FieldType.DATE, FieldType.MOMENT)
        self._dates = CellCount(source.dated or "", kinds, self.made.unit, source.dates)

    def rows(self, header: list[str], rows: Iterable[tuple[int, list[str]]]) -> None:
        """Take in rows, each its number and its cells, as the header names them.

        Raises:
            Doubtful: the header lacks a column, or a cell cannot be what it should be.
        """
        source = self.made.source
        keys = [_position(name, header, source) for name in source.key]
        columns = [_position(name, header, source) for name in source.columns]
        dated = None if source.dated is None else _position(source.dated, header, source)
        for number, cells in rows:
            kept = self.made.rows
            self.row(number, [cells[at] for at in keys], [cells[at] for at in columns])
            if dated is not None and self.made.rows > kept:
                self._date(number, cells[dated].strip())

    def row(self, number: int, key: list[str], cells: Iterable[str] = ()) -> None:
        """Take in one row: what stands in its key columns, and in its declared ones."""
        if any(_NUL in part for part in key):
            raise Doubtful(f"{self.made.unit} {number}: a NUL character stands in the key; export the data again")
        try:
            self.made.add(key, cells, at=number)
        except GarbledKey as error:
            raise Doubtful(f"{self.made.unit} {number}: {error}") from error

    def _date(self, number: int, cell: str) -> None:
        if not self._dates.reads(cell, number):
            return
        for kind in self._dates.kinds:
            day = read_cell(cell, kind, column="", dates=self._dates.dates)
            if isinstance(day, date):
                moment = day if isinstance(day, datetime) else datetime.combine(day, time(), UTC)
                self.newest = moment if self.newest is None else max(self.newest, moment)

    def reading(self, *, digest: str, dated: datetime | None = None, mark: str = "") -> Reading:
        """The reading of all that was taken in.

        Args:
            digest: of what was read.
            dated: when the contents are from, where no column says so.
            mark: as in a `Reading`.

        Raises:
            Doubtful: there was no row with a key.
        """
        table = self.made.table(digest)
        if table.rows > LARGE:
            give_back()
        if not table.rows:
            # What was emptied, or caught half-written, would let in everybody whom it should have stopped.
            raise Doubtful("it has no keys")
        if self.made.source.dated is not None:
            dated = self.newest
            if self.made.source.dated not in table.columns:
                table = replace(table, remarks=(*table.remarks, *self._dates.remarks(table.rows)))
        return Reading(table=table, dated=dated, dropped=self.made.dropped, mark=mark)


def doubt(source: Source, why: object) -> Reading:
    """The reading of what could not be read."""
    return Reading(table=NotLearnt(f"{source.where}: {why}"))


def _position(name: str, header: list[str], source: Source) -> int:
    if header.count(name) != 1:
        how = "twice" if name in header else "nowhere"
        hint = "" if name in header else separated_otherwise(name, source.separator.join(header), source)
        written = ", ".join(header) or "which is empty"
        raise Doubtful(f"the column {name} stands {how} in its header ({written}){hint}")
    return header.index(name)


def separated_otherwise(name: str, line: str, source: Source) -> str:
    """What may be wrong where a header lacks a column: its cells are separated otherwise, or it is UTF-16."""
    if _NUL in line:
        return "; NUL characters stand in it: if it is UTF-16, write `encoding: utf-16-le` or `utf-16-be`"
    for separator, called in SEPARATORS.items():
        names = [cell.strip().strip('"') for cell in line.split(separator)]
        if separator != source.separator and name in names and source.form is not Form.SQL:
            return f"; {called} separate its cells: write `{written_separator(separator)}`"
    return ""
