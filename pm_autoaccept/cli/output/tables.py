"""Prints for people: tables and colours on a terminal, plain whole lines in a pipe."""

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

COLOURS = {
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

_WIDE = 1_000
"""Columns in a pipe: no line is cut or folded."""


def console(*, stderr: bool = False) -> Console:
    """A console for stdout, or stderr: honours NO_COLOR, never folds a line in a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, emoji=False, markup=False, width=None if stream.isatty() else _WIDE)


def coloured(word: str) -> Text:
    """A verdict or outcome in its colour."""
    return Text(word, style=COLOURS.get(word, ""))


def print_table(to: Console, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """Print rows under their columns. Cells that are not `Text` already are made printable; numbers stand right.

    On a terminal too narrow for all columns the last ones stand below each row, by name.
    """
    raw = [list(row) for row in rows]
    table = _Table(
        columns,
        [[cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row] for row in raw],
        [all(isinstance(row[at], int) for row in raw) and bool(raw) for at in range(len(columns))],
    )
    if title:
        to.print(Text(title, style="bold"))
    beside = table.beside(to.width) if to.is_terminal else len(columns)
    if beside == len(columns):
        to.print(table.whole(ruled=to.is_terminal))
    else:
        to.print()
        to.print(table.row(beside, [Text(name, style="bold") for name in columns]))
        to.print(
            Text(
                ("-" if to.options.ascii_only else "─")
                * min(to.width, sum(table.widths[:beside]) + _GAP * (beside - 1))
            )
        )
        for row in table.rows:
            to.print(table.row(beside, row))
            for name, cell in zip(columns[beside:], row[beside:], strict=True):
                if cell:
                    to.print(Padding(Text.assemble((f"{name}: ", "dim"), cell), (0, 0, 0, 4)))
        to.print()


_GAP = 3
"""Spaces between two columns."""

_MOST, _TEXT = 40, 32
"""Columns of a terminal that a column of a table is given at the most before it folds, and the last one at the least,
since it is often a sentence."""


class _Table:
    """Cells as they are printed, with the width that each column wants."""

    def __init__(self, columns: Sequence[str], rows: list[list[Text]], numbers: Sequence[bool]) -> None:
        self._columns, self.rows, self._numbers = columns, rows, numbers
        self.widths = [
            min(_MOST, max([cell_len(name), *(row[at].cell_len for row in rows)])) for at, name in enumerate(columns)
        ]

    def beside(self, width: int) -> int:
        """How many columns have room beside one another; one at the least."""
        wanted = [*self.widths[:-1], min(self.widths[-1], _TEXT)]
        # A rule below the heads is a space wider on each side.
        room = [sum(wanted[:count]) + _GAP * (count - 1) + 2 for count in range(1, len(wanted) + 1)]
        return max(1, sum(each <= width for each in room))

    def whole(self, *, ruled: bool) -> Table:
        """All of it, each column as wide as it wants, the last one as wide as it can be."""
        table = Table(box=box.SIMPLE_HEAD if ruled else None, pad_edge=False)
        for at, (name, number) in enumerate(zip(self._columns, self._numbers, strict=True)):
            narrow = ruled and at < len(self._columns) - 1
            least = self.widths[at] if narrow else None
            table.add_column(name, justify="right" if number else "left", overflow="fold", min_width=least)
        for row in self.rows:
            table.add_row(*row)
        return table

    def row(self, beside: int, cells: Sequence[Text]) -> Table:
        """The first cells of one row."""
        line = Table.grid(padding=(0, _GAP, 0, 0))
        for width, number in zip(self.widths[:beside], self._numbers, strict=False):
            line.add_column(width=width, justify="right" if number else "left", overflow="fold")
        line.add_row(*cells[:beside])
        return line
