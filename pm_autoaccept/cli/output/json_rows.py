"""Prints values as JSON: enumerations as their words, times as ISO 8601 with an offset."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pm_autoaccept.cli.support.standard_streams import until_closed
from pm_autoaccept.model import RequestKey


def plain(value: object) -> object:
    """The value converted to types that JSON has."""
    kind = type(value)
    return value if kind in _UNCHANGED else _CONVERTERS[kind](value)


class _Converters(dict[type, Callable[[Any], object]]):
    """Type → how to convert its values. It is found once for each type, because an export has millions of values."""

    def __missing__(self, kind: type) -> Callable[[Any], object]:
        self[kind] = _converter(kind)
        return self[kind]


def _converter(kind: type) -> Callable[[Any], object]:
    if issubclass(kind, RequestKey | StrEnum | Decimal):
        return str
    if issubclass(kind, date):
        return kind.isoformat
    if issubclass(kind, Mapping):
        return lambda value: {str(key): plain(each) for key, each in value.items()}
    if issubclass(kind, tuple | list | frozenset):
        return lambda value: [plain(each) for each in value]
    if is_dataclass(kind):
        names = [field.name for field in fields(kind)]
        return lambda value: {name: plain(getattr(value, name)) for name in names}
    return lambda value: value


_UNCHANGED = frozenset({str, int, float, bool, type(None)})
"""The types that JSON has."""

_CONVERTERS = _Converters()


def print_json_with_rows(
    before: Mapping[str, object], name: str, rows: Iterable[object], after: Callable[[], Mapping[str, object]]
) -> None:
    """Print an object that has a long array among its values.

    Args:
        before: the values in front of the array.
        name: the array's key.
        rows: its elements, printed as they come.
        after: returns the values behind it, called once all elements are printed.
    """
    sys.stdout.write("{\n" + "".join(f"{_member(key, value)},\n" for key, value in before.items()))
    sys.stdout.write(f"{json.dumps(name)}: ")
    print_json_rows(rows)
    sys.stdout.write("".join(f",\n{_member(key, value)}" for key, value in after().items()) + "\n}\n")
    sys.stdout.flush()


def _member(key: str, value: object) -> str:
    return f"{json.dumps(key)}: {json.dumps(plain(value))}"


def print_json_rows(rows: Iterable[object]) -> int:
    """Print an array, each element on a line of its own; returns the number of elements. Escaped like `print_json`."""
    count = 0
    sys.stdout.write("[")
    for row in until_closed(rows):
        sys.stdout.write(",\n" if count else "\n")
        sys.stdout.write(json.dumps(plain(row)))
        count += 1
    sys.stdout.write("\n]\n" if count else "]\n")
    sys.stdout.flush()
    return count


def print_json(value: object) -> None:
    """Print one JSON document on stdout, in ASCII: no customer text reaches a terminal unescaped."""
    sys.stdout.write(json.dumps(plain(value), indent=2) + "\n")
    sys.stdout.flush()
