"""Makes the engines that reach a ledger's database: SQLite and PostgreSQL, to write and to read.

No wait on PostgreSQL may outlast half of a lease (a minute): a holder that hangs must notice in time that it must stop.
"""

from __future__ import annotations

import os
import socket
import sqlite3
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool, StaticPool

from pm_autoaccept.errors import ConfigurationError, LedgerUnavailable
from pm_autoaccept.redaction import redact_message, redact_url

DATABASE_ERRORS = (SQLAlchemyError, UnicodeError, OverflowError)
"""What work in a database may raise. sqlite3 and psycopg raise the latter two themselves: a text that is none, a number
beyond 64 bits."""

_LOCK_TIMEOUT_S = 10
"""Seconds that SQLite waits for another process that is writing."""

_DURABLE = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")
_POSTGRES = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "pm-autoaccept",
}
_WRITING = "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=20s"
_READING = "-c statement_timeout=5min -c idle_in_transaction_session_timeout=5min"


def parse_address(text: str) -> URL:
    """Read a ledger's address: `sqlite:///FILE`, `sqlite://` for one in memory, or `postgresql://…`.

    Raises:
        ConfigurationError: it is none of these. It is not repeated in the error, since it may hold a password.
        LedgerUnavailable: the file's folder does not exist.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            "the ledger's address cannot be read; write sqlite:///FILE or postgresql://…"
        ) from None
    backend = url.get_backend_name()
    if backend in {"postgresql", "postgres"}:
        return _postgresql(url)
    if backend != "sqlite":
        raise ConfigurationError(
            f"a ledger is kept in SQLite or PostgreSQL; write sqlite:///FILE or postgresql://… instead of {backend}://…"
        )
    if url.query or url.host or (url.database or "").startswith("file:"):
        raise ConfigurationError("a ledger in SQLite is named by its file and nothing else; write sqlite:///FILE")
    if url.database and not Path(url.database).parent.is_dir():
        folder = Path(url.database).parent
        raise LedgerUnavailable(f"the ledger's folder {folder} does not exist; make it, or name another with --ledger")
    return url


def _postgresql(url: URL) -> URL:
    """The address for psycopg 3, its password where it is never shown."""
    try:
        import psycopg  # noqa: F401, PLC0415 — only who keeps a ledger in PostgreSQL needs it
    except ImportError as error:
        raise ConfigurationError(
            "a ledger in PostgreSQL needs psycopg; install it with: pip install 'pm-autoaccept[postgres]'"
        ) from error
    password = url.query.get("password", url.password)
    url = url.set(drivername="postgresql+psycopg").difference_update_query(["password"])
    return url.set(password=password if isinstance(password, str) else None)


def file_of(url: URL) -> Path | None:
    """The file of a ledger in SQLite; None for one in memory, or in PostgreSQL."""
    return Path(url.database) if _is_sqlite(url) and url.database and url.database != ":memory:" else None


def write_engine(url: URL) -> Engine:
    """An engine with one connection, whose transactions begin at once and are durable when they return."""
    return _sqlite(url, begin="BEGIN IMMEDIATE") if _is_sqlite(url) else _postgres(url, _WRITING)


def read_engine(url: URL) -> Engine | None:
    """A second engine, for long reads beside the writing; None for a ledger in memory: it has but one connection."""
    if not _is_sqlite(url):
        return _postgres(url, _READING).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return _sqlite(url, begin="BEGIN") if file_of(url) is not None else None


def read_only_engine(url: URL) -> Engine:
    """An engine that writes, makes and locks nothing. In a folder that cannot be written to nobody else writes."""
    if not _is_sqlite(url):
        return _postgres(url, _READING).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    if url.database:
        query = {"mode": "ro", "uri": "true"}
        if not os.access(Path(url.database).parent, os.W_OK):
            query["immutable"] = "1"
        url = URL.create("sqlite", database=f"file:{quote(url.database)}", query=query)
    return _sqlite(url, begin="BEGIN", pragmas=())


def append_engine(url: URL) -> Engine:
    """An engine that writes rows into a ledger that is there, and neither makes nor changes the file itself."""
    if not _is_sqlite(url):
        return _postgres(url, _WRITING)
    place = f"file:{quote(url.database or '')}"
    there = URL.create("sqlite", database=place, query={"mode": "rw", "uri": "true"})
    return _sqlite(there, begin="BEGIN IMMEDIATE", pragmas=("synchronous = FULL",))


def path_engine(path: Path) -> Engine:
    """An engine that only reads, and opens anew what a path leads to for each connection."""
    parse_address = f"file:{quote(str(path))}?mode=ro"
    return create_engine(
        "sqlite://",
        poolclass=NullPool,
        creator=lambda: sqlite3.connect(parse_address, uri=True, timeout=_LOCK_TIMEOUT_S),
    )


def shut_down_socket(connection: object) -> None:
    """End a connection to PostgreSQL from another thread than the one that waits for it, which then gets an error."""
    if isinstance(connection, sqlite3.Connection):
        return
    with suppress(Exception):  # it may be closed by now
        descriptor = os.dup(connection.fileno())  # type: ignore[attr-defined] # psycopg's, which need not be installed
        with socket.socket(fileno=descriptor) as line:
            line.shutdown(socket.SHUT_RDWR)


def ledger_unavailable(url: URL, error: BaseException) -> LedgerUnavailable:
    """The database's error in words, without what may not be shown of its address.

    To be raised `from None`: the driver's own error may repeat parts of the address, and a traceback would show it.
    """
    reason = getattr(error, "orig", None) or error
    if _is_sqlite(url):
        file = unquote(url.database.removeprefix("file:")) if url.database else ""
        return LedgerUnavailable(f"the ledger sqlite:///{file} cannot be used: {reason}")
    where = url.render_as_string(hide_password=False)
    words = redact_message(str(reason), where) or f"{type(reason).__name__}, and its text holds a part of the address"
    return LedgerUnavailable(f"the ledger {redact_url(where)} cannot be used: {words}")


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _postgres(url: URL, options: str) -> Engine:
    said = url.query.get("options", "")
    ours = {name: value for name, value in _POSTGRES.items() if name not in url.query}
    # What the address says stands above ours.
    ours["options"] = f"{options} {said}" if isinstance(said, str) else options
    return create_engine(url, poolclass=QueuePool, pool_size=1, max_overflow=0, hide_parameters=True, connect_args=ours)


def _sqlite(url: URL, *, begin: str, pragmas: tuple[str, ...] = _DURABLE) -> Engine:
    # A ledger in memory lives in its one connection; a file gets one too, since each engine is used by one thread.
    connect_args = {"check_same_thread": False, "timeout": _LOCK_TIMEOUT_S}
    engine = create_engine(url, poolclass=StaticPool, hide_parameters=True, connect_args=connect_args)

    @event.listens_for(engine, "connect")
    def _durable(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        # sqlite3 would otherwise begin its transactions late, and two writers could both read before either writes.
        if isinstance(connection, sqlite3.Connection):
            connection.isolation_level = None
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _at_once(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
