"""Brings a ledger's tables up to date, by Alembic, in the ledger's own transaction."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from pm_autoaccept.errors import LedgerMismatch


def upgrade(connection: Connection) -> None:
    """Make or migrate the tables; raises `LedgerMismatch` where a newer program has migrated them further."""
    config = _config()
    config.attributes["connection"] = connection
    _versions(connection, config)
    command.upgrade(config, "head")


def check(connection: Connection) -> None:
    """Raise `LedgerMismatch` unless the tables are just those of this program. Reads only."""
    config = _config()
    found = _versions(connection, config)
    if found != set(ScriptDirectory.from_config(config).get_heads()):
        raise LedgerMismatch(
            "this is no ledger, or one of an older version of pm-autoaccept; the next `run` or `once` with it "
            "brings it up to date"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def _versions(connection: Connection, config: Config) -> set[str]:
    """The schema's version as it stands in the ledger; raises `LedgerMismatch` where this program does not know it."""
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    found = set(MigrationContext.configure(connection).get_current_heads())
    if not found <= known:
        raise LedgerMismatch(
            f"the ledger was written by a newer version of pm-autoaccept (its schema is {', '.join(sorted(found))}); "
            "upgrade this one, or name another ledger with --ledger"
        )
    return found
