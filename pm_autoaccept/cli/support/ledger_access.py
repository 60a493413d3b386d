"""Opens the ledger for commands: read-only in one transaction, or to write. Never creates one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
from sqlalchemy import Connection

from pm_autoaccept.config import ledger_address, ledger_exists
from pm_autoaccept.errors import LedgerUnavailable
from pm_autoaccept.ledger import Database
from pm_autoaccept.ledger.audit import account_names
from pm_autoaccept.redaction import redact_url

R = TypeVar("R")


def read_ledger(
    option: str | None, settings: Path | None, work: Callable[[Connection], R], *, account: str | None = None
) -> R:
    """Do work in one read transaction, so that all of it sees the same state and nothing is written.

    Args:
        option: the value of --ledger.
        settings: the value of --settings.
        work: what to do.
        account: a provider account that must be in the ledger.

    Raises:
        LedgerUnavailable: there is no ledger.
        UsageError: the ledger has no such account.
    """
    address = _existing(option, settings)

    def checked(connection: Connection) -> R:
        known = account_names(connection)
        if account is not None and account not in known:
            raise click.UsageError(
                f"unknown account `{account}` in the ledger; known accounts: {', '.join(known) or 'none'}"
            )
        return work(connection)

    async def read() -> R:
        database = await Database.open(address, read_only=True)
        try:
            return await database.read(checked)
        finally:
            await database.close()

    return asyncio.run(read())


def write_ledger(option: str | None, settings: Path | None, work: Callable[[Connection], R]) -> R:
    """Do work in one write transaction.

    Raises:
        LedgerUnavailable: there is no ledger.
    """
    address = _existing(option, settings)

    async def write() -> R:
        database = await Database.open(address)
        try:
            return await database.run(work)
        finally:
            await database.close()

    return asyncio.run(write())


def _existing(option: str | None, settings: Path | None) -> str:
    address = ledger_address(option, settings=settings)
    if not ledger_exists(address):
        raise LedgerUnavailable(f"no ledger at {redact_url(address)}; pass --ledger with the address of one")
    return address
