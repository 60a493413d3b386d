"""Field types (text, number, date, duration …): parse their values from text, and format them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from pm_autoaccept.policy.cleaning import fold
from pm_autoaccept.policy.durations import AS_WRITTEN, read_duration, written_duration
from pm_autoaccept.policy.messages import perhaps, some
from pm_autoaccept.policy.synonyms import PLACES

Value: TypeAlias = str | int | Decimal | bool | date | timedelta
"""A date-time counts as a date, as in Python."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?\$?([0-9]{1,18}|[0-9]{1,3}(,[0-9]{3}){1,5})(\.[0-9]{1,18})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})")
_RELATIVE = re.compile(r"(today|now)(?: ([+-]) ([0-9]{1,5}[smhd]))?")


class FieldType(StrEnum):
    """The type of a field's value. A choice is a text from a fixed set of allowed values."""

    TEXT = "text"
    CHOICE = "choice"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    MOMENT = "date-time"
    DURATION = "duration"


@dataclass(frozen=True, slots=True)
class Relative:
    """A date or date-time relative to the time of the decision: `today - 30d`, `now`."""

    distance: timedelta
    day: bool

    def at(self, now: datetime, zone: tzinfo = UTC) -> date:
        """The date in that time zone, or the date-time, at the given time."""
        if self.day:
            return now.astimezone(zone).date() + self.distance
        return now.astimezone(UTC) + self.distance


_WANTED: Mapping[FieldType, str] = MappingProxyType(
    {
        FieldType.INTEGER: "a whole number, for example 1998",
        FieldType.NUMBER: "a number, for example 50000 or 0.5",
        FieldType.BOOLEAN: "true or false",
        FieldType.DATE: "a date, for example 2026-01-31 or today - 30d",
        FieldType.MOMENT: "a date and time with time zone, for example 2026-01-31T08:00:00-06:00 or now - 30d",
        FieldType.DURATION: f"a duration: {AS_WRITTEN}",
    }
)


class NotAValue(ValueError):
    """The text is not a valid value of its field's type; the message says what is expected."""


def read_value(text: str, kind: FieldType, members: tuple[str, ...] = ()) -> Value | Relative:
    """Parse a value in a policy.

    Raises:
        NotAValue: the text is not of the type, or not an allowed value of the choice.
    """
    text = fold(text)
    if kind is FieldType.INTEGER and _INTEGER.fullmatch(text):
        return int(text)
    if kind is FieldType.NUMBER and _NUMBER.fullmatch(text):
        return Decimal(re.sub(r"[$,]", "", text))
    if kind is FieldType.BOOLEAN and text in {"true", "false"}:
        return text == "true"
    if kind is FieldType.DURATION and (length := read_duration(text)) is not None:
        return length
    if kind in _TIMES and (time := _read_time(text, kind)) is not None:
        return time
    if kind is FieldType.TEXT or (kind is FieldType.CHOICE and text in members):
        return text
    if kind is FieldType.CHOICE:
        names = PLACES.get(members, {})
        code = next((names[name] for name in get_close_matches(text.casefold(), names, n=1, cutoff=0.85)), None)
        meant = f" (did you mean `{code}`?)" if code else perhaps(text, members)
        raise NotAValue(f"unknown value `{text}`{meant}; allowed values: {some(members)}")
    raise NotAValue(f"invalid value `{text}`; expected {_WANTED[kind]}")


def read_answer(text: str, kind: FieldType) -> Value | None:
    """Read a customer's answer as a number or a date; None if it is neither.

    `today` is a date in a policy only; in an answer it is a word.
    """
    try:
        value = read_value(text, kind)
    except NotAValue:
        return None
    return None if isinstance(value, Relative) else value


_TIMES = frozenset({FieldType.DATE, FieldType.MOMENT})


def _read_time(text: str, kind: FieldType) -> date | Relative | None:
    """Parse a date or date-time, absolute or relative; None if it is neither."""
    day = kind is FieldType.DATE
    if relative := _RELATIVE.fullmatch(text):
        length = read_duration(relative[3] or "0s") or timedelta()
        if day is not (relative[1] == "today") or (day and length % timedelta(days=1)):
            return None
        return Relative(-length if relative[2] == "-" else length, day=day)
    try:
        if day and _DATE.fullmatch(text):
            return date.fromisoformat(text)
        if not day and _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError as error:
        raise NotAValue(f"invalid {kind} `{text}`: it does not exist") from error
    return None


def text_of(value: Value) -> str:
    """Format a value for people and for use as a table key."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return written_duration(value)
    return format(value, "f") if isinstance(value, Decimal) else str(value)
