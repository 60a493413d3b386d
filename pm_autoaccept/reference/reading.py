"""What one reading of a source brought, wherever its rows stand.

Whatever is doubtful about the rows makes the table not learnt, and the tests that look there unknown.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy import Source, Table, Tabulation, tabulate
from pm_autoaccept.policy.data.cells import read_cell
from pm_autoaccept.policy.data.tables import LARGE
from pm_autoaccept.policy.values import FieldType
from pm_autoaccept.reference.memory import give_back

_BY_EXCEL = re.compile(
    r"[0-9]([.,][0-9]+)?E\+[0-9]+|[0-9]+\.0+|#(N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|#+)", re.IGNORECASE
)
"""What spreadsheets and scripts make of a key that they take for a number. `99817.0` cleaned of its point would be the
key of somebody else."""
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
    return Reading(table=tabulate(source, rows, digest=hashlib.sha256(data).hexdigest()))


@dataclass(slots=True)
class Taking:
    """Takes in the rows of a source, and notes what is doubtful about them.

    Attributes:
        made: the table in the making.
        unit: what the numbers of rows count, `line` or `row`.
        newest: the newest date so far in the `dated` column.
    """

    made: Tabulation
    unit: str = "line"
    newest: datetime | None = None

    def rows(self, header: list[str], rows: Iterable[tuple[int, list[str]]]) -> None:
        """Take in rows, each its number and its cells, as the header names them.

        Raises:
            Doubtful: the header lacks a column, or a cell cannot be what it should be.
        """
        source = self.made.source
        keys = [_position(name, header) for name in source.key]
        columns = [_position(name, header) for name in source.columns]
        dated = None if source.dated is None else _position(source.dated, header)
        for number, cells in rows:
            kept = self.made.rows
            self.row(number, [cells[at] for at in keys], [cells[at] for at in columns])
            if dated is not None and self.made.rows > kept:
                self._date(cells[dated])

    def row(self, number: int, key: list[str], cells: Iterable[str] = ()) -> None:
        """Take in one row: what stands in its key columns, and in its declared ones."""
        for part in key:
            # Most keys are letters and digits, and nothing is wrong with those.
            if not part.isalnum():
                self._look_at(number, part.strip())
        self.made.add(key, cells)

    def _look_at(self, number: int, part: str) -> None:
        if _NUL in part:
            raise Doubtful(f"{self.unit} {number}: a NUL character stands in the key; export the data again")
        if _BY_EXCEL.fullmatch(part):
            raise Doubtful(f"{self.unit} {number}: a spreadsheet wrote {part} over the key; format the column as text")

    def _date(self, cell: str) -> None:
        for kind in (FieldType.DATE, FieldType.MOMENT):
            day = read_cell(cell, kind, column="")
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
        return Reading(table=table, dated=dated, dropped=self.made.dropped, mark=mark)


def doubt(source: Source, why: object) -> Reading:
    """The reading of what could not be read."""
    return Reading(table=NotLearnt(f"{source.where}: {why}"))


def _position(name: str, header: list[str]) -> int:
    if header.count(name) != 1:
        how = "twice" if name in header else "nowhere"
        raise Doubtful(f"the column {name} stands {how} in its header ({', '.join(header) or 'which is empty'})")
    return header.index(name)
