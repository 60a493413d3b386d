"""Checks of the ledger that change nothing: it is opened to read, and what begins to write is rolled back."""

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

from pm_autoaccept.config import Program, Settings, ledger_file
from pm_autoaccept.doctor.finding import Finding, ok, problem, warning
from pm_autoaccept.errors import ConfigurationError, LedgerError, LedgerMismatch
from pm_autoaccept.ledger import Database, SqlLedger
from pm_autoaccept.ledger.db.migrations import newest, version
from pm_autoaccept.ledger.db.sqlite_file import INDEX, LOG
from pm_autoaccept.ledger.db.tables import metadata
from pm_autoaccept.model import ProviderAccount
from pm_autoaccept.policy.messages import some
from pm_autoaccept.sign_in import Memory, ledger_is_there, only_reading

PATIENCE = 5.0
"""Seconds to wait for another process that writes."""

_NOT_WRITABLE = """
SELECT tablename FROM pg_tables, quote_ident(schemaname) AS s, quote_ident(tablename) AS t
WHERE schemaname = current_schema()
AND NOT (has_table_privilege(s || '.' || t, 'INSERT') AND has_table_privilege(s || '.' || t, 'UPDATE'))
"""

_UNUSABLE = "see that its address is right, and that this program's user may use it"

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
        for finding in (*_permissions(path), *_names(path), *_room(path.parent)):
            yield finding


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


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[SqlLedger | None]:
    """The ledger, opened to read; None where there is none that can be read, which is told elsewhere."""
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
async def remembering(
    settings: Settings, *, tell: Callable[[str], None]
) -> AsyncIterator[tuple[SqlLedger | None, Memory]]:
    """The ledger, opened to read, None where there is none yet; and what is remembered of signing in.

    Raises:
        LedgerError, ConfigurationError: there is one, and it cannot be read.
    """
    if await _is_made(settings.ledger):
        async with only_reading(settings, tell=tell) as (ledger, memory):
            yield ledger, memory
    else:
        yield None, Memory(credential=None, tell=tell)


async def _is_made(address: str) -> bool:
    """Whether a ledger is there, with tables."""
    if not ledger_is_there(address):
        return False
    database = await Database.open(address, read_only=True, prepare=lambda _connection: None)
    try:
        return await database.read(version) is not None
    finally:
        await database.close()


async def owner(settings: Settings, ledger: SqlLedger, provider: ProviderAccount) -> Finding:
    """Whether the ledger is of the account that was signed in to."""
    check = "ledger's account"
    try:
        await ledger.belongs_to(service=settings.base_url, provider=provider)
    except LedgerMismatch as error:
        return problem(check, str(error), "a ledger never changes hands")
    except LedgerError as error:
        return problem(check, str(error), "see that the ledger is reachable")
    return ok(check, "the ledger is this account's, or free to be")


async def _read(address: str, shown: str, path: Path | None) -> AsyncIterator[Finding]:
    """What a ledger that is there says when it is read, and then when it is to be written."""
    check = "ledger"
    try:
        database = await Database.open(address, read_only=True, prepare=lambda _connection: None)
    except (LedgerError, ConfigurationError) as error:
        yield problem(check, str(error), _UNUSABLE)
        return
    try:
        yield _schema(await database.read(version), shown, path)
        yield await database.read(_may_write) if path is None else await asyncio.to_thread(_try_to_write, path)
    except LedgerMismatch as error:
        yield problem(check, str(error), "install the newer version here too, or name another ledger")
    except LedgerError as error:
        yield problem(check, str(error), _UNUSABLE)
    finally:
        await database.close()


def _schema(found: str | None, shown: str, path: Path | None) -> Finding:
    """Whether the tables are those of this version; SQLite's are brought up to date by themselves."""
    check = "ledger"
    if found is None:
        return warning(
            check,
            f"{shown} can be read, and has no tables of a ledger",
            "if it is the right place, all is well: the first cycle makes them",
        )
    if found == newest():
        return ok(check, f"{shown} can be read; its tables are version {found}, as this program's")
    older = f"{shown} has tables of version {found}, and this program wants {newest()}"
    if path is None:
        return problem(check, older, "stop every replica, then say `pm-autoaccept migrate`")
    return warning(check, older, "back it up first, if it matters: the next cycle brings it up to date")


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


def _permissions(path: Path) -> Iterator[Finding]:
    """Whether users beside the owner and its group can get at the ledger, or at its log, which holds the same."""
    files = [each for each in (path, *map(Path, (f"{path}{LOG}", f"{path}{INDEX}"))) if each.is_file()]
    exposed = [str(each) for each in files if stat.S_IMODE(each.stat().st_mode) & stat.S_IRWXO]
    if exposed:
        yield warning(
            "ledger's permissions",
            f"every user of this machine can get at {some(exposed)}: names, e-mail addresses, documents and answers",
            f"chmod o= {' '.join(exposed)}",
        )


def _names(path: Path) -> Iterator[Finding]:
    """Whether the file has further names (hard links): opened by another one, its log would not be found."""
    if path.is_file() and (names := path.stat().st_nlink) > 1:
        yield warning(
            "ledger's names",
            f"{path} has {names} names (hard links); a process that opens it by another one damages it",
            "keep one name; make copies as docs/operations.md says",
        )


def _may_write(connection: Connection) -> Finding:
    """What PostgreSQL says of this user's rights."""
    check = "ledger writable"
    if connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar_one():
        return problem(check, "the database server is a standby, which only reads", "name the primary server")
    refused = {row.tablename for row in connection.exec_driver_sql(_NOT_WRITABLE)}
    missing = sorted(refused & set(metadata.tables))
    if missing:
        return problem(
            check,
            f"the database's user may not write {some(missing)}",
            "grant it INSERT, UPDATE and DELETE on them, or name their owner",
        )
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
