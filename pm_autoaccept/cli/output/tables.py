"""Prints tables for people: fitted and colored on a terminal; in a pipe or a file, one plain aligned line per row.

Rows are printed as they come, so that a table of any length needs little memory.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pm_autoaccept.telemetry.terminal import printable

COLORS = {
    "accept": "green",
    "accepted": "green",
    "reject": "red",
    "rejected": "red",
    "hold": "yellow",
    "held": "yellow",
    "kept back": "yellow",
    "fallen": "magenta",
    "ok": "green",
    "warning": "yellow",
    "problem": "bold red",
    "not tried": "dim",
}

_PIPE_WIDTH = 1_000
"""Characters of a line in a pipe, where no line is cut or folded."""


def console(*, stderr: bool = False) -> Console:
    """A console for stdout or stderr that honors NO_COLOR and never folds a line in a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, highlight=False, emoji=False, markup=False, width=None if stream.isatty() else _PIPE_WIDTH
    )


def colored(word: str) -> Text:
    """A verdict or outcome in its color."""
    return Text(word, style=COLORS.get(word, ""))


ROWS_PER_HEADING = 1_000
"""The column widths are computed from this many rows. On a terminal, the heading is then printed again."""


def print_table(
    to: Console, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "", skip_empty: bool = False
) -> int:
    """Print rows as a table; returns the number of rows. With `skip_empty`, a table without rows is not printed.

    Cells other than `Text` are made safe for the terminal; numbers are right-aligned. If the terminal is too narrow for
    all columns, the last ones are printed below each row, by name.
    """
    remaining = iter(rows)
    some = list(islice(remaining, ROWS_PER_HEADING))
    if skip_empty and not some:
        return 0
    if title:
        to.print(Text(title, style="bold"))
    if not to.is_terminal:
        return _print_lines(to, columns, some, remaining)
    _print_fitted(to, columns, some)
    count = len(some)
    while some := list(islice(remaining, ROWS_PER_HEADING)):
        _print_fitted(to, columns, some)
        count += len(some)
    return count


def _print_lines(
    to: Console, columns: Sequence[str], first: list[Sequence[object]], others: Iterator[Sequence[object]]
) -> int:
    """Print each row on one line, so that `grep`, `sort` and `wc` can read it. There is one heading.

    A row that is wider than the first ones moves its own later columns to the right, and no other row.
    """
    numbers = _numeric(columns, first)
    texts = [[_text(cell) for cell in row] for row in first]
    widths = [
        min(_MAX_PADDING, max(map(_width, (name, *(row[at] for row in texts))))) for at, name in enumerate(columns)
    ]
    count = -1  # the heading
    for row in chain((columns,), texts, ([_text(cell) for cell in row] for row in others)):
        cells = []
        for text, width, number in zip(row, widths, numbers, strict=True):
            blanks = " " * (width - _width(text))
            cells.append(blanks + text if number else text + blanks)
        to.file.write(_BETWEEN.join(cells).rstrip() + "\n")
        count += 1
    return count


def _numeric(columns: Sequence[str], rows: list[Sequence[object]]) -> list[bool]:
    """For each column, whether it contains only numbers."""
    return [bool(rows) and all(isinstance(row[at], int) for row in rows) for at in range(len(columns))]


def _text(cell: object) -> str:
    return cell.plain if isinstance(cell, Text) else printable(cell)


def _width(text: str) -> int:
    """In terminal cells: an East Asian character takes two."""
    return len(text) if text.isascii() else cell_len(text)


def _print_fitted(to: Console, columns: Sequence[str], rows: list[Sequence[object]]) -> None:
    table = _Table(
        columns,
        [[cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row] for row in rows],
        _numeric(columns, rows),
    )
    fitting = table.fitting_columns(to.width)
    if fitting == len(columns):
        to.print(table.whole())
        return
    to.print()
    to.print(table.row(fitting, [Text(name, style="bold") for name in columns]))
    to.print(
        Text(
            ("-" if to.options.ascii_only else "─") * min(to.width, sum(table.widths[:fitting]) + _GAP * (fitting - 1))
        )
    )
    for row in table.rows:
        to.print(table.row(fitting, row))
        for name, cell in zip(columns[fitting:], row[fitting:], strict=True):
            if cell:
                to.print(Padding(Text.assemble((f"{name}: ", "dim"), cell), (0, 0, 0, 4)))
    to.print()


_GAP = 3
"""Spaces between two columns."""

_BETWEEN = "  "
"""What separates two columns in a pipe."""

_MAX_PADDING = 80
"""In characters. In a pipe, wider cells are printed in full, but other rows are not padded to them."""

_MAX_COLUMN_WIDTH, _MIN_LAST_COLUMN_WIDTH = 40, 32
"""In characters. Wider columns fold; the last column gets at least 32 because it is often a sentence."""


class _Table:
    """Printable cells, with the preferred width of each column."""

    def __init__(self, columns: Sequence[str], rows: list[list[Text]], numbers: Sequence[bool]) -> None:
        self._columns, self.rows, self._numbers = columns, rows, numbers
        self.widths = [
            min(_MAX_COLUMN_WIDTH, max([cell_len(name), *(row[at].cell_len for row in rows)]))
            for at, name in enumerate(columns)
        ]

    def fitting_columns(self, width: int) -> int:
        """How many columns fit side by side; at least one."""
        wanted = [*self.widths[:-1], min(self.widths[-1], _MIN_LAST_COLUMN_WIDTH)]
        # The rule below the headings is one space wider on each side.
        room = [sum(wanted[:count]) + _GAP * (count - 1) + 2 for count in range(1, len(wanted) + 1)]
        return max(1, sum(each <= width for each in room))

    def whole(self) -> Table:
        """The whole table, each column at its preferred width and the last one as wide as possible."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for at, (name, number) in enumerate(zip(self._columns, self._numbers, strict=True)):
            least = self.widths[at] if at < len(self._columns) - 1 else None
            table.add_column(name, justify="right" if number else "left", overflow="fold", min_width=least)
        for row in self.rows:
            table.add_row(*row)
        return table

    def row(self, fitting: int, cells: Sequence[Text]) -> Table:
        """The first cells of one row, as many as fit."""
        line = Table.grid(padding=(0, _GAP, 0, 0))
        for width, number in zip(self.widths[:fitting], self._numbers, strict=False):
            line.add_column(width=width, justify="right" if number else "left", overflow="fold")
        line.add_row(*cells[:fitting])
        return line
