"""Opens the ledger's database and runs each of its operations in one transaction on one thread."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from pm_autoaccept.errors import ConfigurationError, LedgerMismatch, LedgerUnavailable
from pm_autoaccept.ledger import answering, deciding, reading, seeing
from pm_autoaccept.ledger.migrations import check, upgrade
from pm_autoaccept.ledger.tables import provider as provider_table
from pm_autoaccept.model import (
    Decision,
    History,
    KeptBack,
    Mode,
    ProviderAccount,
    Receipt,
    RequestKey,
    Snapshot,
    Step,
)
from pm_autoaccept.record import DecisionRow

R = TypeVar("R")

UNKNOWN_WAIT = timedelta(minutes=5)
"""Longer than any timeout: how long a POST of unknown fate is given before a read counts as showing its end."""


class SqlLedger:
    """The ledger on a database. Open it with `await SqlLedger.open(url)`, close it with `await ledger.close()`.

    All work runs on one thread of its own, so that the event loop never waits for the disk and SQLite has one writer.
    """

    def __init__(self, engine: Engine, *, unknown_wait: timedelta = UNKNOWN_WAIT) -> None:
        self._engine = engine
        self._unknown_wait = unknown_wait
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")

    @classmethod
    async def open(cls, url: str, *, unknown_wait: timedelta = UNKNOWN_WAIT, read_only: bool = False) -> Self:
        """Open the ledger and bring its tables up to date, or open it only to read.

        Args:
            url: `sqlite:///FILE`, or `sqlite://` for one in memory.
            unknown_wait: see `UNKNOWN_WAIT`.
            read_only: nothing is written, made, migrated or locked; a copy that cannot be written to will do.

        Raises:
            ConfigurationError: the address is not one of a ledger.
            LedgerUnavailable: the file cannot be opened or is no ledger.
            LedgerMismatch: the ledger was written by a newer program, or is read only and not up to date.
        """
        ledger = cls(_engine(url, read_only=read_only), unknown_wait=unknown_wait)
        try:
            await ledger._run(check if read_only else upgrade)
        except BaseException:
            await ledger.close()
            raise
        return ledger

    async def close(self) -> None:
        """Give back the database and the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.dispose)
        self._thread.shutdown(wait=False)

    async def claim(self, *, service: str, provider: ProviderAccount, at: datetime) -> None:
        """Take the ledger for this provider account; raises `LedgerMismatch` if it belongs to another."""
        await self._run(lambda connection: _claim(connection, service=service, provider=provider, at=at))

    async def belongs_to(self, *, service: str, provider: ProviderAccount) -> None:
        """Raise `LedgerMismatch` if the ledger belongs to another provider account. Reads only."""
        await self._run(lambda connection: _owned(connection, service=service, provider=provider))

    async def see(self, snapshot: Snapshot, *, at: datetime) -> None:
        """Record what pends, what does not any more, and what thereby became of earlier answers."""
        wait = self._unknown_wait
        await self._run(lambda connection: seeing.see(connection, snapshot, at=at, unknown_wait=wait))

    async def history(self, snapshot: Snapshot, *, at: datetime) -> History:
        """Say what plan must know of what pends. Reads only."""
        return await self._run(lambda connection: reading.history(connection, snapshot, at=at))

    async def decide(
        self, decisions: Sequence[Decision], kept_back: Sequence[KeptBack], *, mode: Mode, at: datetime
    ) -> None:
        """Append what was decided, where verdict, rule or kind of reason differs from the request's last decision."""
        await self._run(lambda connection: deciding.decide(connection, decisions, kept_back, mode=mode, at=at))

    async def intend(self, step: Step, *, at: datetime) -> int:
        """Record durably that this answer is about to be sent; the number returned names the intent."""
        return await self._run(lambda connection: answering.intend(connection, step, at=at))

    async def conclude(self, intent: int, receipt: Receipt, *, at: datetime) -> None:
        """Record durably what came of an intent."""
        await self._run(lambda connection: answering.conclude(connection, intent, receipt, at=at))

    async def owners_in_doubt(self) -> frozenset[int]:
        """Name the owners of property shares whose answer is of unknown fate."""
        return await self._run(reading.owners_in_doubt)

    async def decisions(
        self, *, every: bool = False, keys: Collection[RequestKey] | None = None
    ) -> Sequence[DecisionRow]:
        """The decision behind each request's answer, or else its last one; or every one. Oldest first."""
        return await self._run(lambda connection: reading.decisions(connection, every=every, keys=keys))

    async def _run(self, work: Callable[[Connection], R]) -> R:
        """Run work in one transaction on the ledger's thread; the database's errors become `LedgerUnavailable`."""

        def transaction() -> R:
            try:
                with self._engine.begin() as connection:
                    return work(connection)
            except (SQLAlchemyError, UnicodeError, OverflowError) as error:
                # sqlite3 raises the latter two itself: a text that is none, a number beyond 64 bits.
                reason = getattr(error, "orig", None) or error
                where = self._engine.url.render_as_string(hide_password=True)
                raise LedgerUnavailable(f"the ledger {where} cannot be used: {reason}") from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, transaction)


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


def _owned(connection: Connection, *, service: str, provider: ProviderAccount) -> bool:
    """Whether the ledger has an owner already; raises `LedgerMismatch` if it is another."""
    row = connection.execute(select(provider_table)).one_or_none()
    if row is not None and (row.service, row.account_id) != (service, provider.id):
        raise LedgerMismatch(
            f"this ledger belongs to account {row.account_id} ({row.username}) on {row.service}, and you signed in to "
            f"account {provider.id} ({provider.username}) on {service}; name another ledger with --ledger"
        )
    return row is not None


def _claim(connection: Connection, *, service: str, provider: ProviderAccount, at: datetime) -> None:
    if not _owned(connection, service=service, provider=provider):
        ours = {"service": service, "account_id": provider.id, "username": provider.username, "claimed_at": at}
        connection.execute(provider_table.insert().values(**ours))
