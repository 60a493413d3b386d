"""Runs the query of an `sql` data source: read-only, with timeouts, streamed (PostgreSQL and SQLite)."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, CursorResult, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from pm_autoaccept.data_sources.source_content import Doubtful, Reading, Taking, doubt
from pm_autoaccept.policy import Source, Tabulation
from pm_autoaccept.redaction import redact_message

_AT_ONCE = 2_000
"""Rows per fetch."""
_EXACT = 2**53
"""Below this, a float represents every whole number exactly."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of a query: rows, time until the first row, and total time."""

    rows: int = 20_000_000
    first: timedelta = timedelta(minutes=2)
    whole: timedelta = timedelta(minutes=5)


BOUNDS = Bounds()


def read_query(source: Source, address: str, *, bounds: Bounds = BOUNDS) -> Reading:
    """Read the rows of an `sql` source from its database.

    Args:
        source: an `sql` source.
        address: the database URL, `sqlite:///FILE` or `postgresql://…`, with its password.
        bounds: limits of the query.
    """
    query = source.query.query if source.query is not None else ""
    try:
        url = make_url(address)
    except (SQLAlchemyError, ValueError):
        return doubt(source, "invalid connection URL; use postgresql://USER@HOST/DATABASE or sqlite:///FILE")
    try:
        with _connected(url, bounds) as connection, closing(_asked(connection, query)) as result:
            return _read(source, result, bounds)
    except Doubtful as error:
        return doubt(source, error)
    except (SQLAlchemyError, sqlite3.Error, UnicodeError, OverflowError, OSError, ImportError) as error:
        # A driver may repeat the connection URL, which contains the password.
        why = redact_message(_in_words(error), address)
        return doubt(source, why or f"{type(error).__name__}; its message would reveal part of the connection URL")


def _asked(connection: Connection, query: str) -> CursorResult[Any]:
    # Sent verbatim: SQLAlchemy would treat `:name` as a parameter, and the driver a percent sign.
    options = {"no_parameters": True, "stream_results": True, "max_row_buffer": _AT_ONCE}
    return connection.execution_options(**options).exec_driver_sql(query)


def _read(source: Source, result: CursorResult[Any], bounds: Bounds) -> Reading:
    if not result.returns_rows:
        raise Doubtful("the query returns no rows; begin it with `select`")
    header = list(result.keys())
    wanted = (*source.key, *source.columns, *((source.dated,) if source.dated else ()))
    digest = _Digest()
    taking = Taking(Tabulation(source))
    deadline = time.monotonic() + bounds.whole.total_seconds()

    def rows() -> Iterator[tuple[int, list[str]]]:
        number = 0
        keys = {header.index(name) for name in source.key if name in header}
        asked_for = [at for at, name in enumerate(header) if name in wanted]
        for some in result.partitions(_AT_ONCE):
            if time.monotonic() > deadline:
                raise Doubtful(f"the query took longer than {bounds.whole}")
            for row in some:
                number += 1
                cells = [""] * len(header)
                for at in asked_for:
                    cells[at] = _key(row[at], number) if at in keys else _text(row[at])
                digest.add(cells)
                yield number, cells
            if number > bounds.rows:
                raise Doubtful(f"the query returned more than {bounds.rows:,} rows")

    taking.rows(header, rows())
    return taking.reading(digest=digest.hexdigest())


class _Digest:
    """A digest that does not depend on the order of rows, which a database may change each time."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, cells: list[str]) -> None:
        row = "".join(f"{len(cell)}:{cell}" for cell in cells).encode("utf-8", "surrogatepass")
        self._sum += int.from_bytes(hashlib.sha256(row).digest())

    def hexdigest(self) -> str:
        return hashlib.sha256(str(self._sum).encode()).hexdigest()


def _key(value: object, number: int) -> str:
    """A key as text. A fractional number is refused, because without its point it would be another customer's key."""
    if isinstance(value, float):
        value = Decimal(value) if abs(value) < _EXACT else Decimal("NaN")
    if isinstance(value, Decimal):
        if not value.is_finite() or value != value.to_integral_value():
            raise Doubtful(f"row {number}: the key is a fractional number; cast it to text in the query")
        return format(value.to_integral_value(), "f")
    return _text(value)


def _text(value: object) -> str:
    """A value as it would appear in a CSV file."""
    if value is None:
        return ""
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, bool | str | int | Decimal):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{int(value.total_seconds())}s"
    if isinstance(value, bytes | memoryview):
        raise Doubtful("a column contains binary data; cast it to text in the query")
    return str(value)


@contextmanager
def _connected(url: URL, bounds: Bounds) -> Iterator[Connection]:
    engine = _sqlite(url, bounds) if url.get_backend_name() == "sqlite" else _postgresql(url, bounds)
    try:
        with engine.connect() as connection:
            yield connection
            connection.rollback()
    finally:
        engine.dispose()


def _postgresql(url: URL, bounds: Bounds) -> Engine:
    first = int(bounds.first.total_seconds() * 1000)
    limits = f"-c statement_timeout={first} -c idle_in_transaction_session_timeout={first} -c lock_timeout=5s"
    usual = {"connect_timeout": 10, "tcp_user_timeout": 30_000, "application_name": "pm-autoaccept"}
    # The connection URL overrides the defaults, but not the limits that keep the query read-only and bounded.
    ours: dict[str, object] = {name: value for name, value in usual.items() if name not in url.query}
    ours["options"] = f"{url.query.get('options', '')} -c default_transaction_read_only=on {limits}".strip()
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"), poolclass=NullPool, hide_parameters=True, connect_args=ours
    )
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _sqlite(url: URL, bounds: Bounds) -> Engine:
    file = quote(str(Path(url.database or "").absolute()))
    only = URL.create("sqlite", database=f"file:{file}", query={"mode": "ro", "uri": "true"})
    engine = create_engine(only, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": 10})

    @event.listens_for(engine, "connect")
    def _bound(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA query_only = ON")
            connection.set_progress_handler(_late(bounds.whole), 10_000)

    return engine


def _late(length: timedelta) -> Callable[[], int]:
    deadline = time.monotonic() + length.total_seconds()
    return lambda: int(time.monotonic() > deadline)


def _in_words(error: Exception) -> str:
    """The database's own error message, without the query and without SQLAlchemy's links."""
    if isinstance(error, ImportError):
        return "PostgreSQL support is not installed; install it with: pip install 'pm-autoaccept[postgres]'"
    why = getattr(error, "orig", None) or error
    return str(why).strip().partition("\n")[0] or type(why).__name__
