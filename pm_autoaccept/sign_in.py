"""Signs in to Portfolio Manager with HTTP Basic authentication, and binds the ledger to the account.

Signing in is one `GET /account`, alone, and recorded before it is sent. A refused password is not retried before its
waiting time is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import Settings, ledger_exists
from pm_autoaccept.egress.proxy_password import Egress, ProxyPasswordGuard
from pm_autoaccept.errors import NotAuthorised, PortfolioManagerError, ProxyNotAuthorised
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.elapsed_time import PROCESS_CLOCKS
from pm_autoaccept.ledger.proxy_passwords import open_proxy_guard, proxy_guard_in_ledger
from pm_autoaccept.model import ProviderAccount
from pm_autoaccept.portfolio_manager import CallMade, PortfolioManager, RateLimiter
from pm_autoaccept.sign_in_memory import SignInMemory, sign_in_attempts


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in session of one account.

    Attributes:
        pm: the client.
        provider: our own account at Portfolio Manager.
        ledger: the account's ledger. It stays open when the session ends.
    """

    pm: PortfolioManager
    provider: ProviderAccount
    ledger: SqlLedger


@asynccontextmanager
async def proxy_guard_for_reading(*accounts: Settings) -> AsyncIterator[ProxyPasswordGuard]:
    """The proxy password guard of a read-only command. It still records refused proxy passwords in the ledger."""
    ledger = accounts[0].ledger
    if ledger_exists(ledger) and any(account.proxies.may_sign_in for account in accounts):
        async with open_proxy_guard(ledger) as proxy_guard:
            yield proxy_guard
    else:
        yield ProxyPasswordGuard()


@asynccontextmanager
async def sign_in(
    settings: Settings,
    ledger: SqlLedger,
    *,
    records: bool = True,
    memory: SignInMemory | None = None,
    proxy_guard: ProxyPasswordGuard | None = None,
    rate_limiter: RateLimiter | None = None,
    on_call: Callable[[CallMade], None] = lambda _made: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Session]:
    """Sign in to Portfolio Manager as one account, with one `GET /account`.

    Args:
        settings: the account's settings.
        ledger: the account's ledger. It stays open.
        records: whether the ledger is written. A ledger that is only read need not be bound to an account yet.
        memory: records the result of signing in; by default, in that ledger.
        proxy_guard: protects proxy passwords from lockout; by default, with what the ledger has recorded.
        rate_limiter: the rate limit for calls; by default, a new one from the settings.
        on_call: called after each attempt at a call.
        sleep: waits this many seconds before a call is repeated.
        now: the clock.

    Raises:
        LedgerError: the ledger cannot be used, or belongs to another account.
        PortfolioManagerError: signing in failed; `NotAuthorised` if the password is wrong, or was refused so recently
            that it is not retried yet.
    """
    async with AsyncExitStack() as stack:
        if proxy_guard is None and records:
            proxy_guard = proxy_guard_in_ledger(ledger.database, now=now)
        elif proxy_guard is None:
            proxy_guard = await stack.enter_async_context(proxy_guard_for_reading(settings))
        memory = memory or SignInMemory(attempts=sign_in_attempts(settings, ledger.database), now=now)
        if now is utc_now:
            ledger.clocks = PROCESS_CLOCKS
        pm = await stack.enter_async_context(
            PortfolioManager(
                base_url=settings.base_url,
                username=settings.username,
                password=settings.password.get_secret_value(),
                rate_limiter=rate_limiter or RateLimiter(in_flight=settings.in_flight, rate=settings.rate),
                timeout=settings.timeout.total_seconds(),
                sleep=sleep,
                now=now,
                on_call=on_call,
                refusal_store=memory,
                egress=Egress(settings.proxies, proxy_guard),
            )
        )
        provider = await get_own_account(pm, memory)
        if records:
            await ledger.claim(service=settings.base_url, provider=provider, at=now())
        else:
            await ledger.check_account(service=settings.base_url, provider=provider)
        yield Session(pm, provider, ledger)


async def get_own_account(pm: PortfolioManager, memory: SignInMemory) -> ProviderAccount:
    """GET /account, unless the password was refused recently. The try is recorded before it is sent.

    Raises:
        NotAuthorised: the password is wrong, or was refused so recently that it is not retried (then without a status).
        PortfolioManagerError: signing in failed; TooFast, without a call, while an earlier Retry-After lasts.
        LedgerError: the try cannot be recorded.
    """
    pm.rate_limiter.hold_off((await memory.resting()).total_seconds())
    await memory.trying()
    try:
        provider = await pm.account()
    except ProxyNotAuthorised:
        await memory.failed()  # Portfolio Manager did not see the password
        raise
    except NotAuthorised:
        raise  # already recorded
    except PortfolioManagerError:
        await memory.failed()
        raise
    except asyncio.CancelledError:
        if not pm.refused:
            await memory.given_up()
        raise
    await memory.taken()
    return provider
