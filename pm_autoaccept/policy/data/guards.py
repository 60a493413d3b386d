"""Guards of a data table (`require`: minimum rows, maximum age, shrink and grow): parses them and applies them.

A table that fails a guard counts as not learnt, so that every request that depends on it is held.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Fact, NotLearnt, SourceHistory
from pm_autoaccept.policy.data.sources import NO_GUARD, Guard, Source
from pm_autoaccept.policy.data.tables import Table
from pm_autoaccept.policy.durations import read_duration, written_duration
from pm_autoaccept.policy.messages import counted, listed, perhaps
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Node, Text

_COUNT = re.compile(r"[0-9]{1,9}|[0-9]{1,3}(?:,[0-9]{3}){1,2}")
_PERCENT = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,3})?)%")
_WHOLE = Decimal(100)
_NOTHING = SourceHistory()

AHEAD = timedelta(days=1)
"""How far in the future contents may be dated, because a day begins earlier in other time zones."""


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
        "rows": (_count, "use the minimum number of rows, for example `rows: 1000`"),
        "age": (lambda text: read_duration(text) or None, "use a number and s, m, h or d, for example `age: 2d`"),
        "shrink": (_part, "use a percentage below 100 by which the rows may decrease, for example `shrink: 20%`"),
        "grow": (_percent, "use a percentage by which the rows may increase, for example `grow: 50%`"),
    }
)
"""Each guard: its parser, and what to write."""


def read_guard(node: Node, faults: list[Fault]) -> Guard:
    """Parse the value of `require:`."""
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            faults.append(
                node.place.fault("`require` must be a mapping, for example {rows: 1000, age: 2d, shrink: 20%}")
            )
        return NO_GUARD
    said: dict[str, Any] = {}
    for key, value in node.entries:
        if key.value not in _READ:
            meant = perhaps(key.value, _READ)
            faults.append(key.place.fault(f"unknown guard `{key.value}`{meant}; known guards: {listed(_READ)}"))
            continue
        read, what = _READ[key.value]
        said[key.value] = read(value.value.strip()) if isinstance(value, Text) else None
        if said[key.value] is None and not isinstance(value, Broken):
            faults.append(value.place.fault(f"invalid `{key.value}`; {what}"))
    return Guard(**said)


def weigh(
    sources: Mapping[str, Source],
    tables: Mapping[str, Fact[Table]],
    *,
    dated: Mapping[str, datetime | None],
    remembered: Fact[Mapping[str, SourceHistory]],
    time: Fact[datetime],
) -> Mapping[str, Fact[Table]]:
    """Apply the guards: each table that passes them, or the reason why it does not.

    Args:
        sources: what the policy declares.
        tables: as they were read.
        dated: the dates of their contents, None if unknown.
        remembered: what the ledger remembers of each source.
        time: now; not learnt while our clock cannot be trusted.
    """
    weighed = {}
    for name, source in sources.items():
        table = tables.get(name, NotLearnt("it was not read"))
        if isinstance(table, Table) and source.guarded:
            why = _why_not(source.require, table, dated=dated.get(name), remembered=remembered, time=time)
            table = table if why is None else NotLearnt(f"{source.where}: {why}")
        weighed[name] = table
    return weighed


def _why_not(
    guard: Guard,
    table: Table,
    *,
    dated: datetime | None,
    remembered: Fact[Mapping[str, SourceHistory]],
    time: Fact[datetime],
) -> str | None:
    if isinstance(remembered, NotLearnt):
        return f"its earlier contents are unknown: {remembered.why}"
    before = remembered.get(table.name, _NOTHING)
    confirmed = before.confirmed.get(table.digest)
    if confirmed is not None:
        # A person confirmed exactly these contents. Only their age is checked, counted from the confirmation.
        broken = _too_old(guard, dated if dated is None else max(dated, confirmed), time) if guard.age else None
    else:
        broken = next(_broken(guard, table.rows, before, dated, time), None)
    return broken and f"{broken}. If this is correct, run `pm-autoaccept data confirm {table.name}`"


def _broken(
    guard: Guard, rows: int, before: SourceHistory, dated: datetime | None, time: Fact[datetime]
) -> Iterator[str]:
    has = f"it has {counted(rows, 'row')}"
    if guard.rows is not None and rows < guard.rows:
        yield f"{has}; the policy requires at least {guard.rows:,}"
    if guard.shrink is not None and before.most is not None and rows < before.most * (1 - guard.shrink / _WHOLE):
        yield f"{has}, down from {before.most:,}; the policy allows at most {guard.shrink}% fewer"
    if guard.grow is not None and before.least is not None and rows > before.least * (1 + guard.grow / _WHOLE):
        yield f"{has}, up from {before.least:,}; the policy allows at most {guard.grow}% more"
    if guard.age is not None and (old := _too_old(guard, dated, time)) is not None:
        yield old


def _too_old(guard: Guard, dated: datetime | None, time: Fact[datetime]) -> str | None:
    if guard.age is None:
        return None
    if dated is None:
        return "the date of its contents is unknown; name the column that contains it with `dated: COLUMN`"
    if isinstance(time, NotLearnt):
        return f"its age is unknown: {time.why}"
    if dated - time > AHEAD:
        return f"its contents are dated {dated:%Y-%m-%d}, which is in the future"
    if time - dated > guard.age:
        return (
            f"its contents are from {dated:%Y-%m-%d %H:%M} UTC; the policy allows at most {written_duration(guard.age)}"
        )
    return None
