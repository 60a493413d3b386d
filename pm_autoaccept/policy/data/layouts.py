"""Layout of CSV files and line lists: separators, encodings, byte order marks and date formats."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

COMMA = ","
SEPARATORS: Mapping[str, str] = MappingProxyType(
    {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", ":": "colons", "^": "carets", "~": "tildes"}
)
"""The allowed separators and their names in the plural."""

UTF_8 = "utf-8"
ENCODINGS = (
    UTF_8,
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "windows-1252",
    "iso-8859-1",
    "iso-8859-15",
    "macintosh",
    "cp437",
    "cp850",
)
"""The encodings that a policy may name: those of spreadsheets and older billing systems."""
_BY_CODEC = MappingProxyType({codecs.lookup(name).name: name for name in ENCODINGS})
MARKS: Mapping[bytes, str] = MappingProxyType(
    {codecs.BOM_UTF8: UTF_8, codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
)
"""Byte order mark → encoding."""


def read_separator(text: str) -> str | None:
    """The separator that a policy names; None if it is not allowed."""
    named = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}.get(text.casefold(), text)
    return named if named in SEPARATORS else None


def written_separator(separator: str) -> str:
    """The separator as a policy writes it."""
    return "separator: tab" if separator == "\t" else f"separator: '{separator}'"


def read_encoding(text: str) -> str | None:
    """The encoding that a policy or a server names, by any of its aliases; None if it is not in `ENCODINGS`."""
    try:
        return _BY_CODEC.get(codecs.lookup(text.strip()).name)
    except (LookupError, ValueError):
        return None


_ORDER = re.compile(r"(year|month|day)([/.-])(year|month|day)\2(year|month|day)")
_MIDNIGHT = r"(?:[ T]0?0:00(?::00(?:\.0+)?)?|[ ]12:00(?::00)?[ ]AM)?"
_WORD = re.compile("year|month|day")
_PARTS = {"year": "(?P<year>[0-9]{4})", "month": "(?P<month>[0-9]{1,2})", "day": "(?P<day>[0-9]{1,2})"}
ORDERS = ("month/day/year", "day/month/year", "year/month/day")
"""The allowed date formats; a dot or a hyphen may replace the slash."""


@dataclass(frozen=True, slots=True)
class DateOrder:
    """A date format, for example `month/day/year`."""

    written: str
    _cell: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self,
            "_cell",
            re.compile(_WORD.sub(lambda word: _PARTS[word[0]], re.escape(self.written)) + _MIDNIGHT, re.IGNORECASE),
        )

    @classmethod
    def of(cls, text: str) -> DateOrder | None:
        """The date format that a policy names; None if it is not allowed."""
        parts = _ORDER.fullmatch(text.strip().casefold())
        return cls(parts[0]) if parts and parts[0].replace(parts[2], "/") in ORDERS else None

    def read(self, text: str) -> date | None:
        """The date in a cell, with no time or with midnight; None if it is not a date.

        The year must have four digits, because the century of a two-digit year is unknown.
        """
        found = self._cell.fullmatch(text)
        try:
            return date(*(int(found[part]) for part in ("year", "month", "day"))) if found else None
        except ValueError:
            return None
