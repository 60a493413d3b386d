"""Status of each data source (rows, date, failed guards, remarks), for `data`, `doctor` and `check`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pm_autoaccept.data_sources.fetch import Places, read_source
from pm_autoaccept.data_sources.source_content import Reading
from pm_autoaccept.model import Fact, NotLearnt, SourceHistory
from pm_autoaccept.policy import Source, Table, weigh
from pm_autoaccept.policy.data.remarks import Remark


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """The status of one source.

    Attributes:
        reading: what it holds.
        table: its table if it passes its guards, else why not.
    """

    source: Source
    reading: Reading
    table: Fact[Table]

    @property
    def why_not(self) -> str | None:
        """Why the table cannot be used; None if it can."""
        return self.table.why if isinstance(self.table, NotLearnt) else None

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """The remarks about its rows, even if a guard fails."""
        return () if isinstance(self.reading.table, NotLearnt) else self.reading.table.remarks


async def take_stock(
    sources: Mapping[str, Source], places: Places, *, remembered: Fact[Mapping[str, SourceHistory]], now: datetime
) -> tuple[Stock, ...]:
    """Read all sources concurrently and apply their guards.

    Args:
        sources: what a policy declares.
        places: where they are.
        remembered: what the ledger remembers of them.
        now: the time, assumed to be right.
    """
    read = await asyncio.gather(*(read_source(source, places) for source in sources.values()))
    readings = dict(zip(sources, read, strict=True))
    weighed = weigh(
        sources,
        {name: reading.table for name, reading in readings.items()},
        dated={name: reading.dated for name, reading in readings.items()},
        remembered=remembered,
        time=now,
    )
    return tuple(Stock(source=source, reading=readings[name], table=weighed[name]) for name, source in sources.items())
