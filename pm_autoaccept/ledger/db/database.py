"""Opens the database and runs work in it: what writes on one thread, by group commit, what reads beside it."""

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

    All that writes runs on one thread of its own, so that the event loop never waits for the disk and SQLite has one
    writer; what reads long has another, so that no answer waits for it.

    Before each transaction that writes, and each read beside them, it is checked that they still go to the ledger that
    was opened: a file, or a database, may be deleted, replaced or restored at any time.

    Args:
        engine: writes; reads too where there is no other.
        reading: reads, None for a ledger in memory.
        path: of the file in which it is kept; None where it is in none, or is only read.
    """

    def __init__(self, engine: Engine, read_engine: Engine | None = None, *, path: Path | None = None) -> None:
        self._engine = engine
        self._reading = read_engine
        self._identity = LedgerIdentity(path or engine.url.database or "")
        self._files = {
            each: OpenFile(path, each, stands=self._identity.stands)
            for each in (engine, read_engine)
            if each is not None and path is not None
        }
        self._writer = Writer(engine, check=lambda: self._check(engine), begun=self._stands)
        self._seen: tuple[sqlite3.Connection, object] | None = None
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger-reads")

    @classmethod
    async def open(
        cls, url: str, *, read_only: bool = False, prepare: Callable[[Connection], object] | None = None
    ) -> Self:
        """Open the database and bring its tables up to date, or open it only to read.

        Where there is no file, a new ledger is made: private, whole, then under its name. So a file without tables is a
        damaged ledger or none at all, and is refused. A ledger in PostgreSQL is made where there is none, and otherwise
        only checked: other replicas may work on it.

        Args:
            url: `sqlite:///FILE`, `sqlite://` for one in memory, or `postgresql://…`.
            read_only: nothing is written, made, migrated or locked; a copy that cannot be written to will do.
            prepare: what is done with the tables first, instead of that.

        Raises:
            ConfigurationError: the address is not one of a ledger.
            LedgerUnavailable: the file cannot be opened, is empty or no file at all, or the database cannot be
                reached.
            LedgerMismatch: there is no ledger in the file, or one that was written by a newer program, or an older one
                that is not brought up to date here.
        """
        where = parse_address(url)
        path, work = file_of(where), prepare or (check_version if read_only else prepare_tables)
        there = path is not None and ledger_file_exists(path)
        if path is not None and not there and not read_only and await cls._made(where, path, work):
            work = has_tables  # which it is
        database = (
            cls(read_only_engine(where)) if read_only else cls(write_engine(where), read_engine(where), path=path)
        )
        try:
            await database.run_on_schema(partial(database._prepare, work=work, kept_in=path))  # noqa: SLF001 — its own class
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    async def open_to_append(cls, url: str) -> Self:
        """Open a ledger that is there, to add a row to it: it is neither made nor migrated.

        Raises:
            ConfigurationError, LedgerUnavailable, LedgerMismatch: as `open`; also where it cannot be written.
        """
        where = parse_address(url)
        path = file_of(where)
        if path is not None and not ledger_file_exists(path):
            raise LedgerUnavailable(f"there is no ledger at {path}")
        database = cls(append_engine(where), read_only_engine(where))
        try:
            await database.run(partial(database._prepare, work=check_version, kept_in=path))
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    async def _made(cls, where: URL, path: Path, work: Callable[[Connection], object]) -> bool:
        """Make a new ledger; False where another process did in the same moment."""
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
                f"{kept_in} is no ledger: it is a database without a ledger's tables. If it was one, restore a copy; "
                "else name another file with --ledger"
            )
        work(connection)
        if kept_in is None or self._files:
            self._identity.learn(connection)

    async def close(self) -> None:
        """Finish what waits, then give back the database and the threads."""
        await self._writer.close()
        self._reader.shutdown(wait=False)
        loop = asyncio.get_running_loop()
        for engine in (self._engine, self._reading):
            if engine is not None:
                await loop.run_in_executor(None, engine.dispose)

    async def run(self, work: Callable[[Connection], R]) -> R:
        """Run work that writes, durable when it returns; the database's errors become `LedgerUnavailable`.

        It may be run again where other work in the same transaction failed, so it must have no effect elsewhere.
        """
        result: R = await self._writer.run(_each, work)
        return result

    async def run_grouped(self, handler: Callable[[Connection, Sequence[Item]], Sequence[Any]], item: Item) -> Any:  # noqa: ANN401 — the handler's own type
        """Do one item's work, as `run`, together with others that wait for the same handler.

        The handler returns a result for each of its items; an exception is raised to that item's caller alone.
        """
        return await self._writer.run(handler, item, may_wait=True)

    async def read(self, work: Callable[[Connection], R]) -> R:
        """Run work that only reads, beside the work that writes: it sees all that had been written before it began."""
        if self._reading is None:
            return await self.run(work)
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._read, self._reading, work)

    def _read(self, engine: Engine, work: Callable[[Connection], R], *, reconnected: bool = False) -> R:
        self._check(engine)
        try:
            with engine.begin() as connection:
                self._identity.stands(connection)
                return work(connection)
        except DATABASE_ERRORS as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated and not reconnected:
                return self._read(engine, work, reconnected=True)
            raise ledger_unavailable(engine.url, error) from None

    def _stands(self, connection: Connection) -> None:
        """Raise `LedgerUnavailable` unless it is the ledger that was opened, with our last intent in it.

        In SQLite only when another connection has written since it was looked at last: asking that takes 2 µs.
        """
        raw, seen = connection.connection.driver_connection, None
        if isinstance(raw, sqlite3.Connection):
            try:
                seen = raw, raw.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error as error:
                raise ledger_unavailable(self._engine.url, error) from None
        if seen is None or seen != self._seen:
            self._identity.stands(connection)
            self._seen = seen

    def _check(self, engine: Engine) -> None:
        """Raise `LedgerUnavailable` unless what this engine has open is still what the ledger's path leads to."""
        if engine in self._files:
            self._files[engine].check()

    @property
    def identity(self) -> LedgerIdentity:
        """Which ledger it is, how long it has existed, and what this process has recorded in it last."""
        return self._identity

    async def run_on_schema(self, work: Callable[[Connection], R]) -> R:
        """Run work on the tables themselves. SQLite rebuilds one to change it, which foreign keys must not notice."""
        self._writer.transaction_timeout_s = None  # a long table takes its time
        try:
            return await self._run_on_schema(work)
        finally:
            self._writer.transaction_timeout_s = TRANSACTION_TIMEOUT_S

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
        """Whether it is SQLite's: a file, or in memory; else a server's."""
        return self._engine.dialect.name == "sqlite"

    async def compact(self) -> bool:
        """Rewrite SQLite's file and its log, so that they hold nothing of what was changed or deleted.

        Returns:
            Whether they hold nothing of it now: not while another process reads them, and not in PostgreSQL.

        Raises:
            LedgerUnavailable: the file cannot be rewritten.
        """
        return self.is_sqlite and bool(await self._writer.on_thread(self._compact))

    def _compact(self) -> bool:
        self._check(self._engine)
        try:
            with self._engine.connect() as connection:
                raw = connection.connection.driver_connection
                if not isinstance(raw, sqlite3.Connection):
                    return False
                raw.execute("VACUUM")
                # The rewritten pages stand in the log; only when it is emptied the old ones are gone.
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
