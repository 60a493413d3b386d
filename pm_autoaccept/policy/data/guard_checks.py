"""Whether a table may be relied on: what `require` asks of it, beside what is remembered and the time.

A table that is not good is not learnt: whatever depends on it is held.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from pm_autoaccept.model import Fact, NotLearnt, Remembered
from pm_autoaccept.policy.data.sources import Guard, Source
from pm_autoaccept.policy.data.tables import Table
from pm_autoaccept.policy.durations import written_duration
from pm_autoaccept.policy.messages import counted

AHEAD = timedelta(days=1)
"""How far ahead of us contents may be dated: a day begins elsewhere before it does here."""

_NOTHING = Remembered()
_WHOLE = Decimal(100)


def weigh(
    sources: Mapping[str, Source],
    tables: Mapping[str, Fact[Table]],
    *,
    dated: Mapping[str, datetime | None],
    remembered: Fact[Mapping[str, Remembered]],
    time: Fact[datetime],
) -> Mapping[str, Fact[Table]]:
    """Each table that is good; of each other, why not.

    Args:
        sources: what the policy declares.
        tables: as they were read.
        dated: when their contents are from, None where nobody says.
        remembered: what is remembered of each source.
        time: now; not learnt where our clock cannot be trusted.
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
    remembered: Fact[Mapping[str, Remembered]],
    time: Fact[datetime],
) -> str | None:
    if isinstance(remembered, NotLearnt):
        return f"what it held before is not known: {remembered.why}"
    before = remembered.get(table.name, _NOTHING)
    confirmed = before.confirmed.get(table.digest)
    if confirmed is not None:
        # Somebody took just these contents as good. They grow old all the same, from then on.
        broken = _too_old(guard, dated if dated is None else max(dated, confirmed), time) if guard.age else None
    else:
        broken = next(_broken(guard, table.rows, before, dated, time), None)
    return broken and f"{broken}. If that is right, say `pm-autoaccept data confirm {table.name}`"


def _broken(guard: Guard, rows: int, before: Remembered, dated: datetime | None, time: Fact[datetime]) -> Iterator[str]:
    has = f"it has {counted(rows, 'row')}"
    if guard.rows is not None and rows < guard.rows:
        yield f"{has}, and the policy requires {guard.rows:,} at least"
    if guard.shrink is not None and before.most is not None and rows < before.most * (1 - guard.shrink / _WHOLE):
        yield f"{has} and had {before.most:,}, and the policy allows {guard.shrink}% fewer at most"
    if guard.grow is not None and before.least is not None and rows > before.least * (1 + guard.grow / _WHOLE):
        yield f"{has} and had {before.least:,}, and the policy allows {guard.grow}% more at most"
    if guard.age is not None and (old := _too_old(guard, dated, time)) is not None:
        yield old


def _too_old(guard: Guard, dated: datetime | None, time: Fact[datetime]) -> str | None:
    if guard.age is None:
        return None
    if dated is None:
        return "nobody says when its contents are from; name the column that does, as `dated: COLUMN`"
    if isinstance(time, NotLearnt):
        return f"how old it is cannot be said: {time.why}"
    if dated - time > AHEAD:
        return f"its contents are dated {dated:%Y-%m-%d}, which is yet to come"
    if time - dated > guard.age:
        return f"its contents are from {dated:%Y-%m-%d %H:%M} UTC, and may be {written_duration(guard.age)} old at most"
    return None
