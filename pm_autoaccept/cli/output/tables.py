"""Prints tables for people: fitted and colored on a terminal, plain unfolded lines in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

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


def print_table(to: Console, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """Print rows as a table. Cells other than `Text` are made safe for the terminal; numbers are right-aligned.

    If the terminal is too narrow for all columns, the last ones are printed below each row, by name.
    """
    raw = [list(row) for row in rows]
    table = _Table(
        columns,
        [[cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row] for row in raw],
        [all(isinstance(row[at], int) for row in raw) and bool(raw) for at in range(len(columns))],
    )
    if title:
        to.print(Text(title, style="bold"))
    fitting = table.fitting_columns(to.width) if to.is_terminal else len(columns)
    if fitting == len(columns):
        to.print(table.whole(ruled=to.is_terminal))
    else:
        to.print()
        to.print(table.row(fitting, [Text(name, style="bold") for name in columns]))
        to.print(
            Text(
                ("-" if to.options.ascii_only else "─")
                * min(to.width, sum(table.widths[:fitting]) + _GAP * (fitting - 1))
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

    def whole(self, *, ruled: bool) -> Table:
        """The whole table, each column at its preferred width and the last one as wide as possible."""
        table = Table(box=box.SIMPLE_HEAD if ruled else None, pad_edge=False)
        for at, (name, number) in enumerate(zip(self._columns, self._numbers, strict=True)):
            narrow = ruled and at < len(self._columns) - 1
            least = self.widths[at] if narrow else None
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
