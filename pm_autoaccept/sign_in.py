"""Signs in to Portfolio Manager with HTTP Basic authentication, and binds the ledger to the account.

Signing in is one `GET /account`, alone, recorded before it is sent. A refused password is not tried again before its
waiting time is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import Settings
from pm_autoaccept.egress.proxy_password import Egress, Passage
from pm_autoaccept.errors import NotAuthorised, PortfolioManagerError, ProxyNotAuthorised
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.elapsed_time import PROCESS_CLOCKS
from pm_autoaccept.ledger.proxy_passwords import passage_for_reader, passage_in_ledger
from pm_autoaccept.model import ProviderAccount
from pm_autoaccept.portfolio_manager import CallMade, Pace, PortfolioManager
from pm_autoaccept.sign_in_memory import Memory, credential, ledger_is_there


@dataclass(frozen=True, slots=True)
class Session:
    """One account, signed in.

    Attributes:
        pm: the client.
        provider: our own account at Portfolio Manager.
        ledger: the account's ledger. It stays open when the session ends.
    """

    pm: PortfolioManager
    provider: ProviderAccount
    ledger: SqlLedger


@asynccontextmanager
async def passage_to_look(*accounts: Settings) -> AsyncIterator[Passage]:
    """What is known of proxies' passwords, for what only reads its ledger: of them it writes all the same."""
    ledger = accounts[0].ledger
    if ledger_is_there(ledger) and any(account.proxies.may_sign_in for account in accounts):
        async with passage_for_reader(ledger) as passage:
            yield passage
    else:
        yield Passage()


@asynccontextmanager
async def sign_in(
    settings: Settings,
    ledger: SqlLedger,
    *,
    records: bool = True,
    memory: Memory | None = None,
    passage: Passage | None = None,
    pace: Pace | None = None,
    on_call: Callable[[CallMade], None] = lambda _made: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Session]:
    """Connect to Portfolio Manager as one account: one `GET /account`, alone.

    Args:
        settings: the account's.
        ledger: where its work is recorded. It stays open.
        records: whether the ledger is written. A ledger that is only read need not be claimed yet.
        memory: remembers how signing in ended; by default, that ledger.
        passage: what is known of proxies' passwords; by default, what the ledger remembers.
        pace: the rate limit for calls; by default, a new one from the settings.
        on_call: called after each attempt at a call.
        sleep: waits this many seconds before a call is repeated.
        now: the clock.

    Raises:
        LedgerError: the ledger cannot be used, or belongs to another account.
        PortfolioManagerError: signing in failed; `NotAuthorised` if the password is wrong, or was refused so recently
            that it is not tried.
    """
    async with AsyncExitStack() as stack:
        if passage is None and records:
            passage = passage_in_ledger(ledger.database, now=now)
        elif passage is None:
            passage = await stack.enter_async_context(passage_to_look(settings))
        memory = memory or Memory(credential=credential(settings, ledger.database), now=now)
        if now is utc_now:
            ledger.clocks = PROCESS_CLOCKS
        pm = await stack.enter_async_context(
            PortfolioManager(
                base_url=settings.base_url,
                username=settings.username,
                password=settings.password.get_secret_value(),
                pace=pace or Pace(in_flight=settings.in_flight, rate=settings.rate),
                timeout=settings.timeout.total_seconds(),
                sleep=sleep,
                now=now,
                on_call=on_call,
                memory=memory,
                egress=Egress(settings.proxies, passage),
            )
        )
        provider = await get_own_account(pm, memory)
        if records:
            await ledger.claim(service=settings.base_url, provider=provider, at=now())
        else:
            await ledger.check_account(service=settings.base_url, provider=provider)
        yield Session(pm, provider, ledger)


async def get_own_account(pm: PortfolioManager, memory: Memory) -> ProviderAccount:
    """GET /account, unless the password was refused lately; the try is on record before it leaves.

    Raises:
        NotAuthorised: the password is wrong, or was refused so lately that it is not tried (then without a status).
        PortfolioManagerError: another of its kinds; TooFast, unsent, while a rest lasts that was asked for before.
        LedgerError: it cannot be recorded.
    """
    pm.pace.rest((await memory.resting()).total_seconds())
    await memory.trying()
    try:
        provider = await pm.account()
    except ProxyNotAuthorised:
        await memory.failed()  # nobody has seen the account's password
        raise
    except NotAuthorised:
        raise  # on record by now
    except PortfolioManagerError:
        await memory.failed()
        raise
    except asyncio.CancelledError:
        if not pm.refused:
            await memory.given_up()
        raise
    await memory.taken()
    return provider
