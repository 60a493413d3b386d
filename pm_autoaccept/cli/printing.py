"""Prints for people: tables and colours on a terminal, plain whole lines in a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pm_autoaccept.telemetry.printable import printable

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


class _PatientConsole(Console):
    """A console that goes on silently when whoever read its output has gone, as `| head` does: nothing is wrong."""

    def on_broken_pipe(self) -> None:
        """Let what is still printed go nowhere, and let the work be finished."""
        self.quiet = True
        print_nowhere()


def print_nowhere() -> None:
    """Let what is still printed on stdout go nowhere, since nobody reads it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def console(*, stderr: bool = False) -> Console:
    """A console for stdout, or stderr: honours NO_COLOR, never folds a line in a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    return _PatientConsole(
        stderr=stderr, highlight=False, emoji=False, markup=False, width=None if stream.isatty() else _WIDE
    )


def coloured(word: str) -> Text:
    """A verdict or outcome in its colour."""
    return Text(word, style=COLOURS.get(word, ""))


def print_table(to: Console, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """Print rows under their columns. Cells that are not `Text` already are made printable; numbers stand right."""
    all_rows = [list(row) for row in rows]
    table = Table(box=box.SIMPLE_HEAD if to.is_terminal else None, pad_edge=False, title_justify="left")
    if title:
        to.print(Text(title, style="bold"))
    for position, column in enumerate(columns):
        numbers = all(isinstance(row[position], int) for row in all_rows) and bool(all_rows)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in all_rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    to.print(table)
