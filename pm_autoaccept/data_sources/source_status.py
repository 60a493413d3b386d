"""What each data source holds now, read once: for commands that show it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pm_autoaccept.data_sources.fetch import Places, read_source
from pm_autoaccept.data_sources.source_content import Reading
from pm_autoaccept.model import Fact, NotLearnt, Remembered
from pm_autoaccept.policy import Source, Table, weigh
from pm_autoaccept.policy.data.remarks import Remark


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """One source.

    Attributes:
        reading: what it holds.
        table: the same where it is good; else why it is not.
    """

    source: Source
    reading: Reading
    table: Fact[Table]

    @property
    def why_not(self) -> str | None:
        """Why it is not good; None where it is."""
        return self.table.why if isinstance(self.table, NotLearnt) else None

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What is remarkable about its rows, also where a guard is broken."""
        return () if isinstance(self.reading.table, NotLearnt) else self.reading.table.remarks


async def take_stock(
    sources: Mapping[str, Source], places: Places, *, remembered: Fact[Mapping[str, Remembered]], now: datetime
) -> tuple[Stock, ...]:
    """Read every source at once, and weigh it.

    Args:
        sources: what a policy declares.
        places: where they may be.
        remembered: what the ledger remembers of them.
        now: the time, which is taken to be right.
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
