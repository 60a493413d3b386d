"""Turns of phrase that the loader's messages share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST_SHOWN = 1_000
"""Characters of a line that a fault shows along with its message."""


def perhaps(name: str, known: Iterable[str]) -> str:
    """` (did you mean …?)` for a name close to a known one, otherwise nothing."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return f" (did you mean `{by_folded[close[0]]}`?)" if close else ""


def listed(names: Iterable[str]) -> str:
    """`a, b or c`."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def some(names: Iterable[str], most: int = 5) -> str:
    """The first few of many, and how many more there are."""
    every = tuple(names)
    rest = f" … and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + rest


def shown(line: str) -> str:
    """The line as a fault shows it; nothing of one that no screen holds, since each of its faults would repeat it."""
    return line if len(line) <= LONGEST_SHOWN else ""
