"""Prints values as JSON: enumerations as their words, times as ISO 8601 with an offset."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from pm_autoaccept.cli.support.standard_streams import until_closed
from pm_autoaccept.model import RequestKey


def plain(value: object) -> object:
    """The value converted to types that JSON has."""
    simple: object
    if isinstance(value, RequestKey | StrEnum | Decimal):
        simple = str(value)
    elif isinstance(value, datetime | date):
        simple = value.isoformat()
    elif isinstance(value, Mapping):
        simple = {str(key): plain(each) for key, each in value.items()}
    elif isinstance(value, tuple | list | frozenset):
        simple = [plain(each) for each in value]
    elif is_dataclass(value) and not isinstance(value, type):
        simple = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    else:
        simple = value
    return simple


def print_json_rows(rows: Iterable[object]) -> int:
    """Print an array one element at a time; returns the number of elements. Escaped like `print_json`."""
    count = 0
    sys.stdout.write("[")
    for row in until_closed(rows):
        sys.stdout.write(",\n" if count else "\n")
        sys.stdout.write(json.dumps(plain(row), indent=2))
        count += 1
    sys.stdout.write("\n]\n" if count else "]\n")
    sys.stdout.flush()
    return count


def print_json(value: object) -> None:
    """Print one JSON document on stdout, in ASCII: no customer text reaches a terminal unescaped."""
    sys.stdout.write(json.dumps(plain(value), indent=2) + "\n")
    sys.stdout.flush()
