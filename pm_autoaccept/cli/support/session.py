"""Signs in to Portfolio Manager for commands that need no policy: removals, notifications, custom fields."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from pm_autoaccept.account import PolicyInForce, open_account
from pm_autoaccept.cli.support.runner import run_reading
from pm_autoaccept.config import Settings
from pm_autoaccept.daemon import Stop
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import CustomFieldDefinition
from pm_autoaccept.policy import load
from pm_autoaccept.portfolio_manager import PortfolioManager
from pm_autoaccept.sign_in import Memory, credential, only_reading

_HOLD_EVERYTHING = b"version: 1\nrules: [{id: hold, on: [connection, property, meter], when: always, then: hold}]\n"


@asynccontextmanager
async def signed_in(settings: Settings, *, stop: Stop) -> AsyncIterator[tuple[PortfolioManager, SqlLedger]]:
    """A signed-in client and the account's ledger. Works even if the account's own policy has faults.

    Raises:
        LedgerError, PortfolioManagerError: as `open_account`.
    """
    ledger = await SqlLedger.open(settings.ledger, name=settings.name, unknown_wait=settings.unknown_wait)
    try:
        policy = PolicyInForce(load({"policy.yaml": _HOLD_EVERYTHING}), {})
        memory = Memory(credential=credential(settings, ledger.database, aside=True), tell=print_message)
        account = open_account(settings, ledger=ledger, memory=memory, in_force=policy, sleep=stop.sleep)
        async with account as cycle:
            yield cycle.pm, ledger
    finally:
        await ledger.close()


@asynccontextmanager
async def signed_in_to_read(settings: Settings) -> AsyncIterator[PortfolioManager]:
    """A signed-in client for read-only commands. The ledger, if there is one, only records refused passwords.

    Raises:
        LedgerError, PortfolioManagerError: as `open_account`.
    """
    async with only_reading(settings, tell=print_message) as (ledger, memory):
        policy = PolicyInForce(load({"policy.yaml": _HOLD_EVERYTHING}), {})
        async with open_account(settings, ledger=ledger, records=False, memory=memory, in_force=policy) as cycle:
            yield cycle.pm


def read_custom_fields(settings: Settings) -> tuple[CustomFieldDefinition, ...]:
    """The account's custom fields in full, in the account's order. Read-only; a signal ends the command.

    Raises:
        LedgerError, PortfolioManagerError: as `open_account`.
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
