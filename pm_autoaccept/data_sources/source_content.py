"""The result of reading a data source: its table with date and version, or why it could not be read.

If anything about the rows is in doubt, the table is not used and every test on it is unknown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time

from pm_autoaccept.data_sources.memory import give_back
from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy import Form, Source, Table, Tabulation, tabulate
from pm_autoaccept.policy.data.contents import read_cell
from pm_autoaccept.policy.data.keys import GarbledKey
from pm_autoaccept.policy.data.layouts import SEPARATORS, written_separator
from pm_autoaccept.policy.data.remarks import CellCount
from pm_autoaccept.policy.data.tables import LARGE
from pm_autoaccept.policy.values import FieldType

_NUL = "\0"


class Doubtful(Exception):
    """A source does not have the contents that the policy declares; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The result of one read of a source.

    Attributes:
        table: its table, or why it could not be read.
        dated: the date of its contents: the newest date in the `dated` column, else the modification time of the file
            or the server's Last-Modified; None if unknown. It may be in the future.
        dropped: rows that were left out because a part of their key is blank.
        mark: identifies this version of the contents without reading them; empty if nothing does.
        again: nothing has changed, so the contents of the previous read were kept.
    """

    table: Fact[Table]
    dated: datetime | None = None
    dropped: int = 0
    mark: str = ""
    again: bool = False


def read_values(source: Source) -> Reading:
    """The table of values written in the policy itself."""
    data = "\n".join(source.values).encode("utf-8", "backslashreplace")
    rows = ((value,) for value in source.values)
    table = tabulate(source, rows, digest=hashlib.sha256(data).hexdigest(), places=source.places)
    return doubt(source, table.why) if isinstance(table, NotLearnt) else Reading(table=table)


@dataclass(slots=True)
class Taking:
    """Collects the rows of a source into a table and refuses doubtful ones.

    Attributes:
        made: the table being built.
        newest: the newest date so far in the `dated` column.
    """

    made: Tabulation
    newest: datetime | None = None
    _dates: CellCount = field(init=False)

    def __post_init__(self) -> None:
        source, kinds = self.made.source, (FieldType.DATE, FieldType.MOMENT)
        self._dates = CellCount(source.dated or "", kinds, self.made.unit, source.dates)

    def rows(self, header: list[str], rows: Iterable[tuple[int, list[str]]]) -> None:
        """Add rows, each with its number and its cells in the order of the header.

        Raises:
            Doubtful: the header lacks a column, or a key is invalid.
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
        """Add one row: the cells of its key columns and of its declared columns."""
        if any(_NUL in part for part in key):
            raise Doubtful(f"{self.made.unit} {number}: the key contains a NUL character; export the data again")
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
        """The result, after all rows were added.

        Args:
            digest: of what was read.
            dated: the date of the contents, if no column holds it.
            mark: as in `Reading`.

        Raises:
            Doubtful: no row had a key.
        """
        table = self.made.table(digest)
        if table.rows > LARGE:
            give_back()
        if not table.rows:
            # An empty or half-written blocklist would let everybody in.
            raise Doubtful("there are no keys")
        if self.made.source.dated is not None:
            dated = self.newest
            if self.made.source.dated not in table.columns:
                table = replace(table, remarks=(*table.remarks, *self._dates.remarks(table.rows)))
        return Reading(table=table, dated=dated, dropped=self.made.dropped, mark=mark)


def doubt(source: Source, why: object) -> Reading:
    """The result for a source that could not be read."""
    return Reading(table=NotLearnt(f"{source.where}: {why}"))


def _position(name: str, header: list[str], source: Source) -> int:
    if header.count(name) != 1:
        how = "appears more than once" if name in header else "is missing"
        hint = "" if name in header else separated_otherwise(name, source.separator.join(header), source)
        written = ", ".join(header) or "empty"
        raise Doubtful(f"the column {name} {how} in the header ({written}){hint}")
    return header.index(name)


def separated_otherwise(name: str, line: str, source: Source) -> str:
    """A hint for a header that lacks a column: another separator, or UTF-16."""
    if _NUL in line:
        return "; it contains NUL characters: if it is UTF-16, write `encoding: utf-16-le` or `utf-16-be`"
    for separator, called in SEPARATORS.items():
        names = [cell.strip().strip('"') for cell in line.split(separator)]
        if separator != source.separator and name in names and source.form is not Form.SQL:
            return f"; its cells are separated by {called}: write `{written_separator(separator)}`"
    return ""
