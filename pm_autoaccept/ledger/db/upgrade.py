"""Brings a ledger up to date when people say so, or says what that would do."""

from __future__ import annotations

from sqlalchemy import Connection

from pm_autoaccept.ledger.db.database import Database
from pm_autoaccept.ledger.db.migrations import newest_version, schema_version, upgrade


async def migrate(address: str, *, check_only: bool = False) -> tuple[str | None, str]:
    """Migrate a ledger, and say from which version of its tables to which. From None, where there were no tables.

    Args:
        address: the ledger's.
        check_only: nothing is written, made or migrated.

    Raises:
        ConfigurationError, LedgerUnavailable: as `Database.open`.
        LedgerMismatch: the ledger was written by a newer program.
    """
    found: str | None = None

    def look(connection: Connection) -> None:
        nonlocal found
        found = schema_version(connection)
        if not check_only:
            upgrade(connection)

    database = await Database.open(address, read_only=check_only, prepare=look)
    await database.close()
    return found, newest_version()
