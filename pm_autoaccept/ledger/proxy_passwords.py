"""Proxy password attempts: records in the ledger which proxies refused their password, so that it is tried rarely.

They use the same table as sign-in attempts, in rows that belong to no account: accounts that share a proxy share its
password, and a directory that locks it counts the tries of all of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from pm_autoaccept.clock import utc_now
from pm_autoaccept.egress import Proxy
from pm_autoaccept.egress.proxy_password import ProxyPasswordGuard, ProxyPasswordStore
from pm_autoaccept.errors import ConfigurationError, LedgerError
from pm_autoaccept.ledger.db.database import Database
from pm_autoaccept.ledger.sign_in_attempts import SignInAttempts

PROXY_ROW = "(proxy)"
"""Used instead of an account's name. No account can have this name."""


def proxy_guard_in_ledger(database: Database, *, now: Callable[[], datetime] = utc_now) -> ProxyPasswordGuard:
    """Proxy password attempts of this process, recorded in a ledger."""

    def remembers(proxy: Proxy) -> ProxyPasswordStore:
        credentials = (proxy.credentials or b"").decode("latin-1")
        return SignInAttempts(
            database=database, name=PROXY_ROW, service=proxy.address, username="", password=credentials
        )

    return ProxyPasswordGuard(remembers, now=now)


@asynccontextmanager
async def open_proxy_guard(address: str, *, now: Callable[[], datetime] = utc_now) -> AsyncIterator[ProxyPasswordGuard]:
    """The same for a command that otherwise only reads its ledger. It must record attempts, or a password could lock.

    If no ledger can be used, only this process remembers the attempts.
    """
    database = await _opened(address)
    try:
        yield ProxyPasswordGuard(now=now) if database is None else proxy_guard_in_ledger(database, now=now)
    finally:
        if database is not None:
            await database.close()


async def _opened(address: str) -> Database | None:
    try:
        return await Database.open_to_append(address)
    except (LedgerError, ConfigurationError):
        return None
