"""Makes the tables of new SQLite ledgers by copying them: Alembic runs once per worker instead of once per test.

All migrations together take a tenth of a second, and more than a thousand tests need a new ledger.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache

import pytest
from sqlalchemy import Connection, text

from pm_autoaccept.ledger.db import migrations, tables
from pm_autoaccept.ledger.db.engines import parse_address, write_engine

migrated = migrations.upgrade
"""What the program itself calls: Alembic's migrations, one after the other."""


@contextmanager
def copied_tables() -> Iterator[None]:
    """Copy the tables into every new SQLite ledger. All other ledgers are migrated as ever."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "upgrade", _copied_or_migrated)
        yield


def _copied_or_migrated(connection: Connection, to: str = "head") -> None:
    if connection.dialect.name != "sqlite" or to != "head" or migrations.has_tables(connection):
        migrated(connection, to)
        return
    for statement in _statements():
        connection.exec_driver_sql(statement)
    connection.execute(
        text("INSERT INTO alembic_version (version_num) VALUES (:version)"), {"version": migrations.newest_version()}
    )
    connection.execute(tables.ledger.insert().values(id=secrets.token_hex(16), made_at=datetime.now(UTC)))


@cache
def _statements() -> tuple[str, ...]:
    """The statements with which SQLite remembers the tables and indexes of a ledger that was migrated."""
    engine = write_engine(parse_address("sqlite://"))
    with engine.begin() as connection:
        migrated(connection)
        made = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
        statements = tuple(sql for name, sql in made if not name.startswith("sqlite_"))
        with_rows = {
            name
            for name in (*tables.metadata.tables, "alembic_version")
            if connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one()  # noqa: S608 — our name
        }
    engine.dispose()
    assert with_rows == {"ledger", "alembic_version"}, "a migration adds rows: copy them here too"
    return statements
