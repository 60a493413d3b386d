"""One provider account: its policy loaded, its ledger open, and the client signed in, ready for cycles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pm_autoaccept.config import Settings
from pm_autoaccept.cycle import Cycle, utc_now
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import Fact, Receipt
from pm_autoaccept.policy import Policy, Table, load
from pm_autoaccept.portfolio_manager import Pace, PortfolioManager
from pm_autoaccept.record import REPEAT_WITHIN
from pm_autoaccept.reference import read, read_folder


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """A policy that has no faults, with its tables as they were read."""

    policy: Policy
    tables: Mapping[str, Fact[Table]]

    @classmethod
    def load(cls, folder: Path) -> PolicyInForce:
        """Load a policy folder and read its tables; raises `PolicyRefused` or `ConfigurationError`."""
        policy = load(read_folder(folder))
        return cls(policy, read(policy.sources, folder))


@asynccontextmanager
async def open_account(
    settings: Settings,
    *,
    in_force: PolicyInForce | None = None,
    ledger: SqlLedger | None = None,
    stop: Callable[[], str | None] = lambda: None,
    tell: Callable[[Receipt], None] = lambda _receipt: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[Cycle]:
    """Open everything that one account's cycles work with, and sign in: one GET /account, alone.

    Args:
        settings: the account's.
        in_force: the policy; loaded from the settings' folder where None.
        ledger: one that is only read and stays open; None opens and claims the settings' own.
        stop: says why nothing more may be sent, None while it may.
        tell: called with what came of each step.
        sleep: waits so many seconds before a call is repeated.

    Raises:
        PolicyRefused, ConfigurationError: the policy folder has faults.
        LedgerError: the ledger cannot be used, or belongs to another account.
        PortfolioManagerError: signing in failed, `NotAuthorised` where the password is wrong.
    """
    judging = in_force or PolicyInForce.load(settings.policy)
    async with AsyncExitStack() as stack:
        kept = ledger
        if kept is None:
            kept = await SqlLedger.open(settings.ledger, unknown_wait=settings.unknown_wait)
            stack.push_async_callback(kept.close)
        pm = await stack.enter_async_context(
            PortfolioManager(
                base_url=settings.base_url,
                username=settings.username,
                password=settings.password.get_secret_value(),
                pace=Pace(in_flight=settings.in_flight, rate=settings.rate),
                timeout=settings.timeout.total_seconds(),
                sleep=sleep,
            )
        )
        provider = await pm.account()
        if ledger is None:
            await kept.claim(service=settings.base_url, provider=provider, at=utc_now())
        else:
            await kept.belongs_to(service=settings.base_url, provider=provider)
        yield Cycle(
            pm=pm,
            provider=provider,
            ledger=kept,
            policy=judging.policy,
            tables=judging.tables,
            mode=settings.mode,
            stop=stop,
            tell=tell,
            # A repetition must not leave when reads may already be settling what became of the answer.
            repeat_within=min(REPEAT_WITHIN, settings.unknown_wait / 2),
        )
