"""Signs in for commands that people give, without a policy: nothing is judged by them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pm_autoaccept.account import PolicyInForce, open_account
from pm_autoaccept.cli.recorded import ledger_exists
from pm_autoaccept.config import Settings
from pm_autoaccept.daemon import Stop
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.policy import load
from pm_autoaccept.portfolio_manager import PortfolioManager

_HOLDS_EVERYTHING = b"version: 1\nrules: [{id: hold, on: [connection, property, meter], when: always, then: hold}]\n"


@asynccontextmanager
async def signed_in(settings: Settings, *, stop: Stop) -> AsyncIterator[tuple[PortfolioManager, SqlLedger]]:
    """A signed-in client and the claimed ledger. A policy with faults does not keep people from ending what it let in.

    Raises:
        LedgerError, PortfolioManagerError: as `open_account`.
    """
    ledger = await SqlLedger.open(settings.ledger, name=settings.name, unknown_wait=settings.unknown_wait)
    try:
        policy = PolicyInForce(load({"policy.yaml": _HOLDS_EVERYTHING}), {})
        async with open_account(settings, ledger=ledger, in_force=policy, sleep=stop.sleep) as cycle:
            yield cycle.pm, ledger
    finally:
        await ledger.close()


@asynccontextmanager
async def signed_in_to_read(settings: Settings) -> AsyncIterator[PortfolioManager]:
    """A signed-in client for what only reads. The ledger, if there is one, is read: it knows of refused passwords.

    Raises:
        LedgerError, PortfolioManagerError: as `open_account`.
    """
    there_is = ledger_exists(settings.ledger)
    ledger = await SqlLedger.open(settings.ledger if there_is else "sqlite://", name=settings.name, read_only=there_is)
    try:
        policy = PolicyInForce(load({"policy.yaml": _HOLDS_EVERYTHING}), {})
        async with open_account(settings, ledger=ledger, records=False, in_force=policy) as cycle:
            yield cycle.pm
    finally:
        await ledger.close()
