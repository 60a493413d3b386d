"""Keeps the tables of one policy: read before it takes effect, and again when their files change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import structlog

from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy import Source, Table
from pm_autoaccept.reference.apart import apart
from pm_autoaccept.reference.fetching import Places, read_source
from pm_autoaccept.reference.looking import Look, look, settled
from pm_autoaccept.reference.tables import read

log = structlog.get_logger()

PATIENCE = timedelta(seconds=10)
"""How long a cycle waits for data that are being read: afterwards it goes on without, and what needs them is held."""

_NOT_YET = NotLearnt("it is still being read")


@dataclass(slots=True, kw_only=True)
class Keeper:
    """The tables of one policy.

    Attributes:
        sources: what the policy declares.
        folder: the policy's.
        now: the clock.
        stirred: set when a table is another than before, or is one no more.
        patience: see `PATIENCE`.
    """

    sources: Mapping[str, Source]
    folder: Path
    now: Callable[[], datetime]
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    patience: timedelta = PATIENCE
    _tables: dict[str, Fact[Table]] = field(default_factory=dict, init=False)
    _looks: dict[str, Look] = field(default_factory=dict, init=False)
    _reading: dict[str, asyncio.Task[None]] = field(default_factory=dict, init=False)

    @property
    def tables(self) -> Mapping[str, Fact[Table]]:
        """Each table as it is now, also later on: not a copy."""
        return MappingProxyType(self._tables)

    async def begin(self, before: Keeper | None = None) -> None:
        """Read every table; what the policy before declared just so, and has not changed since, is taken from there.

        At the program's start nobody is writing, so that what was written a moment ago is not waited for.
        """
        for name, source in self.sources.items():
            known = None if before is None else before.known(source)
            self._tables[name], seen = known or (_NOT_YET, None)
            if seen is not None:
                self._looks[name] = seen
            if known is None:
                self._read(name, settle=before is not None)
        await self.catch_up()

    def known(self, source: Source) -> tuple[Fact[Table], Look | None] | None:
        """What was read of a source that is declared just so, and how its file looked then; None where nothing was."""
        name = source.name
        if self.sources.get(name) != source or name in self._reading:
            return None
        return self._tables[name], self._looks.get(name)

    def why_not(self) -> str | None:
        """Say which data have changed since they were read; None where none have."""
        changed = ", ".join(self._changed())
        return f"the data have changed: {changed}" if changed else None

    def look(self) -> None:
        """Begin to read what has changed."""
        for name in self._changed():
            self._read(name)

    async def catch_up(self) -> None:
        """Read what has changed; what takes longer than patience allows goes on beside."""
        self.look()
        if self._reading:
            await asyncio.wait(self._reading.values(), timeout=self.patience.total_seconds())

    async def close(self) -> None:
        """Wait for nothing any more."""
        tasks = list(self._reading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _changed(self) -> Iterable[str]:
        return [name for name, seen in self._looks.items() if look(self._path(name)) != seen]

    def _path(self, name: str) -> Path:
        return self.folder / (self.sources[name].path or "")

    def _read(self, name: str, *, settle: bool = True) -> None:
        """Begin to read a table, unless it is being read already."""
        if name not in self._reading:
            task = asyncio.create_task(self._read_now(name, settle=settle), name=f"read data {name}")
            self._reading[name] = task
            task.add_done_callback(lambda _: self._reading.pop(name))

    async def _read_now(self, name: str, *, settle: bool) -> None:
        source = self.sources[name]
        if source.path is None:
            self._replace(name, (await read_source(source, Places(self.folder))).table)
            return
        path = self._path(name)
        # Looked at before it is read: what changes in between is noticed as a change.
        if settle:
            await settled(lambda: {name: look(path)}, now=self.now)
        seen = look(path)
        table = await apart(lambda: read({name: source}, self.folder)[name], name=f"read data {name}")
        self._looks[name] = seen
        self._replace(name, table)

    def _replace(self, name: str, table: Fact[Table]) -> None:
        before, self._tables[name] = self._tables[name], table
        if isinstance(table, NotLearnt):
            if before != table:
                log.warning("data_lost", source=name, why=table.why)
                self.stirred.set()
        elif isinstance(before, NotLearnt) or before.digest != table.digest:
            log.info("data_read", source=name, rows=table.rows, digest=table.digest)
            self.stirred.set()
