"""Checks the ledger: readable, writable, schema version, file permissions, free disk space. Changes nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection

from pm_autoaccept.config import SQLITE_IN_MEMORY, Program, Settings, ledger_exists, ledger_file
from pm_autoaccept.doctor.finding import Finding, ok, problem, warning
from pm_autoaccept.errors import ConfigurationError, LedgerError, LedgerMismatch
from pm_autoaccept.ledger import Database, SqlLedger
from pm_autoaccept.ledger.db.migrations import newest_version, schema_version
from pm_autoaccept.ledger.db.sqlite_file import SHM_SUFFIX, WAL_SUFFIX
from pm_autoaccept.ledger.db.tables import metadata
from pm_autoaccept.model import ProviderAccount
from pm_autoaccept.policy.messages import some
from pm_autoaccept.sign_in_memory import SignInMemory, open_read_only

LOCK_TIMEOUT_S = 5.0
"""How long to wait for another process that holds the write lock."""

_NOT_WRITABLE = """
SELECT tablename FROM pg_tables, quote_ident(schemaname) AS s, quote_ident(tablename) AS t
WHERE schemaname = current_schema()
AND NOT (has_table_privilege(s || '.' || t, 'INSERT') AND has_table_privilege(s || '.' || t, 'UPDATE'))
"""

_UNUSABLE = "check the ledger's address, and that this program's user has access to it"


PROBLEM_BELOW_BYTES, WARNING_BELOW_BYTES = 100_000_000, 1_000_000_000
"""Limits for the free space on the ledger's disk."""


async def check_ledger(program: Program) -> AsyncIterator[Finding]:
    """Check that the ledger can be read and written, its schema version, permissions and disk space."""
    shown, file = program.accounts[0].ledger_shown, ledger_file(program.ledger)
    if program.ledger == SQLITE_IN_MEMORY:
        yield warning("ledger", "it is in memory and is lost when the program ends", "pass --ledger with a file")
        return
    path = None if file is None else Path(file)
    absent = None if path is None else _absent(path, shown)
    if absent is not None:
        yield absent
    else:
        async for finding in _read(program.ledger, shown, path):
            yield finding
    if path is not None:
        for finding in (*_permissions(path), *_names(path), *_room(path.parent)):
            yield finding


def _absent(path: Path, shown: str) -> Finding | None:
    """Whether a missing ledger could be created; None if the ledger exists."""
    if path.exists():
        return None
    if not path.parent.is_dir():
        return problem("ledger", f"its folder {path.parent} does not exist", "create the folder, or use another ledger")
    if not os.access(path.parent, os.W_OK):
        return problem(
            "ledger", f"{path.parent} is not writable", "give this program's user write access to the folder"
        )
    return ok("ledger", f"{shown} does not exist yet; the first cycle creates it")


@asynccontextmanager
async def open_to_read(settings: Settings) -> AsyncIterator[SqlLedger | None]:
    """The ledger, opened read-only; None if it cannot be read, which `check_ledger` reports."""
    file = ledger_file(settings.ledger)
    if file is not None and _absent(Path(file), "") is not None:
        yield None
        return
    try:
        ledger = await SqlLedger.open(settings.ledger, name=settings.name, read_only=True)
    except (LedgerError, ConfigurationError):
        yield None
        return
    try:
        yield ledger
    finally:
        await ledger.close()


@asynccontextmanager
async def sign_in_memory(
    settings: Settings, *, tell: Callable[[str], None]
) -> AsyncIterator[tuple[SqlLedger | None, SignInMemory]]:
    """The ledger, opened read-only (None if there is none yet), and its memory of refused passwords.

    Raises:
        LedgerError, ConfigurationError: there is a ledger, and it cannot be read.
    """
    if await _has_tables(settings.ledger):
        async with open_read_only(settings, on_warning=tell) as (ledger, memory):
            yield ledger, memory
    else:
        yield None, SignInMemory(attempts=None, on_warning=tell)


async def _has_tables(address: str) -> bool:
    """Whether there is a ledger with tables."""
    if not ledger_exists(address):
        return False
    database = await Database.open(address, read_only=True, prepare=lambda _connection: None)
    try:
        return await database.read(schema_version) is not None
    finally:
        await database.close()


async def check_owner(settings: Settings, ledger: SqlLedger, provider: ProviderAccount) -> Finding:
    """Check that the ledger belongs to the account that signed in."""
    check = "ledger's account"
    try:
        await ledger.check_account(service=settings.base_url, provider=provider)
    except LedgerMismatch as error:
        return problem(check, str(error), "use another ledger: a ledger belongs to one account for good")
    except LedgerError as error:
        return problem(check, str(error), "check that the ledger is reachable")
    return ok(check, "the ledger belongs to this account, or to none yet")


async def _read(address: str, shown: str, path: Path | None) -> AsyncIterator[Finding]:
    """Read an existing ledger, then check that it can be written."""
    check = "ledger"
    try:
        database = await Database.open(address, read_only=True, prepare=lambda _connection: None)
    except (LedgerError, ConfigurationError) as error:
        yield problem(check, str(error), _UNUSABLE)
        return
    try:
        yield _schema(await database.read(schema_version), shown, path)
        yield await database.read(_may_write) if path is None else await asyncio.to_thread(_try_to_write, path)
    except LedgerMismatch as error:
        yield problem(check, str(error), "install the newer version here too, or use another ledger")
    except LedgerError as error:
        yield problem(check, str(error), _UNUSABLE)
    finally:
        await database.close()


def _schema(found: str | None, shown: str, path: Path | None) -> Finding:
    """Check the schema version. SQLite ledgers are migrated automatically."""
    check = "ledger"
    if found is None:
        return warning(
            check,
            f"{shown} is readable and has no ledger tables",
            "if this is the right database, there is nothing to do: the first cycle creates them",
        )
    if found == newest_version():
        return ok(check, f"{shown} is readable; its schema version is {found}, which is current")
    older = f"{shown} has schema version {found}; this program needs {newest_version()}"
    if path is None:
        return problem(check, older, "stop every replica, then run `pm-autoaccept migrate`")
    return warning(check, older, "back it up now if you need a copy: the next cycle migrates it")


def _try_to_write(path: Path) -> Finding:
    """Begin a write transaction and roll it back."""
    check = "ledger writable"
    address = f"file:{quote(str(path))}?mode=rw"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=LOCK_TIMEOUT_S, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return warning(
                check,
                f"another process has held the write lock for {LOCK_TIMEOUT_S:g} seconds",
                "if that is `run`, try again; otherwise find out which process has the file open",
            )
        advice = f"give this program's user write access to {path} and its folder; check that the disk is not full"
        return problem(check, f"{path} is not writable: {error}", advice)
    return ok(check, f"{path} is writable")


def _permissions(path: Path) -> Iterator[Finding]:
    """Warn if users other than the owner and its group can access the ledger, or its log with the same contents."""
    files = [each for each in (path, *map(Path, (f"{path}{WAL_SUFFIX}", f"{path}{SHM_SUFFIX}"))) if each.is_file()]
    exposed = [str(each) for each in files if stat.S_IMODE(each.stat().st_mode) & stat.S_IRWXO]
    if exposed:
        yield warning(
            "ledger's permissions",
            f"every user of this machine has access to {some(exposed)}: names, e-mail addresses, documents and answers",
            f"chmod o= {' '.join(exposed)}",
        )


def _names(path: Path) -> Iterator[Finding]:
    """Warn if the file has hard links: a process that opens it by another name does not find its log."""
    if path.is_file() and (names := path.stat().st_nlink) > 1:
        yield warning(
            "ledger's names",
            f"{path} has {names} hard links; a process that opens it by another name damages it",
            "keep one of the names; make copies as docs/ledger.md describes",
        )


def _may_write(connection: Connection) -> Finding:
    """Check the database user's privileges in PostgreSQL."""
    check = "ledger writable"
    if connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar_one():
        return problem(check, "the database server is a read-only standby", "use the primary server")
    refused = {row.tablename for row in connection.exec_driver_sql(_NOT_WRITABLE)}
    missing = sorted(refused & set(metadata.tables))
    if missing:
        return problem(
            check,
            f"the database user may not write {some(missing)}",
            "grant it INSERT, UPDATE and DELETE on these tables, or connect as their owner",
        )
    return ok(check, "the database user may write the tables")


def _room(folder: Path) -> Iterator[Finding]:
    """Check the free space on the disk of an existing folder."""
    check = "ledger's disk"
    with suppress(FileNotFoundError):
        free = shutil.disk_usage(folder).free
        found = f"{free / 1e9:.1f} GB free in {folder}"
        if free < PROBLEM_BELOW_BYTES:
            yield problem(check, found, "free up space: without the ledger no answers are sent")
        elif free < WARNING_BELOW_BYTES:
            yield warning(check, found, "free up space soon: without the ledger no answers are sent")
        else:
            yield ok(check, found)
