"""The types that fields have, and how their values are read and written as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from pm_autoaccept.policy.cleaning import fold
from pm_autoaccept.policy.wording import perhaps, some

Value: TypeAlias = str | int | Decimal | bool | date

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?\$?([0-9]{1,18}|[0-9]{1,3}(,[0-9]{3}){1,5})(\.[0-9]{1,18})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class FieldType(StrEnum):
    """What a field's value is. A choice is a text that is one of EPA's, or our, few."""

    TEXT = "text"
    CHOICE = "choice"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"


_WANTED: Mapping[FieldType, str] = MappingProxyType(
    {
        FieldType.INTEGER: "a whole number (as 1998)",
        FieldType.NUMBER: "a number (as 50,000 or 0.5)",
        FieldType.BOOLEAN: "true or false",
        FieldType.DATE: "a date (as 2026-01-31)",
    }
)


class NotAValue(ValueError):
    """A text that is no value of the type that its field has; the message says what would be one."""


def read_value(text: str, kind: FieldType, members: tuple[str, ...] = ()) -> Value:
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
    if kind is FieldType.DATE and _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise NotAValue(f"there is no day {text}") from error
    if kind is FieldType.TEXT or (kind is FieldType.CHOICE and text in members):
        return text
    if kind is FieldType.CHOICE:
        raise NotAValue(f"`{text}` is not one of its values ({some(members)}){perhaps(text, members)}")
    raise NotAValue(f"`{text}` stands where {_WANTED[kind]} is expected")


def text_of(value: Value) -> str:
    """A value as people read it, and as a key of a table."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)
