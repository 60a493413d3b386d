"""A SQLite ledger's file: created whole and private (0600) under its name, and checked for having been replaced.

SQLite goes on writing to a file that was deleted, renamed or replaced, and says nothing. What a process records there
is lost, and another process, which finds another file under the name, answers the same requests again.
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
"""The endings of the two files that belong to a ledger while it is open: what is not in the file yet, and where."""

PRIVATE_MODE = 0o600

WHAT_TO_DO = "Stop every `run` and `once`, put the ledger or a copy of it back, and start again: docs/operations.md"

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


def ledger_file_exists(path: Path) -> bool:
    """Whether a ledger's file is there. Nothing is opened: opening a named pipe would wait for ever.

    Raises:
        LedgerUnavailable: what is there is no regular file, or is empty, which a ledger never is.
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
            f"the ledger {path} is an empty file, so it is no ledger any more: what stood in it is lost. Restore a "
            "copy; only if it never was a ledger, remove the file, and a new ledger is made"
        )
    return True


@contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """An empty private file in the ledger's own folder, in which a new ledger is made; gone afterwards."""
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
    """Give a ledger that is whole its name, durably. False where another process was faster: its ledger stays."""
    real = Path(os.path.realpath(path))
    try:
        try:
            os.link(made, real)  # unlike a rename it replaces nothing
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
    return LedgerUnavailable(f"the ledger {path} cannot be made: {error.strerror}; see that its folder can be written")


def _regular(path: Path) -> os.stat_result:
    """What the system says of a file; raises `FileNotFoundError` where there is nothing."""
    try:
        found = path.stat()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LedgerUnavailable(f"the ledger {path} cannot be reached: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "no file")
        raise LedgerUnavailable(f"the ledger {path} is {kind}, not a file; name another with --ledger sqlite:///FILE")
    return found


@dataclass(frozen=True, slots=True)
class _FileState:
    """How a ledger looks from outside: which file it is, which log and index belong to it, when it last changed."""

    file: tuple[int, int]
    log: int | None
    index: int | None
    changed: tuple[int, int]

    def has(self, log: int | None, index: int | None) -> bool:
        """Whether log and index are still these. A file from elsewhere has none until the first transaction."""
        return log in (None, self.log) and index in (None, self.index)


class OpenFile:
    """The file that one engine has open; `check` says whether the ledger's path still leads to it.

    Args:
        path: the ledger's, as the settings name it.
        engine: has one connection at most.
        stands: raises `LedgerUnavailable` unless a connection leads to the ledger that was opened, as we left it.
    """

    def __init__(self, path: Path, engine: Engine, *, stands: Callable[[Connection], None]) -> None:
        self._path = path
        self._engine = engine
        self._stands = stands
        self._opened: _FileState | None = None
        self._log = self._index = path
        event.listen(engine, "do_connect", self._connecting)
        event.listen(engine, "connect", self._connected)

    def check(self) -> None:
        """Return while the path leads to the file that is open. To be called before each transaction: it costs 10 µs.

        A file that has taken its place, and is this very ledger with nothing of ours missing, is opened instead.

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
            raise LedgerUnavailable(f"{error}. It came there while the ledger was open, so nothing is sent") from None
        if now is None or not there:
            raise LedgerUnavailable(
                f"the ledger {self._path} was deleted or moved away while it was open: what is recorded would be lost, "
                f"so nothing is sent. {WHAT_TO_DO}"
            )
        if now.file == self._opened.file and not now.has(self._opened.log, self._opened.index):
            raise LedgerUnavailable(
                f"{self._log} or {self._index}, which belong to the ledger, was deleted or replaced while it was open: "
                f"no other process would see what is recorded, so nothing is sent. {WHAT_TO_DO}"
            )
        self._demand_the_same()
        if now.file != self._opened.file:
            self._engine.dispose()  # the next transaction opens what is there now
            self._opened = None
        else:
            # As a rule the log was written back into the file; a copy that was written over it looks the same.
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

    def _demand_the_same(self) -> None:
        """Raise `LedgerUnavailable` unless the path leads to this ledger: looked at as another process would."""
        engine = path_engine(self._path)
        try:
            with engine.connect() as connection:
                self._stands(connection)
        except DATABASE_ERRORS as error:
            reason = getattr(error, "orig", None) or error
            raise LedgerUnavailable(
                f"the ledger {self._path} was replaced while it was open, by something that is no ledger ({reason}); "
                f"nothing is sent. {WHAT_TO_DO}"
            ) from None
        finally:
            engine.dispose()


def _number(path: Path) -> int | None:
    """The number that the file system has for a file; None where there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return None
