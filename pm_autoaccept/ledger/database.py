"""Opens the database and runs work in it, one transaction each, on one thread of its own."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from pm_autoaccept.errors import ConfigurationError, LedgerUnavailable
from pm_autoaccept.ledger.migrations import check, upgrade

R = TypeVar("R")


class Database:
    """A ledger's database. Open it with `await Database.open(url)`, close it with `await database.close()`.

    All work runs on one thread of its own, so that the event loop never waits for the disk and SQLite has one writer.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")

    @classmethod
    async def open(cls, url: str, *, read_only: bool = False) -> Self:
        """Open the database and bring its tables up to date, or open it only to read.

        Args:
            url: `sqlite:///FILE`, or `sqlite://` for one in memory.
            read_only: nothing is written, made, migrated or locked; a copy that cannot be written to will do.

        Raises:
            ConfigurationError: the address is not one of a ledger.
            LedgerUnavailable: the file cannot be opened or is no ledger.
            LedgerMismatch: the ledger was written by a newer program, or is read only and not up to date.
        """
        database = cls(_engine(url, read_only=read_only))
        try:
            await (database.run(check) if read_only else database._migrate())
        except BaseException:
            await database.close()
            raise
        return database

    async def close(self) -> None:
        """Give back the database and the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.dispose)
        self._thread.shutdown(wait=False)

    async def run(self, work: Callable[[Connection], R]) -> R:
        """Run work in one transaction on the ledger's thread; the database's errors become `LedgerUnavailable`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transaction, work)

    def _transaction(self, work: Callable[[Connection], R]) -> R:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except (SQLAlchemyError, UnicodeError, OverflowError) as error:
            # sqlite3 raises the latter two itself: a text that is none, a number beyond 64 bits.
            reason = getattr(error, "orig", None) or error
            where = self._engine.url.render_as_string(hide_password=True)
            raise LedgerUnavailable(f"the ledger {where} cannot be used: {reason}") from error

    async def _migrate(self) -> None:
        """Bring the tables up to date. SQLite rebuilds a table to change it, which its foreign keys must not notice."""

        def migrate() -> None:
            self._foreign_keys(on=False)
            try:
                self._transaction(upgrade)
            finally:
                self._foreign_keys(on=True)

        await asyncio.get_running_loop().run_in_executor(self._thread, migrate)

    def _foreign_keys(self, *, on: bool) -> None:
        if self._engine.dialect.name != "sqlite":
            return
        try:
            with self._engine.connect() as connection:
                raw = connection.connection.driver_connection
                if isinstance(raw, sqlite3.Connection):
                    raw.execute(f"PRAGMA foreign_keys = {'ON' if on else 'OFF'}")
        except SQLAlchemyError as error:
            where = self._engine.url.render_as_string(hide_password=True)
            raise LedgerUnavailable(f"the ledger {where} cannot be used: {getattr(error, 'orig', error)}") from error


def _engine(address: str, *, read_only: bool = False) -> Engine:
    """An engine whose transactions begin at once, whose commits are on the disk when they return."""
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise ConfigurationError(f"{address!r} is no ledger address; write sqlite:///FILE") from error
    if url.get_backend_name() != "sqlite":
        raise ConfigurationError(
            f"this version keeps its ledger in SQLite only; write sqlite:///FILE instead of {url.get_backend_name()}://…"
        )
    if url.database and not Path(url.database).parent.is_dir():
        folder = Path(url.database).parent
        raise LedgerUnavailable(f"the ledger's folder {folder} does not exist; make it, or name another with --ledger")
    if read_only and url.database:
        url = _only_to_read(Path(url.database))
    # A ledger in memory lives in its one connection; a file gets one too, since there is one thread.
    engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False, "timeout": 30})

    @event.listens_for(engine, "connect")
    def _durable(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        # sqlite3 would otherwise begin its transactions late, and two writers could both read before either writes.
        if isinstance(connection, sqlite3.Connection):
            connection.isolation_level = None
            for pragma in () if read_only else ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _at_once(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _only_to_read(file: Path) -> URL:
    """The address of a file that is not written to. In a folder that cannot be written to nobody else writes either."""
    query = {"mode": "ro", "uri": "true"}
    if not os.access(file.parent, os.W_OK):
        query["immutable"] = "1"
    return URL.create("sqlite", database=f"file:{quote(str(file))}", query=query)
