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

_OURS_ALONE = 0x706D_6C65_6467_6572
"""The number of PostgreSQL's advisory lock under which one replica at a time looks at the schema and changes it."""


_ONE_OF_THIS_PROCESS = threading.Lock()
"""Alembic keeps what it works on in its own modules: two threads that migrate at once would take each other's."""


def make_ready(connection: Connection) -> None:
    """Make the tables where there are none; bring SQLite's up to date, and refuse PostgreSQL's that are not.

    A ledger in PostgreSQL may be in use by replicas of the version before, so people say when it is changed.
    """
    _alone(connection)
    found = version(connection)
    if found == newest():
        return
    if found is None or connection.dialect.name == "sqlite":
        upgrade(connection)
    else:
        check(connection)


def upgrade(connection: Connection, to: str = "head") -> None:
    """Make or migrate the tables; raises `LedgerMismatch` where a newer program has migrated them further."""
    _alone(connection)
    version(connection)
    config = _config()
    config.attributes["connection"] = connection
    with _ONE_OF_THIS_PROCESS:
        command.upgrade(config, to)


def check(connection: Connection) -> None:
    """Raise `LedgerMismatch` unless the tables are just those of this program. Reads only."""
    if version(connection) != newest():
        how = "the next `run` or `once` with it" if connection.dialect.name == "sqlite" else "`pm-autoaccept migrate`"
        raise LedgerMismatch(
            f"this is no ledger, or one of an older version of pm-autoaccept; {how} brings it up to date"
        )


def version(connection: Connection) -> str | None:
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


def is_made(connection: Connection) -> bool:
    """Whether there are tables of a ledger, of whatever version. Reads only."""
    return connection.dialect.has_table(connection, "alembic_version")


def newest() -> str:
    """The schema's version that this program works with."""
    _, last = _revisions()
    return last


@cache
def _revisions() -> tuple[frozenset[str], str]:
    """All versions of the schema that this program knows, and the newest. Alembic runs every script to find out."""
    scripts = ScriptDirectory.from_config(_config())
    return frozenset(script.revision for script in scripts.walk_revisions()), scripts.get_current_head() or ""


def _alone(connection: Connection) -> None:
    """Wait until no other replica is at the tables; the lock goes with the transaction. SQLite has one writer."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL lock_timeout = '5min'; SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_OURS_ALONE})")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
