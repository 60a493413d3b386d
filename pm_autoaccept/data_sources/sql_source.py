"""Sources that are a query to a database, `sql`: it is only read there, within a time, and streamed."""

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
from pm_autoaccept.redaction import redacted

_AT_ONCE = 2_000
"""Rows fetched together."""
_EXACT = 2**53
"""Up to here each whole number has a float of its own."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a query may cost: rows it may bring, and how long it may take, until the first row and altogether."""

    rows: int = 20_000_000
    first: timedelta = timedelta(minutes=2)
    whole: timedelta = timedelta(minutes=5)


BOUNDS = Bounds()


def read_query(source: Source, address: str, *, bounds: Bounds = BOUNDS) -> Reading:
    """Ask a database for the rows of a source.

    Args:
        source: an `sql` one.
        address: of the database, `sqlite:///FILE` or `postgresql://…`, with its password.
        bounds: what it may cost.
    """
    query = source.query.query if source.query is not None else ""
    try:
        url = make_url(address)
    except (SQLAlchemyError, ValueError):
        return doubt(source, "the address of this connection cannot be read; write it as postgresql://USER@HOST/DB")
    try:
        with _connected(url, bounds) as connection, closing(_asked(connection, query)) as result:
            return _read(source, result, bounds)
    except Doubtful as error:
        return doubt(source, error)
    except (SQLAlchemyError, sqlite3.Error, UnicodeError, OverflowError, OSError, ImportError) as error:
        # A driver repeats what it was given, and the address has a password in it.
        why = redacted(_in_words(error), address)
        return doubt(source, why or f"{type(error).__name__}, and its text holds a part of the connection's address")


def _asked(connection: Connection, query: str) -> CursorResult[Any]:
    # As it is written: SQLAlchemy would take `:name` in it for a parameter, and the driver a percent sign.
    options = {"no_parameters": True, "stream_results": True, "max_row_buffer": _AT_ONCE}
    return connection.execution_options(**options).exec_driver_sql(query)


def _read(source: Source, result: CursorResult[Any], bounds: Bounds) -> Reading:
    if not result.returns_rows:
        raise Doubtful("the query brings no rows; begin it with `select`")
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
                raise Doubtful(f"it takes longer than {bounds.whole}")
            for row in some:
                number += 1
                cells = [""] * len(header)
                for at in asked_for:
                    cells[at] = _key(row[at], number) if at in keys else _text(row[at])
                digest.add(cells)
                yield number, cells
            if number > bounds.rows:
                raise Doubtful(f"it has more than {bounds.rows:,} rows")

    taking.rows(header, rows())
    return taking.reading(digest=digest.hexdigest())


class _Digest:
    """Of rows in whatever order they come, since a database may bring them in another one each time."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, cells: list[str]) -> None:
        row = "".join(f"{len(cell)}:{cell}" for cell in cells).encode("utf-8", "surrogatepass")
        self._sum += int.from_bytes(hashlib.sha256(row).digest())

    def hexdigest(self) -> str:
        return hashlib.sha256(str(self._sum).encode()).hexdigest()


def _key(value: object, number: int) -> str:
    """A key as text. A number with a fraction is none: cleaned of its point, it would be another customer's."""
    if isinstance(value, float):
        value = Decimal(value) if abs(value) < _EXACT else Decimal("NaN")
    if isinstance(value, Decimal):
        if not value.is_finite() or value != value.to_integral_value():
            raise Doubtful(f"row {number}: the key is a number with a fraction; cast it to text in the query")
        return format(value.to_integral_value(), "f")
    return _text(value)


def _text(value: object) -> str:
    """A value as a csv file would have it."""
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
        raise Doubtful("a column holds bytes; cast it to text in the query")
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
    # What the address says stands above the usual, and beside what keeps the reading within bounds.
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
    """The database's own words, without the query and without SQLAlchemy's links."""
    if isinstance(error, ImportError):
        return "it needs psycopg; install it with: pip install 'pm-autoaccept[postgres]'"
    why = getattr(error, "orig", None) or error
    return str(why).strip().partition("\n")[0] or type(why).__name__
