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
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    found = set(MigrationContext.configure(connection).get_current_heads())
    if not found <= known:
        raise LedgerMismatch(
            f"the ledger was written by a newer version of pm-autoaccept (its schema is {', '.join(sorted(found))}); "
            "upgrade this one, or name another ledger with --ledger"
        )
    command.upgrade(config, "head")
