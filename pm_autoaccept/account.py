"""One provider account: its policy loaded, its ledger open, and the client signed in, ready for cycles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from pm_autoaccept.config import Settings
from pm_autoaccept.cycle import Cycle, utc_now
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import Fact, Receipt
from pm_autoaccept.policy import Policy, Table, load
from pm_autoaccept.portfolio_manager import Pace, PortfolioManager
from pm_autoaccept.reference import read, read_folder


def load_policy(settings: Settings) -> tuple[Policy, Mapping[str, Fact[Table]]]:
    """Load the policy folder and read its tables; raises `PolicyRefused` or `ConfigurationError`."""
    policy = load(read_folder(settings.policy))
    return policy, read(policy.sources, settings.policy)


@asynccontextmanager
async def open_account(
    settings: Settings,
    *,
    ledger_url: str | None = None,
    stop: Callable[[], str | None] = lambda: None,
    tell: Callable[[Receipt], None] = lambda _receipt: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[Cycle]:
    """Open everything that one account's cycles work with, and sign in: one GET /account, alone.

    Args:
        settings: the account's.
        ledger_url: another ledger than the settings', as `sqlite://` for one in memory.
        stop: says why nothing more may be sent, None while it may.
        tell: called with what came of each step.
        sleep: waits so many seconds before a call is repeated.

    Raises:
        PolicyRefused, ConfigurationError: the policy folder has faults.
        LedgerError: the ledger cannot be used, or belongs to another account.
        PortfolioManagerError: signing in failed, `NotAuthorised` where the password is wrong.
    """
    policy, tables = load_policy(settings)
    ledger = await SqlLedger.open(ledger_url or settings.ledger, unknown_wait=settings.unknown_wait)
    try:
        async with PortfolioManager(
            base_url=settings.base_url,
            username=settings.username,
            password=settings.password.get_secret_value(),
            pace=Pace(in_flight=settings.in_flight, rate=settings.rate),
            timeout=settings.timeout.total_seconds(),
            sleep=sleep,
        ) as pm:
            provider = await pm.account()
            await ledger.claim(service=settings.base_url, provider=provider, at=utc_now())
            yield Cycle(
                pm=pm,
                provider=provider,
                ledger=ledger,
                policy=policy,
                tables=tables,
                mode=settings.mode,
                stop=stop,
                tell=tell,
            )
    finally:
        await ledger.close()
