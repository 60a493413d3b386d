"""Brings a ledger's tables up to date, by Alembic, in the ledger's own transaction."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from pm_autoaccept.errors import LedgerMismatch

_ADVISORY_LOCK_ID = 0x706D_6C65_6467_6572
"""The number of PostgreSQL's advisory lock under which one replica at a time looks at the schema and changes it."""


_ALEMBIC_LOCK = threading.Lock()
"""Alembic keeps what it works on in its own modules: two threads that migrate at once would take each other's."""


def prepare_tables(connection: Connection) -> None:
    """Make the tables where there are none; bring SQLite's up to date, and refuse PostgreSQL's that are not.

    A ledger in PostgreSQL may be in use by replicas of the version before, so people say when it is changed.
    """
    _lock_schema(connection)
    found = schema_version(connection)
    if found == newest_version():
        return
    if found is None or connection.dialect.name == "sqlite":
        upgrade(connection)
    else:
        check_version(connection)


def upgrade(connection: Connection, to: str = "head") -> None:
    """Make or migrate the tables; raises `LedgerMismatch` where a newer program has migrated them further."""
    _lock_schema(connection)
    schema_version(connection)
    config = _config()
    config.attributes["connection"] = connection
    with _ALEMBIC_LOCK:
        command.upgrade(config, to)


def check_version(connection: Connection) -> None:
    """Raise `LedgerMismatch` unless the tables are just those of this program. Reads only."""
    if schema_version(connection) != newest_version():
        how = "the next `run` or `once` with it" if connection.dialect.name == "sqlite" else "`pm-autoaccept migrate`"
        raise LedgerMismatch(
            f"this is no ledger, or one of an older version of pm-autoaccept; {how} brings it up to date"
        )


def schema_version(connection: Connection) -> str | None:
    """The schema's version as it stands in the ledger, None where there are no tables. Reads only.

    Raises:
        LedgerMismatch: this program does not know it.
    """
    known, _ = _revisions()
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in known:
        raise LedgerMismatch(
            f"the ledger was written by a newer version of pm-autoaccept (its schema is {found}); "
            "upgrade this one, or name another ledger with --ledger"
        )
    return found


def has_tables(connection: Connection) -> bool:
    """Whether there are tables of a ledger, of whatever version. Reads only."""
    return connection.dialect.has_table(connection, "alembic_version")


def newest_version() -> str:
    """The schema's version that this program works with."""
    _, last = _revisions()
    return last


@cache
def _revisions() -> tuple[frozenset[str], str]:
    """All versions of the schema that this program knows, and the newest. Alembic runs every script to find out."""
    scripts = ScriptDirectory.from_config(_config())
    return frozenset(script.revision for script in scripts.walk_revisions()), scripts.get_current_head() or ""


def _lock_schema(connection: Connection) -> None:
    """Wait until no other replica is at the tables; the lock goes with the transaction. SQLite has one writer."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL lock_timeout = '5min'; SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK_ID})")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
