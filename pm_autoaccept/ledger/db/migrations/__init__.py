"""Schema migrations with Alembic, in the ledger's own transaction: create, upgrade or check the tables."""

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
"""The number of the PostgreSQL advisory lock under which one replica at a time checks and changes the schema."""


_ALEMBIC_LOCK = threading.Lock()
"""Alembic keeps its state in its own modules, so two threads must not migrate at the same time."""


def prepare_tables(connection: Connection) -> None:
    """Create missing tables; migrate SQLite's; refuse PostgreSQL's if they need a migration.

    A ledger in PostgreSQL may be in use by replicas of the previous version, so people decide when to migrate it.
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
    """Create or migrate the tables; raises `LedgerMismatch` if a newer program version has migrated them further."""
    _lock_schema(connection)
    schema_version(connection)
    config = _config()
    config.attributes["connection"] = connection
    with _ALEMBIC_LOCK:
        command.upgrade(config, to)


def check_version(connection: Connection) -> None:
    """Raise `LedgerMismatch` unless the tables have this program's schema version. Reads only."""
    if schema_version(connection) != newest_version():
        how = "the next `run` or `once` with it" if connection.dialect.name == "sqlite" else "`pm-autoaccept migrate`"
        raise LedgerMismatch(
            f"this is not a ledger, or a ledger from an older version of pm-autoaccept; {how} upgrades it"
        )


def schema_version(connection: Connection) -> str | None:
    """The ledger's schema version; None if there are no tables. Reads only.

    Raises:
        LedgerMismatch: this program does not know the version.
    """
    known, _ = _revisions()
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in known:
        raise LedgerMismatch(
            f"the ledger was written by a newer version of pm-autoaccept (its schema is {found}); "
            "upgrade this one, or choose another ledger with --ledger"
        )
    return found


def has_tables(connection: Connection) -> bool:
    """Whether the tables of a ledger exist, in any version. Reads only."""
    return connection.dialect.has_table(connection, "alembic_version")


def newest_version() -> str:
    """The schema version of this program."""
    _, last = _revisions()
    return last


@cache
def _revisions() -> tuple[frozenset[str], str]:
    """All versions of the schema that this program knows, and the newest. Alembic runs every script to find out."""
    scripts = ScriptDirectory.from_config(_config())
    return frozenset(script.revision for script in scripts.walk_revisions()), scripts.get_current_head() or ""


def _lock_schema(connection: Connection) -> None:
    """Lock the schema against other replicas until the transaction ends. SQLite has only one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL lock_timeout = '5min'; SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK_ID})")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
