"""How csv files and lists of lines are written: what separates their cells, their encoding, the order of a date."""

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
"""What may separate cells, and what several are called."""

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
"""The encodings of data that a policy may name: those of spreadsheets and of older billing systems."""
_BY_CODEC = MappingProxyType({codecs.lookup(name).name: name for name in ENCODINGS})
MARKS: Mapping[bytes, str] = MappingProxyType(
    {codecs.BOM_UTF8: UTF_8, codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
)
"""What a file may begin with, and the encoding that it says."""


def read_separator(text: str) -> str | None:
    """The character that a policy names; None where it names none that may separate cells."""
    named = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}.get(text.casefold(), text)
    return named if named in SEPARATORS else None


def written_separator(separator: str) -> str:
    """How a policy says it."""
    return "separator: tab" if separator == "\t" else f"separator: '{separator}'"


def read_encoding(text: str) -> str | None:
    """The encoding that a policy or a server names, by any of its names; None for one that is not among `ENCODINGS`."""
    try:
        return _BY_CODEC.get(codecs.lookup(text.strip()).name)
    except (LookupError, ValueError):
        return None


_ORDER = re.compile(r"(year|month|day)([/.-])(year|month|day)\2(year|month|day)")
_MIDNIGHT = r"(?:[ T]0?0:00(?::00(?:\.0+)?)?|[ ]12:00(?::00)?[ ]AM)?"
_WORD = re.compile("year|month|day")
_PARTS = {"year": "(?P<year>[0-9]{4})", "month": "(?P<month>[0-9]{1,2})", "day": "(?P<day>[0-9]{1,2})"}
ORDERS = ("month/day/year", "day/month/year", "year/month/day")
"""In which order the parts of a date may come; a dot or a hyphen may stand instead of the slash."""


@dataclass(frozen=True, slots=True)
class DateOrder:
    """How dates are written, as `month/day/year`."""

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
        """The order that a policy names; None where it names none."""
        parts = _ORDER.fullmatch(text.strip().casefold())
        return cls(parts[0]) if parts and parts[0].replace(parts[2], "/") in ORDERS else None

    def read(self, text: str) -> date | None:
        """The day that a cell says so, at most with the time at which a day begins; None where it says none.

        The year has four digits: with two nobody can say which century is meant.
        """
        found = self._cell.fullmatch(text)
        try:
            return date(*(int(found[part]) for part in ("year", "month", "day"))) if found else None
        except ValueError:
            return None
