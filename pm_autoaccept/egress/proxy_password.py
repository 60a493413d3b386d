"""Lockout protection for proxy passwords: limits how often one is tried, over all accounts and calls, also for data.

Proxies check passwords against directories that lock accounts. So a password that this process has not seen accepted
is tried by one call alone, and the others wait for its result. A refused password waits as long as Portfolio Manager's
would (`ledger.proxy_passwords`), and nothing is sent meanwhile.
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
"""The wait after a refusal, if only this process remembers it."""


class ProxyPasswordStore(Protocol):
    """Records the tries of one proxy's password, so that restarts and replicas know of them."""

    async def trying(self, *, at: datetime) -> datetime | None:
        """Record that it is tried now, and return None; or return when it may be tried."""
        ...

    async def taken(self, *, at: datetime) -> None:
        """Record that it was accepted."""
        ...

    async def refused(self, *, at: datetime) -> datetime:
        """Record that it was refused. Returns when it may be tried again."""
        ...

    async def failed(self, *, at: datetime) -> None:
        """Record that the try failed for another reason."""
        ...

    async def given_up(self, *, at: datetime) -> None:
        """Record that the try was cancelled."""
        ...


class _InMemoryStore:
    """A store for this process only."""

    def __init__(self) -> None:
        self._until: datetime | None = None

    async def trying(self, *, at: datetime) -> datetime | None:
        return self._until if self._until is not None and self._until > at else None

    async def refused(self, *, at: datetime) -> datetime:
        self._until = at + UNRECORDED_WAIT
        return self._until

    async def _nothing(self, *, at: datetime) -> None:
        """Nothing to record."""

    taken = failed = given_up = _nothing


@dataclass(slots=True)
class _PasswordState:
    """What this process knows about one password.

    Attributes:
        store: what outlives this process.
        accepted: the proxy accepted a call, and has refused none since.
        until: when it may be tried again, from the last check.
        alone: the lock of the call that tries it.
    """

    store: ProxyPasswordStore
    accepted: bool = False
    until: datetime | None = None
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)


class ProxyPasswordGuard:
    """Prevents proxy lockouts: a password that is not known to be valid is tried by one call at a time, and rarely.

    Args:
        store_for: returns the store for a proxy's password.
        now: the clock.
    """

    def __init__(
        self,
        store_for: Callable[[Proxy], ProxyPasswordStore] = lambda _proxy: _InMemoryStore(),
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store_for = store_for
        self._now = now
        self._states: dict[tuple[str, bytes], _PasswordState] = {}

    async def send(self, proxy: Proxy | None, send: Callable[[], Awaitable[T]], *, call: str) -> T:
        """Send a call through a proxy, unless its password must not be tried now.

        Args:
            proxy: the proxy; None to connect directly.
            send: sends the call. Raises ProxyNotAuthorised if the proxy refuses the password.
            call: the call, for error messages.

        Raises:
            ProxyNotAuthorised: the password was refused, now or before. Nothing was sent.
            LedgerError: the try cannot be recorded. Nothing was sent.
        """
        if proxy is None or proxy.credentials is None:
            return await send()
        which = proxy.address, proxy.credentials
        if which not in self._states:
            self._states[which] = _PasswordState(self._store_for(proxy))
        state = self._states[which]
        if not state.accepted:
            async with state.alone:
                if not state.accepted:
                    return await self._try(proxy, state, send, call=call)
        try:
            return await send()
        except ProxyNotAuthorised as error:
            # If several calls were in flight when the password changed, one refusal is counted.
            async with state.alone:
                if state.accepted:
                    await self._refused(state)
                error.until = state.until
            raise

    async def _try(self, proxy: Proxy, state: _PasswordState, send: Callable[[], Awaitable[T]], *, call: str) -> T:
        store = state.store
        state.until = await store.trying(at=self._now())
        if state.until is not None:
            raise ProxyNotAuthorised(
                f"not sent: the proxy {proxy} refused the username or password before; they are tried again at "
                f"{state.until:%Y-%m-%d %H:%M:%S %Z}, and changed ones at once",
                call=call,
                until=state.until,
            )
        try:
            brought = await send()
        except ProxyNotAuthorised as error:
            error.until = await self._refused(state)
            raise
        except asyncio.CancelledError:
            await store.given_up(at=self._now())
            raise
        except Exception:
            await store.failed(at=self._now())
            raise
        await store.taken(at=self._now())
        state.accepted = True
        return brought

    async def _refused(self, state: _PasswordState) -> datetime:
        state.accepted = False
        state.until = await state.store.refused(at=self._now())
        return state.until


@dataclass(frozen=True, slots=True)
class Egress:
    """The proxies of one account, with protection against lockout.

    Attributes:
        proxies: the configured proxies.
        proxy_guard: shared by all accounts.
    """

    proxies: Proxies = field(default_factory=Proxies)
    proxy_guard: ProxyPasswordGuard = field(default_factory=ProxyPasswordGuard)

    def proxy(self, url: str) -> Proxy | None:
        """The proxy for an address; None to connect directly.

        Raises:
            ConfigurationError: the proxy address is invalid.
        """
        try:
            return self.proxies.route(url).proxy
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
