"""Writes rows as CSV for spreadsheets and other systems, one row at a time.

RFC 4180: a header always, commas, CRLF, quotes where needed, newlines kept within them; UTF-8. What a customer typed
may be a formula to a spreadsheet, so a text that begins with = + - @, a tab or a carriage return gets an apostrophe
before it. Numbers, moments and the program's own words are written as they are; `--output json` has every text as it
was.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from io import TextIOWrapper

from pm_autoaccept.cli.as_json import plain
from pm_autoaccept.cli.standard_streams import while_read
from pm_autoaccept.model import RequestKey

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a text must not begin with, lest a spreadsheet computes it."""


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
    return f"'{text}" if text.startswith(FORMULA) else text


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Write the header and the rows to stdout as they come; returns how many rows there were."""
    sys.stdout.flush()
    # Whatever the terminal's encoding: and what UTF-8 has no bytes for is written as its escape.
    out = TextIOWrapper(sys.stdout.buffer, encoding="utf-8", errors="backslashreplace", newline="")
    lines = csv.writer(out, lineterminator="\r\n")
    count = 0
    try:
        lines.writerow([cell(column) for column in columns])
        for row in while_read(rows):
            lines.writerow([cell(each) for each in row])
            count += 1
        out.flush()
    finally:
        out.detach()
    return count
