"""Account lockout protection: remembers refused passwords and Retry-After waits in the ledger, across restarts.

Every start, replica and command checks it before it tries the password, so that a wrong password does not lock the
account. Read-only commands write it too, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import SQLITE_IN_MEMORY, Settings, ledger_exists
from pm_autoaccept.errors import LedgerError, LedgerUnavailable, NotAuthorised
from pm_autoaccept.ledger import Database, SignInAttempts, SqlLedger
from pm_autoaccept.ledger.sign_in_attempts import ATTEMPT_TIME, FIRST_REFUSAL_WAIT

_POLL_SECONDS = 0.1
"""How often a command looks whether another command's try has a result."""

_NO_LEDGER_WARNING = (
    "there is no ledger yet to record that this password was refused, so every further command tries it again; "
    "Portfolio Manager may lock the account"
)


def _ignore_warning(_text: str) -> None:
    """Ignore a warning."""


@dataclass(slots=True, kw_only=True)
class SignInMemory:
    """Records tries to sign in to one account, and when the next one is allowed. A `portfolio_manager.RefusalStore`.

    Attributes:
        attempts: the recorded attempts of the account's credential; None if there is no ledger.
        read_only: it serves a read-only command, which also works with a ledger that cannot be written.
        unwritable: why the ledger cannot be written; it is then only read. None while it can be written.
        on_warning: called with a warning when something cannot be recorded.
        now: the clock.
        sleep: waits this many seconds while another command tries the same credential.
    """

    attempts: SignInAttempts | None
    read_only: bool = False
    unwritable: str | None = None
    on_warning: Callable[[str], None] = _ignore_warning
    now: Callable[[], datetime] = utc_now
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def resting(self) -> timedelta:
        """How long this account must still wait because of a Retry-After."""
        return timedelta() if self.attempts is None else await self.attempts.resting(at=self.now())

    async def trying(self) -> None:
        """Record that the password is tried now. Commands that start together try it one after another.

        If the ledger cannot be written, a read-only command tries only a password that was accepted last time. A
        refusal could not be recorded, so repeating the command would lock the account.

        Raises:
            NotAuthorised: it was refused so recently that it must not be tried yet.
            LedgerUnavailable: the try cannot be recorded.
        """
        if self.attempts is None:
            return None
        if self.unwritable is None:
            try:
                return _raise_unless_due(await self._try_in_turn(self.attempts))
            except LedgerUnavailable as error:
                if not self.read_only:
                    raise
                self.unwritable = str(error)
        self.on_warning(f"a refused password could not be recorded: {self.unwritable}")
        _raise_unless_due(await self.attempts.may_try(at=self.now()))
        if not await self.attempts.is_good():
            raise LedgerUnavailable(
                "the password is not tried: the ledger has not recorded that it was accepted, and a refusal could "
                f"not be recorded: {self.unwritable}"
            )
        return None

    async def _try_in_turn(self, attempts: SignInAttempts) -> datetime | None:
        """Record the try as soon as no other command's is under way. Returns when it may be tried, if not now."""
        until = await attempts.trying(at=self.now())
        for _ in range(round(ATTEMPT_TIME.total_seconds() / _POLL_SECONDS)):
            if not attempts.waits_for_another:
                break
            await self.sleep(_POLL_SECONDS)
            until = await attempts.trying(at=self.now())
        return until

    async def refused(self) -> datetime:
        """Record a 401. Returns when the password may be tried again; the earliest time if that cannot be recorded."""
        soonest = self.now() + FIRST_REFUSAL_WAIT
        if self.attempts is None:
            self.on_warning(_NO_LEDGER_WARNING)
        elif self.unwritable is None:
            try:
                return await self.attempts.refused(at=self.now())
            except LedgerError as error:
                self.on_warning(f"the refused password could not be recorded: {error}")
        return soonest

    async def asked_to_wait(self, seconds: float) -> None:
        """Record a Retry-After. This process obeys it in any case."""
        try:
            await self._note(lambda known: known.rests(timedelta(seconds=seconds), at=self.now()))
        except LedgerError as error:
            self.on_warning(f"the Retry-After of Portfolio Manager could not be recorded: {error}")

    async def taken(self) -> None:
        """Record that the password was accepted."""
        await self._note(lambda known: known.taken(at=self.now()))

    async def failed(self) -> None:
        """Record that the try failed for another reason, so the password was neither accepted nor refused."""
        await self._note(lambda known: known.failed(at=self.now()))

    async def given_up(self) -> None:
        """Record that the try was cancelled."""
        await self._note(lambda known: known.given_up(at=self.now()))

    async def _note(self, work: Callable[[SignInAttempts], Awaitable[None]]) -> None:
        """Record the result of a try, if the ledger can be written."""
        if self.attempts is None or self.unwritable is not None:
            return
        try:
            await work(self.attempts)
        except LedgerUnavailable as error:
            if not self.read_only:
                raise
            self.on_warning(f"the result of signing in could not be recorded: {error}")


def sign_in_attempts(settings: Settings, database: Database, *, aside: bool = False) -> SignInAttempts:
    """The recorded attempts of the account's credential; `aside`: a command tries it while the daemon may run."""
    return SignInAttempts(
        database=database,
        name=settings.name,
        service=settings.base_url,
        username=settings.username,
        password=settings.password.get_secret_value(),
        aside=aside,
    )


def _raise_unless_due(until: datetime | None) -> None:
    """Raise `NotAuthorised` if the password must not be tried before this time."""
    if until is not None:
        why = "not tried: the password was refused before, or its last try has not ended; it is retried at"
        text = f"{why} {until:%Y-%m-%d %H:%M:%S %Z}, a changed password at once"
        raise NotAuthorised(text, call="GET /account", until=until)


@asynccontextmanager
async def open_read_only(
    settings: Settings, *, on_warning: Callable[[str], None], now: Callable[[], datetime] = utc_now
) -> AsyncIterator[tuple[SqlLedger, SignInMemory]]:
    """Open a ledger read-only (an empty one if there is none), and a memory that records the result of signing in.

    Args:
        settings: the account's settings.
        on_warning: called with a warning when something cannot be recorded.
        now: the clock.

    Raises:
        LedgerError, ConfigurationError: the ledger cannot be read, or has an older schema.
    """
    there_is = ledger_exists(settings.ledger)
    async with AsyncExitStack() as stack:
        ledger = await SqlLedger.open(
            settings.ledger if there_is else SQLITE_IN_MEMORY, name=settings.name, read_only=there_is
        )
        stack.push_async_callback(ledger.close)
        if not there_is:
            yield ledger, SignInMemory(attempts=None, on_warning=on_warning, now=now)
            return
        try:
            database, why = await Database.open_to_append(settings.ledger), None
            stack.push_async_callback(database.close)
        except LedgerError as error:
            database, why = ledger.database, str(error)
        known = sign_in_attempts(settings, database, aside=True)
        yield ledger, SignInMemory(attempts=known, read_only=True, unwritable=why, on_warning=on_warning, now=now)
