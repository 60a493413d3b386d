"""The types that fields have, and how their values are read and written as text."""

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
"""A date-time is a date too, as in Python."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?\$?([0-9]{1,18}|[0-9]{1,3}(,[0-9]{3}){1,5})(\.[0-9]{1,18})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})")
_RELATIVE = re.compile(r"(today|now)(?: ([+-]) ([0-9]{1,5}[smhd]))?")


class FieldType(StrEnum):
    """What a field's value is. A choice is a text that is one of EPA's, or our, few."""

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
    """A day or a moment that moves with the time of the decision: `today - 30d`, `now`."""

    distance: timedelta
    day: bool

    def at(self, now: datetime, zone: tzinfo = UTC) -> date:
        """The day in that time zone, or the moment, that it stands for."""
        if self.day:
            return now.astimezone(zone).date() + self.distance
        return now.astimezone(UTC) + self.distance


_WANTED: Mapping[FieldType, str] = MappingProxyType(
    {
        FieldType.INTEGER: "a whole number (as 1998)",
        FieldType.NUMBER: "a number (as 50000 or 0.5)",
        FieldType.BOOLEAN: "true or false",
        FieldType.DATE: "a date (as 2026-01-31, or today - 30d)",
        FieldType.MOMENT: "a date and time with its zone (as 2026-01-31T08:00:00-06:00, or now - 30d)",
        FieldType.DURATION: f"a length of time ({AS_WRITTEN})",
    }
)


class NotAValue(ValueError):
    """A text that is no value of the type that its field has; the message says what would be one."""


def read_value(text: str, kind: FieldType, members: tuple[str, ...] = ()) -> Value | Relative:
    """The value that a text of a policy stands for.

    Raises:
        NotAValue: the text does not fit the type, or is not a member of the choice.
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
        meant = f"; write {code}" if code else perhaps(text, members)
        raise NotAValue(f"`{text}` is not one of its values ({some(members)}){meant}")
    raise NotAValue(f"`{text}` stands where {_WANTED[kind]} is expected")


def read_answer(text: str, kind: FieldType) -> Value | None:
    """What a customer's answer says when it is read as a number or a date; None where it is none.

    A customer's `today` is a word: it is a date only in a policy.
    """
    try:
        value = read_value(text, kind)
    except NotAValue:
        return None
    return None if isinstance(value, Relative) else value


_TIMES = frozenset({FieldType.DATE, FieldType.MOMENT})


def _read_time(text: str, kind: FieldType) -> date | Relative | None:
    """A day or a moment, fixed or moving; None for what is neither."""
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
        raise NotAValue(f"there is no {kind} {text}") from error
    return None


def text_of(value: Value) -> str:
    """A value as people read it, and as a key of a table."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return written_duration(value)
    return format(value, "f") if isinstance(value, Decimal) else str(value)
