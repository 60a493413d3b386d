"""Reads the table of docs/architecture.md#failures: what came instead of an answer, and what it means."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.links import ROOT


@dataclass(frozen=True)
class Failure:
    """One row: what came, and the names of the errors that it is."""

    what_came: str
    errors: tuple[str, ...]


def failure_table() -> list[Failure]:
    """Every row, from the top to the bottom."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition('<a id="failures"></a>')[2].partition("| --- | --- | --- |\n")[2].partition("\n\n")[0]
    rows = (re.split(r" ?\| ", line[2:-2]) for line in table.splitlines())
    return [Failure(what_came, tuple(re.findall(r"`(\w+)`", errors))) for what_came, errors, _ in rows]
