"""Refreshes the data sources of a policy: before it takes effect, when a file changes, and at each interval."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import structlog

from pm_autoaccept.data_sources.fetch import Places, read_source
from pm_autoaccept.data_sources.file_stamps import Look, look, settled
from pm_autoaccept.data_sources.source_content import Reading, doubt
from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy import Form, Source, Table

log = structlog.get_logger()

PATIENCE = timedelta(seconds=10)
"""How long a cycle waits for data that is being read. After that, requests that need the data are held."""

SOONER = timedelta(minutes=1)
"""How soon a failed read is retried, unless the refresh interval is shorter."""

LONGEST = timedelta(minutes=5)
"""The timeout of a read. After it, the earlier contents no longer apply either."""

_NOT_YET = Reading(table=NotLearnt("it is still being read"))
_AFAR = frozenset({Form.SQL, Form.URL})
"""Remote sources, whose changes are found only by reading them."""


@dataclass(slots=True)
class _Kept:
    """The state of one source.

    Attributes:
        reading: the result of the last read.
        begun: when the last read, or the one in progress, started.
        seen: the stamp of its file just before that read.
        task: the read in progress.
        hangs: the read in progress has exceeded its timeout.
    """

    source: Source
    reading: Reading = _NOT_YET
    begun: datetime | None = None
    seen: Look | None = None
    task: asyncio.Task[None] | None = None
    hangs: bool = False


@dataclass(slots=True, kw_only=True)
class Keeper:
    """Keeps the tables of one policy up to date.

    Attributes:
        sources: what the policy declares.
        places: where they are.
        now: the clock.
        stirred: set when a table has changed or can no longer be read.
        patience: see `PATIENCE`.
        tells: whether each read is logged; a command that reads once prints its own result.
    """

    sources: Mapping[str, Source]
    places: Places
    now: Callable[[], datetime]
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    patience: timedelta = PATIENCE
    tells: bool = True
    _kept: dict[str, _Kept] = field(default_factory=dict, init=False)
    _tables: dict[str, Fact[Table]] = field(default_factory=dict, init=False)
    _dated: dict[str, datetime | None] = field(default_factory=dict, init=False)

    @property
    def tables(self) -> Mapping[str, Fact[Table]]:
        """The current table of each source: a live view, not a copy."""
        return MappingProxyType(self._tables)

    @property
    def dated(self) -> Mapping[str, datetime | None]:
        """The date of the contents of each source: a live view; None if unknown."""
        return MappingProxyType(self._dated)

    @property
    def readings(self) -> Mapping[str, Reading]:
        """The result of the last read of each source."""
        return {name: kept.reading for name, kept in self._kept.items()}

    async def begin(self, before: Keeper | None = None) -> None:
        """Read every source. Sources that the previous policy declared identically are taken over from it.

        At program start nobody is writing, so a file that was just written is read without waiting.
        """
        for name, source in self.sources.items():
            known = None if before is None else before.known(source)
            self._kept[name] = known or _Kept(source)
            self._replace(self._kept[name])
            if known is None:
                self._read(self._kept[name], settle=before is not None)
        await self.catch_up()

    def known(self, source: Source) -> _Kept | None:
        """The state of an identically declared source that is not being read; None otherwise."""
        kept = self._kept.get(source.name)
        return kept if kept is not None and kept.source == source and kept.task is None else None

    def blocked_reason(self) -> str | None:
        """Which data files have changed since they were read; None if none have."""
        changed = ", ".join(name for name, kept in self._kept.items() if self._changed(kept))
        return f"data files have changed: {changed}" if changed else None

    def look(self) -> None:
        """Start reading the sources that have changed or are due."""
        for kept in self._kept.values():
            if self._changed(kept):
                self._read(kept)
            elif self._due(kept):
                if not self._within(kept, kept.source.refresh + LONGEST):
                    # Too old to use, for example after the machine was suspended.
                    self._take(kept, _NOT_YET)
                self._read(kept)
            elif kept.task is not None and not kept.hangs and not self._within(kept, LONGEST):
                kept.hangs = True
                self._take(kept, doubt(kept.source, f"timed out after {LONGEST.total_seconds() / 60:g} minutes"))

    async def catch_up(self) -> None:
        """Read what has changed; a read that takes longer than `patience` continues in the background.

        Remote sources are waited for only if nothing is known of them yet.
        """
        self.look()
        tasks = [
            kept.task
            for kept in self._kept.values()
            if kept.task is not None and (kept.source.form not in _AFAR or kept.reading is _NOT_YET)
            if self._within(kept, self.patience)
        ]
        if tasks:
            await asyncio.wait(tasks, timeout=self.patience.total_seconds())

    async def close(self) -> None:
        """Cancel all reads in progress."""
        tasks = [kept.task for kept in self._kept.values() if kept.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _path(self, kept: _Kept) -> Path:
        return self.places.folder / (kept.source.path or "")

    def _changed(self, kept: _Kept) -> bool:
        return kept.seen is not None and look(self._path(kept)) != kept.seen

    def _due(self, kept: _Kept) -> bool:
        """Whether a remote source is due for a refresh, also after the clock was set back."""
        if kept.task is not None or kept.source.form not in _AFAR:
            return False
        bad = isinstance(kept.reading.table, NotLearnt)
        wait = min(kept.source.refresh, SOONER) if bad else kept.source.refresh
        return not self._within(kept, wait)

    def _within(self, kept: _Kept, length: timedelta) -> bool:
        """Whether its last read started within this time, and not in the future."""
        return kept.begun is not None and timedelta(0) <= self.now() - kept.begun < length

    def _read(self, kept: _Kept, *, settle: bool = True) -> None:
        """Start reading a source, unless it is already being read."""
        if kept.task is None:
            kept.begun, kept.hangs = self.now(), False
            kept.task = asyncio.create_task(self._read_now(kept, settle=settle), name=f"read data {kept.source.name}")

    async def _read_now(self, kept: _Kept, *, settle: bool) -> None:
        try:
            seen = None
            if kept.source.path is not None:
                path = self._path(kept)
                if settle:
                    await settled(lambda: {"": look(path)}, now=self.now)
                # Stamped before it is read, so that a change in between is detected.
                seen = look(path)
            before = None if isinstance(kept.reading.table, NotLearnt) else kept.reading
            try:
                reading = await read_source(kept.source, self.places, before=before)
            except Exception as error:
                log.exception("data_not_read", source=kept.source.name)
                reading = doubt(kept.source, f"internal error: {error!r}")
            kept.seen = seen
            self._take(kept, reading)
        finally:
            kept.task = None

    def _take(self, kept: _Kept, reading: Reading) -> None:
        """Put the result of a read into effect."""
        before, kept.reading = kept.reading, reading
        self._replace(kept)
        table = reading.table
        if isinstance(table, NotLearnt):
            if before.table == table:
                return
            log.warning("data_lost", source=kept.source.name, why=table.why)
        elif isinstance(before.table, NotLearnt) or before.table.digest != table.digest:
            if self.tells:
                log.info("data_read", source=kept.source.name, rows=table.rows, digest=table.digest)
        elif before.dated == reading.dated:
            return
        self.stirred.set()

    def _replace(self, kept: _Kept) -> None:
        self._tables[kept.source.name], self._dated[kept.source.name] = kept.reading.table, kept.reading.dated
