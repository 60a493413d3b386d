"""Proxy password attempts: records in the ledger which proxies refused their password, so that it is tried rarely.

They use the same table as sign-in attempts, in rows that belong to no account: accounts that share a proxy share its
password, and a directory that locks it counts the tries of all of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from pm_autoaccept.egress import Proxy
from pm_autoaccept.egress.proxy_password import Memory, Passage
from pm_autoaccept.errors import ConfigurationError, LedgerError
from pm_autoaccept.ledger.db.database import Database
from pm_autoaccept.ledger.sign_in_attempts import SignInAttempts

PROXY_ROW = "(proxy)"
"""Used instead of an account's name. No account can have this name."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def passage_in_ledger(database: Database, *, now: Callable[[], datetime] = _utc_now) -> Passage:
    """Proxy password attempts of this process, recorded in a ledger."""

    def remembers(proxy: Proxy) -> Memory:
        credentials = (proxy.credentials or b"").decode("latin-1")
        return SignInAttempts(
            database=database, name=PROXY_ROW, service=proxy.address, username="", password=credentials
        )

    return Passage(remembers, now=now)


@asynccontextmanager
async def passage_for_reader(address: str, *, now: Callable[[], datetime] = _utc_now) -> AsyncIterator[Passage]:
    """The same for a command that otherwise only reads its ledger. It must record attempts, or a password could lock.

    If no ledger can be used, only this process remembers the attempts.
    """
    database = await _opened(address)
    try:
        yield Passage(now=now) if database is None else passage_in_ledger(database, now=now)
    finally:
        if database is not None:
            await database.close()


async def _opened(address: str) -> Database | None:
    try:
        return await Database.open_to_append(address)
    except (LedgerError, ConfigurationError):
        return None
