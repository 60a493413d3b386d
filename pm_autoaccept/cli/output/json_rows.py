"""Turns the verbs' values into JSON for machines: enumerations as their words, moments as ISO 8601."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from pm_autoaccept.cli.support.standard_streams import while_read
from pm_autoaccept.model import RequestKey


def plain(value: object) -> object:
    """A value of which JSON knows the kind."""
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
    """Print an array, one element at a time as they come; returns how many there were. Escaped as `print_json`."""
    count = 0
    sys.stdout.write("[")
    for row in while_read(rows):
        sys.stdout.write(",\n" if count else "\n")
        sys.stdout.write(json.dumps(plain(row), indent=2))
        count += 1
    sys.stdout.write("\n]\n" if count else "]\n")
    sys.stdout.flush()
    return count


def print_json(value: object) -> None:
    """Print one JSON document on stdout. Beyond ASCII all is escaped: no text of a customer reaches a terminal raw."""
    sys.stdout.write(json.dumps(plain(value), indent=2) + "\n")
    sys.stdout.flush()
