"""Signs in for commands that people give, without a policy: nothing is judged by them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from pm_autoaccept.config import Settings
from pm_autoaccept.daemon import Stop
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.portfolio_manager import PortfolioManager
from pm_autoaccept.sign_in import sign_in
from pm_autoaccept.sign_in_memory import Memory, credential, only_reading


@asynccontextmanager
async def signed_in(settings: Settings, *, stop: Stop) -> AsyncIterator[tuple[PortfolioManager, SqlLedger]]:
    """A signed-in client and the claimed ledger. A policy with faults does not keep people from ending what it let in.

    Raises:
        LedgerError, PortfolioManagerError: as `sign_in`.
    """
    ledger = await SqlLedger.open(settings.ledger, name=settings.name, unknown_wait=settings.unknown_wait)
    try:
        memory = Memory(credential=credential(settings, ledger.database, aside=True), tell=say)
        async with sign_in(settings, ledger, memory=memory, sleep=stop.sleep) as session:
            yield session.pm, ledger
    finally:
        await ledger.close()


@asynccontextmanager
async def signed_in_to_read(settings: Settings) -> AsyncIterator[PortfolioManager]:
    """A signed-in client for what only reads. The ledger, if there is one, remembers refused passwords.

    Raises:
        LedgerError, PortfolioManagerError: as `sign_in`.
    """
    async with (
        only_reading(settings, tell=say) as (ledger, memory),
        sign_in(settings, ledger, records=False, memory=memory) as session,
    ):
        yield session.pm


def say(text: str) -> None:
    """Say beside a command's output what people must know."""
    click.echo(f"pm-autoaccept: {text}", err=True)
