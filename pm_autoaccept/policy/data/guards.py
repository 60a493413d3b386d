"""`require`: what guards a table of data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from pm_autoaccept.errors import Fault
from pm_autoaccept.policy.data.sources import NO_GUARD, Guard
from pm_autoaccept.policy.durations import read_duration
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Node, Text

_COUNT = re.compile(r"[0-9]{1,9}|[0-9]{1,3}(?:,[0-9]{3}){1,2}")
_PERCENT = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,3})?)%")
_WHOLE = Decimal(100)


def _count(text: str) -> int | None:
    return (int(text.replace(",", "")) or None) if _COUNT.fullmatch(text) else None


def _percent(text: str) -> Decimal | None:
    written = _PERCENT.fullmatch(text)
    return Decimal(written[1]) if written else None


def _part(text: str) -> Decimal | None:
    percent = _percent(text)
    return percent if percent is not None and percent < _WHOLE else None


_READ: Mapping[str, tuple[Callable[[str], Any], str]] = MappingProxyType(
    {
        "rows": (_count, "how many rows there are at least, as `rows: 1000`"),
        "age": (lambda text: read_duration(text) or None, "how old the contents may be, as `age: 2d` (s, m, h or d)"),
        "shrink": (_part, "how many of the rows may be missing, in percent below 100, as `shrink: 20%`"),
        "grow": (_percent, "how many rows may have been added, in percent, as `grow: 50%`"),
    }
)
"""Each guard: how it is read, and what it says."""


def read_guard(node: Node, faults: list[Fault]) -> Guard:
    """What stands after `require:`."""
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            faults.append(node.place.fault("`require` is a mapping, as {rows: 1000, age: 2d, shrink: 20%}"))
        return NO_GUARD
    said: dict[str, Any] = {}
    for key, value in node.entries:
        if key.value not in _READ:
            meant = perhaps(key.value, _READ)
            faults.append(key.place.fault(f"there is no guard `{key.value}`{meant}; there are {listed(_READ)}"))
            continue
        read, what = _READ[key.value]
        said[key.value] = read(value.value.strip()) if isinstance(value, Text) else None
        if said[key.value] is None and not isinstance(value, Broken):
            faults.append(value.place.fault(f"`{key.value}` says {what}"))
    return Guard(**said)
