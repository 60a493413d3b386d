"""Writes rows as CSV for spreadsheets and other systems, one row at a time.

RFC 4180: a header always, commas, CRLF, quotes where needed, newlines kept within them; UTF-8. What a customer typed
may be a formula to a spreadsheet, so a text gets an apostrophe before it if it begins with = + - @, in any of their
forms and behind any blanks, or with a tab or a line break. Numbers, moments and the program's own words are written as
they are; `--output json` has every text as it was.
"""

from __future__ import annotations

import csv
import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from io import TextIOWrapper

from pm_autoaccept.cli.output.json_rows import plain
from pm_autoaccept.cli.support.standard_streams import while_read
from pm_autoaccept.model import RequestKey

_SIGNS = ("=", "+", "-", "@", "\N{MINUS SIGN}")
_BLANKS = ("\t", "\r", "\n")
"""What a text must not begin with, lest a spreadsheet computes it: signs in any of their forms, also after what cannot
be seen, and blanks that end a cell where a spreadsheet takes a text apart."""

_UNSEEN = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
"""Categories of blanks, controls, and marks that nobody sees, such as a zero-width space."""


def cell(value: object) -> str | int:
    """One value as its cell."""
    if value is None:
        return ""
    if isinstance(value, int):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, RequestKey | StrEnum):
        return str(value)
    text = value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)
    return f"'{text}" if _is_formula(text) else text


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet may take it for a formula; full-width signs are ones in some languages."""
    if text.startswith((*_SIGNS, *_BLANKS)):
        return True
    seen = next((each for each in text if unicodedata.category(each) not in _UNSEEN), "")
    return unicodedata.normalize("NFKC", seen).startswith(_SIGNS)


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]], *, bom: bool = False) -> int:
    """Write the header and the rows to stdout as they come; returns how many rows there were.

    Args:
        columns: the header.
        rows: their cells.
        bom: whether a byte order mark comes first, without which Excel takes UTF-8 for something else.
    """
    sys.stdout.flush()
    # Whatever the terminal's encoding: and what UTF-8 has no bytes for is written as its escape.
    out = TextIOWrapper(sys.stdout.buffer, encoding="utf-8", errors="backslashreplace", newline="")
    lines = csv.writer(out, lineterminator="\r\n")
    count = 0
    try:
        out.write("\ufeff" if bom else "")
        lines.writerow([cell(column) for column in columns])
        for row in while_read(rows):
            lines.writerow([cell(each) for each in row])
            count += 1
        out.flush()
    finally:
        out.detach()
    return count
