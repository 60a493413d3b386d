"""Remembers which proxies refused their password, as `signing_in` does for Portfolio Manager's, and apart from it.

The row is nobody's account: accounts that share a proxy share its password, and a directory that locks it counts the
tries of all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from pm_autoaccept.egress import Proxy
from pm_autoaccept.egress.proxy_password import Memory, Passage
from pm_autoaccept.errors import ConfigurationError, LedgerError
from pm_autoaccept.ledger.db.database import Database
from pm_autoaccept.ledger.sign_in_attempts import SigningIn

OF_NO_ACCOUNT = "(proxy)"
"""Where an account's name stands else. No account can be called so."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def recorded(database: Database, *, now: Callable[[], datetime] = _utc_now) -> Passage:
    """What this process knows of proxies' passwords, and remembers in a ledger."""

    def remembers(proxy: Proxy) -> Memory:
        credentials = (proxy.credentials or b"").decode("latin-1")
        return SigningIn(
            database=database, name=OF_NO_ACCOUNT, service=proxy.address, username="", password=credentials
        )

    return Passage(remembers, now=now)


@asynccontextmanager
async def recorded_beside(address: str, *, now: Callable[[], datetime] = _utc_now) -> AsyncIterator[Passage]:
    """The same for what only reads its ledger: of proxies' passwords it writes all the same, or they would lock.

    Where there is none that can be used, this process alone remembers.
    """
    database = await _opened(address)
    try:
        yield Passage(now=now) if database is None else recorded(database, now=now)
    finally:
        if database is not None:
            await database.close()


async def _opened(address: str) -> Database | None:
    try:
        return await Database.open_beside(address)
    except (LedgerError, ConfigurationError):
        return None
