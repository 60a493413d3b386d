"""`Database`: opens or creates a ledger's database, runs writes on one thread with group commit, reads on another."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from pm_autoaccept.errors import LedgerMismatch, LedgerUnavailable
from pm_autoaccept.ledger.db.engines import (
    DATABASE_ERRORS,
    append_engine,
    file_of,
    ledger_unavailable,
    parse_address,
    read_engine,
    read_only_engine,
    write_engine,
)
from pm_autoaccept.ledger.db.group_commit import TRANSACTION_TIMEOUT_S, Writer
from pm_autoaccept.ledger.db.ledger_identity import LedgerIdentity
from pm_autoaccept.ledger.db.migrations import check_version, has_tables, prepare_tables
from pm_autoaccept.ledger.db.sqlite_file import OpenFile, ledger_file_exists, publish, temporary_file

R = TypeVar("R")
Item = TypeVar("Item")


class Database:
    """A ledger's database. Open it with `await Database.open(url)`, close it with `await database.close()`.

    All writes run on one thread, so that the event loop never waits for the disk and SQLite has one writer. Long reads
    run on another thread, so that no answer waits for them.

    Before each write transaction and each read, `Database` checks that it still uses the ledger that was opened: a file
    or a database may be deleted, replaced or restored at any time.

    Args:
        engine: for writes, and for reads if there is no other.
        reading: the engine for reads; None for a ledger in memory.
        path: the ledger's file; None if it has none or is only read.
        read_only: nothing is written, so a read may take long: nobody waits for it.
    """

    def __init__(
        self,
        engine: Engine,
        read_engine: Engine | None = None,
        *,
        path: Path | None = None,
        read_only: bool = False,
    ) -> None:
        self._engine = engine
        self._reading = read_engine
        self._identity = LedgerIdentity(path or engine.url.database or "")
        self._files = {
            each: OpenFile(path, each, check_identity=self._identity.check)
            for each in (engine, read_engine)
            if each is not None and path is not None
        }
        self._writer = Writer(
            engine,
            check=lambda: self._check_file(engine),
            begun=self._check_identity,
            timeout_s=None if read_only else TRANSACTION_TIMEOUT_S,
        )
        self._seen: tuple[sqlite3.Connection, object] | None = None
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger-reads")

    @classmethod
    async def open(
        cls, url: str, *, read_only: bool = False, prepare: Callable[[Connection], object] | None = None
    ) -> Self:
        """Open the database and migrate its tables, or open it read-only.

        If there is no file, a new ledger is created as a complete private file, which then gets its name. So a file
        without tables is a damaged ledger or not a ledger, and is refused. In PostgreSQL a new ledger is created, but
        an existing one is only checked, because other replicas may use it.

        Args:
            url: `sqlite:///FILE`, `sqlite://` for one in memory, or `postgresql://…`.
            read_only: write, create, migrate and lock nothing; works with a write-protected copy.
            prepare: what to do with the tables first, instead of migrating or checking them.

        Raises:
            ConfigurationError: the address is not a valid ledger address.
            LedgerUnavailable: the file cannot be opened, is empty or not a regular file, or the database cannot be
                reached.
            LedgerMismatch: the file is not a ledger, was written by a newer program version, or needs a migration that
                is not done here.
        """
        where = parse_address(url)
        path, work = file_of(where), prepare or (check_version if read_only else prepare_tables)
        there = path is not None and ledger_file_exists(path)
        if path is not None and not there and not read_only and await cls._made(where, path, work):
            work = has_tables  # the tables were just created
        database = (
            cls(read_only_engine(where), read_only=True)
            if read_only
            else cls(write_engine(where), read_engine(where), path=path)
        )
        try:
            await database.run_on_schema(partial(database._prepare, work=work, kept_in=path))  # noqa: SLF001 — its own class
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    async def open_to_append(cls, url: str) -> Self:
        """Open an existing ledger to append a row; it is neither created nor migrated.

        Raises:
            ConfigurationError, LedgerUnavailable, LedgerMismatch: as `open`; also if it cannot be written.
        """
        where = parse_address(url)
        path = file_of(where)
        if path is not None and not ledger_file_exists(path):
            raise LedgerUnavailable(f"no ledger at {path}")
        database = cls(append_engine(where), read_only_engine(where))
        try:
            await database.run(partial(database._prepare, work=check_version, kept_in=path))
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    async def _made(cls, where: URL, path: Path, work: Callable[[Connection], object]) -> bool:
        """Create a new ledger; False if another process did so at the same moment."""
        with temporary_file(path) as new:
            database = cls(write_engine(where.set(database=str(new))))
            try:
                await database.run_on_schema(work)
            finally:
                await database.close()
            return publish(new, path)

    def _prepare(self, connection: Connection, *, work: Callable[[Connection], object], kept_in: Path | None) -> None:
        if kept_in is not None and not has_tables(connection):
            raise LedgerMismatch(
                f"{kept_in} is not a ledger: it is a database without a ledger's tables. If it was one, restore a "
                "copy; otherwise choose another file with --ledger"
            )
        work(connection)
        if kept_in is None or self._files:
            self._identity.load(connection)

    async def close(self) -> None:
        """Finish waiting work, then close the database and the threads."""
        await self._writer.close()
        self._reader.shutdown(wait=False)
        loop = asyncio.get_running_loop()
        for engine in (self._engine, self._reading):
            if engine is not None:
                await loop.run_in_executor(None, engine.dispose)

    async def run(self, work: Callable[[Connection], R]) -> R:
        """Run work that writes. It is durable when this returns; database errors become `LedgerUnavailable`.

        The work may run again if other work in the same transaction failed, so it must have no other effects.
        """
        result: R = await self._writer.run(_each, work)
        return result

    async def run_grouped(self, handler: Callable[[Connection, Sequence[Item]], Sequence[Any]], item: Item) -> Any:  # noqa: ANN401 — the handler's own type
        """Run one item's work, as `run` does, grouped with other items that wait for the same handler.

        The handler returns a result for each item. A result that is an exception is raised to that item's caller only.
        """
        return await self._writer.run(handler, item, may_wait=True)

    async def read(self, work: Callable[[Connection], R]) -> R:
        """Run work that only reads, in parallel with writes. It sees everything written before it began."""
        if self._reading is None:
            return await self.run(work)
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._read, self._reading, work)

    def _read(self, engine: Engine, work: Callable[[Connection], R], *, reconnected: bool = False) -> R:
        self._check_file(engine)
        try:
            with engine.begin() as connection:
                self._identity.check(connection)
                return work(connection)
        except DATABASE_ERRORS as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated and not reconnected:
                return self._read(engine, work, reconnected=True)
            raise ledger_unavailable(engine.url, error) from None

    def _check_identity(self, connection: Connection) -> None:
        """Raise `LedgerUnavailable` unless this is the ledger that was opened and contains our last intent.

        In SQLite it is checked only if another connection has written since the last check; that query takes 2 µs.
        """
        raw, seen = connection.connection.driver_connection, None
        if isinstance(raw, sqlite3.Connection):
            try:
                seen = raw, raw.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error as error:
                raise ledger_unavailable(self._engine.url, error) from None
        if seen is None or seen != self._seen:
            self._identity.check(connection)
            self._seen = seen

    def _check_file(self, engine: Engine) -> None:
        """Raise `LedgerUnavailable` unless the ledger's path still leads to the file that this engine has open."""
        if engine in self._files:
            self._files[engine].check()

    @property
    def identity(self) -> LedgerIdentity:
        """The ledger's id and age, and the last intent that this process recorded in it."""
        return self._identity

    async def run_on_schema(self, work: Callable[[Connection], R]) -> R:
        """Run work that changes the schema. SQLite rebuilds a table to change it, so foreign keys are off meanwhile."""
        before, self._writer.transaction_timeout_s = self._writer.transaction_timeout_s, None  # a table takes a while
        try:
            return await self._run_on_schema(work)
        finally:
            self._writer.transaction_timeout_s = before

    async def _run_on_schema(self, work: Callable[[Connection], R]) -> R:
        if self._engine.dialect.name != "sqlite":
            return await self.run(work)
        await self._writer.on_thread(lambda: self._foreign_keys(on=False))
        try:
            return await self.run(work)
        finally:
            await self._writer.on_thread(lambda: self._foreign_keys(on=True))

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite, in a file or in memory, rather than PostgreSQL."""
        return self._engine.dialect.name == "sqlite"

    async def compact(self) -> bool:
        """Rewrite SQLite's file and its log, so that they no longer contain changed or deleted data.

        Returns:
            Whether that data is gone. False while another process reads the file, and always in PostgreSQL.

        Raises:
            LedgerUnavailable: the file cannot be rewritten.
        """
        return self.is_sqlite and bool(await self._writer.on_thread(self._compact))

    def _compact(self) -> bool:
        self._check_file(self._engine)
        try:
            with self._engine.connect() as connection:
                raw = connection.connection.driver_connection
                if not isinstance(raw, sqlite3.Connection):
                    return False
                raw.execute("VACUUM")
                # The rewritten pages are in the log. The old ones are gone only once the log is emptied.
                busy, _, _ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                return not busy
        except (sqlite3.Error, *DATABASE_ERRORS) as error:
            raise ledger_unavailable(self._engine.url, error) from None

    def _foreign_keys(self, *, on: bool) -> None:
        try:
            with self._engine.connect() as connection:
                raw = connection.connection.driver_connection
                if isinstance(raw, sqlite3.Connection):
                    raw.execute(f"PRAGMA foreign_keys = {'ON' if on else 'OFF'}")
        except DATABASE_ERRORS as error:
            raise ledger_unavailable(self._engine.url, error) from None


def _each(connection: Connection, works: Sequence[Callable[[Connection], Any]]) -> list[Any]:
    return [work(connection) for work in works]
