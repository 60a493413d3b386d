"""Checks of the ledger that change nothing: it is opened to read, and what begins to write is rolled back."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection

from pm_autoaccept.config import Program, Settings, ledger_file
from pm_autoaccept.doctor.finding import Finding, ok, problem, warning
from pm_autoaccept.errors import ConfigurationError, LedgerError, LedgerMismatch
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.database import Database
from pm_autoaccept.model import ProviderAccount

PATIENCE = 5.0
"""Seconds to wait for another process that writes."""

IN_MEMORY = "sqlite://"

SCARCE, LOW = 100_000_000, 1_000_000_000
"""Bytes free on the ledger's disk: a problem below the first, a warning below the second."""


async def look_at_ledger(program: Program) -> AsyncIterator[Finding]:
    """Whether the ledger can be read and written, its schema, and the room on its disk."""
    shown, file = program.accounts[0].ledger_shown, ledger_file(program.ledger)
    if program.ledger == IN_MEMORY:
        yield warning("ledger", "it is in memory, and gone when the program ends", "name a file with --ledger")
        return
    path = None if file is None else Path(file)
    absent = None if path is None else _absent(path, shown)
    if absent is not None:
        yield absent
    else:
        async for finding in _read(program.ledger, shown, path):
            yield finding
    if path is not None:
        for room in _room(path.parent):
            yield room


def _absent(path: Path, shown: str) -> Finding | None:
    """Whether a ledger that is not there yet could be made; None where there is one."""
    if path.exists():
        return None
    if not path.parent.is_dir():
        return problem("ledger", f"its folder {path.parent} does not exist", "make it, or name another ledger")
    if not os.access(path.parent, os.W_OK):
        return problem(
            "ledger", f"{path.parent} cannot be written", "give this program's user the right to write there"
        )
    return ok("ledger", f"{shown} is not there yet; the first cycle makes it")


async def may_sign_in(settings: Settings) -> Finding | None:  # noqa: ARG001 — the ledger will be asked
    """Why signing in is not to be tried now, since a refused password is tried rarely; None where nothing is known."""
    return None


async def owner(settings: Settings, provider: ProviderAccount) -> Finding | None:
    """Whether the ledger is of the account that was signed in to; None where there is none that can be read."""
    file = ledger_file(settings.ledger)
    if file is not None and _absent(Path(file), "") is not None:
        return None
    check = "ledger's account"
    try:
        ledger = await SqlLedger.open(settings.ledger, name=settings.name, read_only=True)
    except (LedgerError, ConfigurationError):
        return None  # told already
    try:
        await ledger.belongs_to(service=settings.base_url, provider=provider)
    except LedgerMismatch as error:
        return problem(check, str(error), "a ledger never changes hands")
    except LedgerError as error:
        return problem(check, str(error), "see that nobody else works on the ledger's tables")
    finally:
        await ledger.close()
    return ok(check, "the ledger is this account's, or free to be")


async def _read(address: str, shown: str, path: Path | None) -> AsyncIterator[Finding]:
    """What a ledger that is there says when it is read, and then when it is to be written."""
    try:
        database = await Database.open(address, read_only=True)
    except LedgerMismatch as error:
        if "newer" in str(error):
            yield problem("ledger", str(error), "install the newer version here too, or name another ledger")
        else:
            yield warning("ledger", str(error), "back it up first, if it matters")
        return
    except (LedgerError, ConfigurationError) as error:
        yield problem("ledger", str(error), "see that its address is right, and that this program's user may use it")
        return
    try:
        yield ok("ledger", f"{shown} can be read, and its tables are those of this version")
        if path is not None:
            yield await asyncio.to_thread(_try_to_write, path)
        else:
            yield await database.run(_may_write)
    finally:
        await database.close()


def _try_to_write(path: Path) -> Finding:
    """Begin to write, and roll back."""
    check = "ledger writable"
    address = f"file:{quote(str(path))}?mode=rw"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return warning(
                check,
                f"another process has been writing for {PATIENCE:g} seconds",
                "if it is this program's `run`, try again; else see who holds the file open",
            )
        advice = f"give this program's user the right to write {path} and its folder; see that the disk is not full"
        return problem(check, f"{path} cannot be written: {error}", advice)
    return ok(check, f"{path} can be written")


def _may_write(connection: Connection) -> Finding:
    """What the database server says of this user's rights."""
    check = "ledger writable"
    asked = "SELECT pg_is_in_recovery(), has_table_privilege('provider', 'INSERT')"
    standby, allowed = connection.exec_driver_sql(asked).one()
    if standby:
        return problem(check, "the database server is a standby, which only reads", "name the primary server")
    if not allowed:
        return problem(check, "the database's user may not write the tables", "grant it INSERT, UPDATE and DELETE")
    return ok(check, "the database's user may write the tables")


def _room(folder: Path) -> Iterator[Finding]:
    """The room on a disk, if the folder is there."""
    check = "ledger's disk"
    with suppress(FileNotFoundError):
        free = shutil.disk_usage(folder).free
        found = f"{free / 1e9:.1f} GB are free in {folder}"
        if free < SCARCE:
            yield problem(check, found, "make room: without the ledger nothing is answered")
        elif free < LOW:
            yield warning(check, found, "make room before it is full: without the ledger nothing is answered")
        else:
            yield ok(check, found)
