"""Writes rows as CSV, one at a time, with cells protected against spreadsheet formulas (CSV injection).

RFC 4180: always a header, commas, CRLF, quotes where needed, line breaks kept inside quotes; UTF-8. A spreadsheet may
run customers' text as a formula. Therefore a text gets an apostrophe in front if it starts with = + - @ (in any form,
and after any invisible characters), a tab or a line break. Numbers, times and the program's own words are written
unchanged; `--output json` has every text unchanged.
"""

from __future__ import annotations

import csv
import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from io import TextIOWrapper
from string import ascii_letters, digits
from typing import Any

from pm_autoaccept.cli.output.json_rows import plain
from pm_autoaccept.cli.support.standard_streams import until_closed
from pm_autoaccept.model import RequestKey

_FORMULA_SIGNS = ("=", "+", "-", "@", "\N{MINUS SIGN}")
_BLANKS = ("\t", "\r", "\n")
"""How a text may not start: with a sign that begins a formula, or with white space at which a spreadsheet splits."""

_HARMLESS = frozenset({"", *ascii_letters, *digits, *"[{"})
"""How almost every text starts: with nothing that begins a formula."""

_INVISIBLE = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
"""Unicode categories of spaces, controls and invisible marks such as the zero-width space."""


def cell(value: object) -> str | int:
    """One value as a cell."""
    return _WRITERS[type(value)](value)


class _Writers(dict[type, Callable[[Any], str | int]]):
    """Type → how to write its values. It is found once for each type, because an export has millions of cells."""

    def __missing__(self, kind: type) -> Callable[[Any], str | int]:
        self[kind] = _writer(kind)
        return self[kind]


def _writer(kind: type) -> Callable[[Any], str | int]:
    if issubclass(kind, int):
        return lambda value: value
    if issubclass(kind, datetime):
        return kind.isoformat
    if issubclass(kind, RequestKey | StrEnum):
        return str
    if issubclass(kind, str):
        return _protected
    return lambda value: "[]" if value == [] else _protected(_ENCODE(plain(value)))


_WRITERS = _Writers({type(None): lambda _value: ""})

_ENCODE = json.JSONEncoder(ensure_ascii=False).encode


def _protected(text: str) -> str:
    if text[:1] in _HARMLESS:
        return text
    return f"'{text}" if _is_formula(text) else text


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet may run the text as a formula; in some locales full-width signs begin one too."""
    if text.startswith((*_FORMULA_SIGNS, *_BLANKS)):
        return True
    seen = next((each for each in text if unicodedata.category(each) not in _INVISIBLE), "")
    return unicodedata.normalize("NFKC", seen).startswith(_FORMULA_SIGNS)


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]], *, bom: bool = False) -> int:
    """Write the header and the rows to stdout as they come; returns the number of rows.

    Args:
        columns: the header.
        rows: their cells.
        bom: whether to start with a byte order mark, without which Excel misreads UTF-8.
    """
    sys.stdout.flush()
    # Always UTF-8, whatever the terminal's encoding; what UTF-8 cannot encode is escaped.
    out = TextIOWrapper(sys.stdout.buffer, encoding="utf-8", errors="backslashreplace", newline="")
    lines = csv.writer(out, lineterminator="\r\n")
    count = 0
    try:
        out.write("\ufeff" if bom else "")
        lines.writerow([cell(column) for column in columns])
        for row in until_closed(rows):
            lines.writerow([_WRITERS[type(each)](each) for each in row])  # `cell`, without a call for each
            count += 1
        out.flush()
    finally:
        out.detach()
    return count
