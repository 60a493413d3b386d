"""A SQLite ledger's file: creates it complete and private (mode 0600), and detects if it is deleted or replaced.

SQLite silently keeps writing to a file that was deleted, renamed or replaced. What a process records there is lost, and
another process that opens the new file under the same name would answer the same requests again.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from pm_autoaccept.errors import LedgerUnavailable
from pm_autoaccept.ledger.db.engines import DATABASE_ERRORS, path_engine

WAL_SUFFIX, SHM_SUFFIX = "-wal", "-shm"
"""The suffixes of the two files that belong to an open ledger: its write-ahead log and the index of that log."""

PRIVATE_MODE = 0o600

WHAT_TO_DO = "Stop every `run` and `once`, put the ledger or a copy back, then start again; see docs/ledger.md"

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


def ledger_file_exists(path: Path) -> bool:
    """Whether a ledger's file exists. Opens nothing, because opening a named pipe would block forever.

    Raises:
        LedgerUnavailable: it is not a regular file, or is empty, which a ledger never is.
    """
    for ending in (WAL_SUFFIX, SHM_SUFFIX):
        with suppress(FileNotFoundError):
            _regular(path.with_name(path.name + ending))
    try:
        found = _regular(path)
    except FileNotFoundError:
        return False
    if not found.st_size:
        raise LedgerUnavailable(
            f"the ledger {path} is an empty file, so its contents are lost. Restore a copy. Only if it never was a "
            "ledger, delete the file to let a new ledger be created"
        )
    return True


@contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """A temporary private file in the ledger's own folder, in which a new ledger is created; deleted afterwards."""
    real = Path(os.path.realpath(path))
    try:
        folder = Path(mkdtemp(prefix=f".{real.name}.", dir=real.parent))
    except OSError as error:
        raise _cannot_create(path, error) from error
    try:
        made = folder / real.name
        made.touch(mode=PRIVATE_MODE)
        yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(made: Path, path: Path) -> bool:
    """Durably give a complete new ledger its name. False if another process was faster; then its ledger stays."""
    real = Path(os.path.realpath(path))
    try:
        try:
            os.link(made, real)  # unlike a rename, it replaces nothing
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            if real.exists():
                return False
            made.rename(real)
        folder = os.open(real.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _cannot_create(path, error) from error
    return True


def _cannot_create(path: Path, error: OSError) -> LedgerUnavailable:
    return LedgerUnavailable(f"cannot create the ledger {path}: {error.strerror}; make its folder writable")


def _regular(path: Path) -> os.stat_result:
    """The status of a regular file; raises `FileNotFoundError` if nothing exists there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LedgerUnavailable(f"cannot access the ledger {path}: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "not a regular file")
        raise LedgerUnavailable(f"the ledger {path} is {kind}, not a file; choose another with --ledger sqlite:///FILE")
    return found


@dataclass(frozen=True, slots=True)
class _FileState:
    """The state of a ledger's file: which file, log and index it has, and when it last changed."""

    file: tuple[int, int]
    log: int | None
    index: int | None
    changed: tuple[int, int]

    def has(self, log: int | None, index: int | None) -> bool:
        """Whether log and index are still these. A file from elsewhere has none before its first transaction."""
        return log in (None, self.log) and index in (None, self.index)


class OpenFile:
    """The file that one engine has open; `check` tests whether the ledger's path still leads to it.

    Args:
        path: the ledger's path from the settings.
        engine: has at most one connection.
        check_identity: raises `LedgerUnavailable` unless a connection leads to the ledger that was opened, as we left
            it.
    """

    def __init__(self, path: Path, engine: Engine, *, check_identity: Callable[[Connection], None]) -> None:
        self._path = path
        self._engine = engine
        self._check_identity = check_identity
        self._opened: _FileState | None = None
        self._log = self._index = path
        event.listen(engine, "do_connect", self._connecting)
        event.listen(engine, "connect", self._connected)

    def check(self) -> None:
        """Check that the path leads to the open file. Call it before each transaction; it takes 10 µs.

        If another file has replaced it, but is the same ledger with all our records, that file is opened instead.

        Raises:
            LedgerUnavailable: the file was deleted, moved or replaced, or its log was.
        """
        if self._opened is None:
            return
        now = self._look()
        if now == self._opened:
            return
        try:
            there = now is not None and ledger_file_exists(self._path)
        except LedgerUnavailable as error:
            raise LedgerUnavailable(f"{error}. It appeared while the ledger was open, so nothing is sent") from None
        if now is None or not there:
            raise LedgerUnavailable(
                f"the ledger {self._path} was deleted or moved while it was open. New records would be lost, so "
                f"nothing is sent. {WHAT_TO_DO}"
            )
        if now.file == self._opened.file and not now.has(self._opened.log, self._opened.index):
            raise LedgerUnavailable(
                f"{self._log} or {self._index}, which belong to the ledger, was deleted or replaced while it was open. "
                f"No other process would see new records, so nothing is sent. {WHAT_TO_DO}"
            )
        self._check_same_ledger()
        if now.file != self._opened.file:
            self._engine.dispose()  # the next transaction opens the new file
            self._opened = None
        else:
            # Usually the log was written back into the file. A copy written over the file looks the same.
            self._opened = now

    def _connecting(self, *_arguments: object) -> None:
        self._opened = self._look()

    def _connected(self, _connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        before = self._opened
        real = os.path.realpath(self._path)
        self._log, self._index = Path(f"{real}{WAL_SUFFIX}"), Path(f"{real}{SHM_SUFFIX}")
        self._opened = self._look()
        if before is None or self._opened is None or before.file != self._opened.file:
            raise LedgerUnavailable(f"the ledger {self._path} was replaced while it was being opened; try again")

    def _look(self) -> _FileState | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return _FileState(
            file=(found.st_dev, found.st_ino),
            log=_number(self._log),
            index=_number(self._index),
            changed=(found.st_size, found.st_ctime_ns),
        )

    def _check_same_ledger(self) -> None:
        """Raise `LedgerUnavailable` unless the path leads to this ledger, opened as another process would open it."""
        engine = path_engine(self._path)
        try:
            with engine.connect() as connection:
                self._check_identity(connection)
        except DATABASE_ERRORS as error:
            reason = getattr(error, "orig", None) or error
            raise LedgerUnavailable(
                f"the ledger {self._path} was replaced while it was open by something that is not a ledger ({reason}), "
                f"so nothing is sent. {WHAT_TO_DO}"
            ) from None
        finally:
            engine.dispose()


def _number(path: Path) -> int | None:
    """The inode number of a file; None if it does not exist."""
    try:
        return path.stat().st_ino
    except OSError:
        return None
