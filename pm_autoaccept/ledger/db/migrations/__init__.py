"""Schema migrations with Alembic, in the ledger's own transaction: create, upgrade or check the tables.

Importing Alembic takes a tenth of the time that `run` needs to start, so only `upgrade` imports it.
"""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path

from sqlalchemy import Connection

from pm_autoaccept.errors import LedgerMismatch

_ADVISORY_LOCK_ID = 0x706D_6C65_6467_6572
"""The number of the PostgreSQL advisory lock under which one replica at a time checks and changes the schema."""


_FOLDER = Path(__file__).parent

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
    from alembic import command  # noqa: PLC0415 — see above
    from alembic.config import Config  # noqa: PLC0415 — likewise

    _lock_schema(connection)
    schema_version(connection)
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
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
    if not has_tables(connection):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    if found is not None and found not in _versions():
        raise LedgerMismatch(
            f"the ledger was written by a newer version of pm-autoaccept (its schema is {found}); "
            "upgrade this one, or choose another ledger with --ledger"
        )
    return None if found is None else str(found)


def has_tables(connection: Connection) -> bool:
    """Whether the tables of a ledger exist, in any version. Reads only."""
    return connection.dialect.has_table(connection, "alembic_version")


def newest_version() -> str:
    """The schema version of this program."""
    return max(_versions())


@cache
def _versions() -> frozenset[str]:
    """All schema versions that this program knows: its migrations, each in a file named after its version."""
    return frozenset(file.name.partition("_")[0] for file in (_FOLDER / "versions").glob("[0-9]*.py"))


def _lock_schema(connection: Connection) -> None:
    """Lock the schema against other replicas until the transaction ends. SQLite has only one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL lock_timeout = '5min'; SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK_ID})")
