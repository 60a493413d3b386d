"""Keeps the data of one policy: read before it takes effect, and again when a file changes or its time has come."""

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
"""How long a cycle waits for data that are being read: afterwards it goes on without, and what needs them is held."""

SOONER = timedelta(minutes=1)
"""After so long what could not be read is tried again, where it is not to be read sooner anyway."""

LONGEST = timedelta(minutes=5)
"""A source that takes longer than this does not answer, and what it said before is in force no more."""

_NOT_YET = Reading(table=NotLearnt("it is still being read"))
_AFAR = frozenset({Form.SQL, Form.URL})
"""Forms whose changes are seen only by asking."""


@dataclass(slots=True)
class _Kept:
    """One source.

    Attributes:
        reading: what it brought when it was last read.
        begun: when that, or what is being read, was begun.
        seen: how its file looked just before.
        task: reads it now.
        hangs: that takes too long.
    """

    source: Source
    reading: Reading = _NOT_YET
    begun: datetime | None = None
    seen: Look | None = None
    task: asyncio.Task[None] | None = None
    hangs: bool = False


@dataclass(slots=True, kw_only=True)
class Keeper:
    """The data of one policy.

    Attributes:
        sources: what the policy declares.
        places: where they may be.
        now: the clock.
        stirred: set when a table is another than before, or is one no more.
        patience: see `PATIENCE`.
        tells: whether it is logged that data were read; a command that looks once says itself what it found.
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
        """Each table as it is now, also later on: not a copy."""
        return MappingProxyType(self._tables)

    @property
    def dated(self) -> Mapping[str, datetime | None]:
        """When the contents of each are from, also later on; None where nobody says."""
        return MappingProxyType(self._dated)

    @property
    def readings(self) -> Mapping[str, Reading]:
        """What each source brought when it was last read."""
        return {name: kept.reading for name, kept in self._kept.items()}

    async def begin(self, before: Keeper | None = None) -> None:
        """Read every source; what the policy before declared just so is taken from there.

        At the program's start nobody is writing, so that what was written a moment ago is not waited for.
        """
        for name, source in self.sources.items():
            known = None if before is None else before.known(source)
            self._kept[name] = known or _Kept(source)
            self._replace(self._kept[name])
            if known is None:
                self._read(self._kept[name], settle=before is not None)
        await self.catch_up()

    def known(self, source: Source) -> _Kept | None:
        """A source that is declared just so and is not being read; None where it is otherwise."""
        kept = self._kept.get(source.name)
        return kept if kept is not None and kept.source == source and kept.task is None else None

    def why_not(self) -> str | None:
        """Say which files of data have changed since they were read; None where none have."""
        changed = ", ".join(name for name, kept in self._kept.items() if self._changed(kept))
        return f"the data have changed: {changed}" if changed else None

    def look(self) -> None:
        """Begin to read what has changed, and what is to be read again."""
        for kept in self._kept.values():
            if self._changed(kept):
                self._read(kept)
            elif self._due(kept):
                if not self._within(kept, kept.source.refresh + LONGEST):
                    # Nobody has looked for long, as when the machine slept: what it said then is in force no more.
                    self._take(kept, _NOT_YET)
                self._read(kept)
            elif kept.task is not None and not kept.hangs and not self._within(kept, LONGEST):
                kept.hangs = True
                self._take(kept, doubt(kept.source, f"no answer has come in {LONGEST.total_seconds() / 60:g} minutes"))

    async def catch_up(self) -> None:
        """Read what has changed; what takes longer than patience allows goes on beside.

        What is asked from afar is waited for only where nothing is known of it.
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
        """Wait for nothing any more."""
        tasks = [kept.task for kept in self._kept.values() if kept.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _path(self, kept: _Kept) -> Path:
        return self.places.folder / (kept.source.path or "")

    def _changed(self, kept: _Kept) -> bool:
        return kept.seen is not None and look(self._path(kept)) != kept.seen

    def _due(self, kept: _Kept) -> bool:
        """Whether a source afar is to be asked again; also where our clock was set back meanwhile."""
        if kept.task is not None or kept.source.form not in _AFAR:
            return False
        bad = isinstance(kept.reading.table, NotLearnt)
        wait = min(kept.source.refresh, SOONER) if bad else kept.source.refresh
        return not self._within(kept, wait)

    def _within(self, kept: _Kept, length: timedelta) -> bool:
        """Whether its last reading was begun so lately, and not in a time to come."""
        return kept.begun is not None and timedelta(0) <= self.now() - kept.begun < length

    def _read(self, kept: _Kept, *, settle: bool = True) -> None:
        """Begin to read a source, unless it is being read already."""
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
                # Looked at before it is read: what changes in between is noticed as a change.
                seen = look(path)
            before = None if isinstance(kept.reading.table, NotLearnt) else kept.reading
            try:
                reading = await read_source(kept.source, self.places, before=before)
            except Exception as error:
                log.exception("data_not_read", source=kept.source.name)
                reading = doubt(kept.source, f"a fault of the program: {error!r}")
            kept.seen = seen
            self._take(kept, reading)
        finally:
            kept.task = None

    def _take(self, kept: _Kept, reading: Reading) -> None:
        """Let what was read be in force."""
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
