"""Signs in to Portfolio Manager for commands that need no policy: removals, notifications, custom fields."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from pm_autoaccept.cli.support.runner import run_reading
from pm_autoaccept.config import Settings
from pm_autoaccept.daemon import Stop
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import CustomFieldDefinition
from pm_autoaccept.portfolio_manager import PortfolioManager
from pm_autoaccept.sign_in import sign_in
from pm_autoaccept.sign_in_memory import SignInMemory, open_read_only, sign_in_attempts


@asynccontextmanager
async def signed_in(settings: Settings, *, stop: Stop) -> AsyncIterator[tuple[PortfolioManager, SqlLedger]]:
    """A signed-in client and the account's ledger. Works even if the account's own policy has faults.

    Raises:
        LedgerError, PortfolioManagerError: as `sign_in`.
    """
    ledger = await SqlLedger.open(settings.ledger, name=settings.name, unknown_wait=settings.unknown_wait)
    try:
        attempts = sign_in_attempts(settings, ledger.database, aside=True)
        memory = SignInMemory(attempts=attempts, on_warning=print_message)
        async with sign_in(settings, ledger, memory=memory, sleep=stop.sleep) as session:
            yield session.pm, ledger
    finally:
        await ledger.close()


@asynccontextmanager
async def signed_in_to_read(settings: Settings) -> AsyncIterator[PortfolioManager]:
    """A signed-in client for read-only commands. The ledger, if there is one, only records refused passwords.

    Raises:
        LedgerError, PortfolioManagerError: as `sign_in`.
    """
    async with (
        open_read_only(settings, on_warning=print_message) as (ledger, memory),
        sign_in(settings, ledger, records=False, memory=memory) as session,
    ):
        yield session.pm


def read_custom_fields(settings: Settings) -> tuple[CustomFieldDefinition, ...]:
    """The account's custom fields in full, in the account's order. Read-only; a signal ends the command.

    Raises:
        LedgerError, PortfolioManagerError: as `sign_in`.
    """
    found: list[CustomFieldDefinition] = []

    async def read() -> int:
        async with signed_in_to_read(settings) as pm:
            for named in await pm.custom_fields():
                found.append(await pm.custom_field(named.id))  # noqa: PERF401 — a comprehension cannot await one by one
        return 0

    if code := run_reading(read, settings=settings):
        raise click.exceptions.Exit(code)
    return tuple(found)


def print_message(text: str) -> None:
    """Print a message on stderr, apart from the command's output."""
    click.echo(f"pm-autoaccept: {text}", err=True)
