"""Keeps a proxy's password from being tried too often, by all accounts and by every call, those for data included.

Proxies sign in against directories that lock accounts. So a password that this process has not seen accepted is tried
by one call alone, and the others wait for what comes of it. One that was refused waits as long as Portfolio Manager's
would (`ledger.proxy_passwords`), and meanwhile nothing is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from pm_autoaccept.clock import utc_now
from pm_autoaccept.egress.proxy import Proxy
from pm_autoaccept.egress.routes import Proxies
from pm_autoaccept.errors import ConfigurationError, ProxyNotAuthorised

T = TypeVar("T")

UNRECORDED_WAIT = timedelta(minutes=15)
"""After a refusal that is remembered by this process alone."""


class Memory(Protocol):
    """What is remembered of one proxy's password."""

    async def trying(self, *, at: datetime) -> datetime | None:
        """Note that it is tried now, and return None; or when it may be tried."""
        ...

    async def taken(self, *, at: datetime) -> None:
        """Note that it was accepted."""
        ...

    async def refused(self, *, at: datetime) -> datetime:
        """Note that it was refused, and return when it may be tried again."""
        ...

    async def failed(self, *, at: datetime) -> None:
        """Note that nothing was learnt of it."""
        ...

    async def given_up(self, *, at: datetime) -> None:
        """Note that nobody waits for what comes of it any more."""
        ...


class _InThisProcess:
    """Remembers nothing that outlives the process."""

    def __init__(self) -> None:
        self._until: datetime | None = None

    async def trying(self, *, at: datetime) -> datetime | None:
        return self._until if self._until is not None and self._until > at else None

    async def refused(self, *, at: datetime) -> datetime:
        self._until = at + UNRECORDED_WAIT
        return self._until

    async def _nothing(self, *, at: datetime) -> None:
        """There is nothing to note."""

    taken = failed = given_up = _nothing


@dataclass(slots=True)
class _Standing:
    """What this process knows of one password.

    Attributes:
        memory: what outlives the process.
        accepted: the proxy has let a call through, and has refused none since.
        until: before then it was not to be tried, when that was last asked.
        alone: held by the call that tries it.
    """

    memory: Memory
    accepted: bool = False
    until: datetime | None = None
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)


class Passage:
    """What one process knows of the passwords of proxies.

    Args:
        remembers: returns what is remembered of a proxy's password beyond this process.
        now: the clock.
    """

    def __init__(
        self,
        remembers: Callable[[Proxy], Memory] = lambda _proxy: _InThisProcess(),
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._remembers = remembers
        self._now = now
        self._standings: dict[tuple[str, bytes], _Standing] = {}

    async def through(self, proxy: Proxy | None, send: Callable[[], Awaitable[T]], *, call: str) -> T:
        """Send a call, unless the proxy's password must not be tried now.

        Args:
            proxy: what it goes through; None where it leaves directly.
            send: sends it; raises ProxyNotAuthorised where the proxy refuses the password.
            call: what is sent, for errors.

        Raises:
            ProxyNotAuthorised: the password is refused, or was refused before and waits; nothing was sent.
            LedgerError: it cannot be remembered; nothing was sent.
        """
        if proxy is None or proxy.credentials is None:
            return await send()
        which = proxy.address, proxy.credentials
        if which not in self._standings:
            self._standings[which] = _Standing(self._remembers(proxy))
        standing = self._standings[which]
        if not standing.accepted:
            async with standing.alone:
                if not standing.accepted:
                    return await self._try(proxy, standing, send, call=call)
        try:
            return await send()
        except ProxyNotAuthorised as error:
            # Of several that were under way when the password changed, one is counted.
            async with standing.alone:
                if standing.accepted:
                    await self._refused(standing)
                error.until = standing.until
            raise

    async def _try(self, proxy: Proxy, standing: _Standing, send: Callable[[], Awaitable[T]], *, call: str) -> T:
        memory = standing.memory
        standing.until = await memory.trying(at=self._now())
        if standing.until is not None:
            raise ProxyNotAuthorised(
                f"not sent: the proxy {proxy} refused the username or the password before; they are tried again at "
                f"{standing.until:%Y-%m-%d %H:%M:%S %Z}, and other ones at once",
                call=call,
                until=standing.until,
            )
        try:
            brought = await send()
        except ProxyNotAuthorised as error:
            error.until = await self._refused(standing)
            raise
        except asyncio.CancelledError:
            await memory.given_up(at=self._now())
            raise
        except Exception:
            await memory.failed(at=self._now())
            raise
        await memory.taken(at=self._now())
        standing.accepted = True
        return brought

    async def _refused(self, standing: _Standing) -> datetime:
        standing.accepted = False
        standing.until = await standing.memory.refused(at=self._now())
        return standing.until


@dataclass(frozen=True, slots=True)
class Egress:
    """How the calls of one account leave.

    Attributes:
        proxies: those that are set.
        passage: what is known of their passwords, by all accounts together.
    """

    proxies: Proxies = field(default_factory=Proxies)
    passage: Passage = field(default_factory=Passage)

    def proxy(self, url: str) -> Proxy | None:
        """What an address is reached through; None where it is reached directly.

        Raises:
            ConfigurationError: the proxy's address cannot be read.
        """
        try:
            return self.proxies.route(url).proxy
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
