"""Turns of phrase that the loader's messages share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pm_autoaccept.redaction import redact_line

MAX_LINE_CHARACTERS = 1_000
"""Characters of a line that a fault shows along with its message."""


_NO_OTHERS: Mapping[str, str] = MappingProxyType({})


def perhaps(name: str, known: Iterable[str], others: Mapping[str, str] = _NO_OTHERS) -> str:
    """` (did you mean …?)` for a name close to a known one, otherwise nothing.

    `others` are words that say the same elsewhere, each with the one that is meant, where that is known here.
    """
    by_folded = {candidate.casefold(): candidate for candidate in known}
    elsewhere = others.get(name.casefold().replace("-", "_"), "").casefold()
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    meant = elsewhere if elsewhere in by_folded else next(iter(close), None)
    return f" (did you mean `{by_folded[meant]}`?)" if meant else ""


def listed(names: Iterable[str], joint: str = "or") -> str:
    """`a, b or c`."""
    *most, last = names
    return f"{', '.join(most)} {joint} {last}" if most else last


def counted(count: int, what: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {what}{'s' if count != 1 else ''}"


def some(names: Iterable[str], most: int = 5) -> str:
    """The first few of many, and how many more there are."""
    every = tuple(names)
    rest = f" … and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + rest


def shown(line: str) -> str:
    """The line as a fault shows it; nothing of one that no screen holds, since each of its faults would repeat it."""
    return redact_line(line) if len(line) <= MAX_LINE_CHARACTERS else ""
