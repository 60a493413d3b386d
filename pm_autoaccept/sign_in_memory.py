"""Sign-in memory: what the ledger remembers of refused passwords and of rests that Portfolio Manager asked for.

A start, a restart, another replica and every command ask it before they try the password, so that a wrong password does
not lock the account. Read-only commands write it too, and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import Settings, ledger_file
from pm_autoaccept.errors import LedgerError, LedgerUnavailable, NotAuthorised
from pm_autoaccept.ledger import Database, SignInAttempts, SqlLedger
from pm_autoaccept.ledger.sign_in_attempts import FIRST_REFUSAL_WAIT

_IN_MEMORY = "sqlite://"
_NOWHERE = (
    "there is no ledger yet to remember that this password was refused, so each further command tries it again; "
    "Portfolio Manager may lock the account"
)


def _tell_nobody(_text: str) -> None:
    """What is remembered needs no words."""


@dataclass(slots=True, kw_only=True)
class Memory:
    """What is remembered of signing in to one account. A `portfolio_manager.Memory`.

    Attributes:
        credential: the account's, with its ledger; None where there is no ledger.
        only_reads: it is kept for a command that only reads, which can do without a ledger that can be written.
        unwritable: why that ledger cannot be written, and then is only asked; None as far as it can.
        tell: called with what people must know because something cannot be remembered.
        now: the clock.
    """

    credential: SignInAttempts | None
    only_reads: bool = False
    unwritable: str | None = None
    tell: Callable[[str], None] = _tell_nobody
    now: Callable[[], datetime] = utc_now

    async def resting(self) -> timedelta:
        """For how long Portfolio Manager asked this account to call nothing."""
        return timedelta() if self.credential is None else await self.credential.resting(at=self.now())

    async def trying(self) -> None:
        """Record that the password is tried now.

        Where a command that only reads finds a ledger that cannot be written, it tries a password that was taken last
        time, and no other: a refusal would be forgotten, and whoever repeats the command would lock the account.

        Raises:
            NotAuthorised: it was refused so lately that it is not to be tried.
            LedgerUnavailable: it cannot be recorded.
        """
        if self.credential is None:
            return None
        if self.unwritable is None:
            try:
                return _demand(await self.credential.trying(at=self.now()))
            except LedgerUnavailable as error:
                if not self.only_reads:
                    raise
                self.unwritable = str(error)
        self.tell(f"a refused password could not be remembered: {self.unwritable}")
        _demand(await self.credential.may_try(at=self.now()))
        if not await self.credential.is_good():
            raise LedgerUnavailable(
                "the password is not tried: the ledger does not know it as one that was accepted, and a refusal could "
                f"not be remembered: {self.unwritable}"
            )
        return None

    async def refused(self) -> datetime:
        """Record a 401, and say when the password may be tried again; at the soonest, where that cannot be recorded."""
        soonest = self.now() + FIRST_REFUSAL_WAIT
        if self.credential is None:
            self.tell(_NOWHERE)
        elif self.unwritable is None:
            try:
                return await self.credential.refused(at=self.now())
            except LedgerError as error:
                self.tell(f"the refused password could not be remembered: {error}")
        return soonest

    async def rests(self, seconds: float) -> None:
        """Record that Portfolio Manager asks to call nothing for so long. The pace of this process knows it anyway."""
        try:
            await self._note(lambda known: known.rests(timedelta(seconds=seconds), at=self.now()))
        except LedgerError as error:
            self.tell(f"the rest that Portfolio Manager asks for could not be remembered: {error}")

    async def taken(self) -> None:
        """Record that the password was taken."""
        await self._note(lambda known: known.taken(at=self.now()))

    async def failed(self) -> None:
        """Record that no answer came, or another one than yes or no."""
        await self._note(lambda known: known.failed(at=self.now()))

    async def given_up(self) -> None:
        """Record that nobody waits for the answer any more."""
        await self._note(lambda known: known.given_up(at=self.now()))

    async def _note(self, work: Callable[[SignInAttempts], Awaitable[None]]) -> None:
        """Write how a try ended, where the ledger can be written."""
        if self.credential is None or self.unwritable is not None:
            return
        try:
            await work(self.credential)
        except LedgerUnavailable as error:
            if not self.only_reads:
                raise
            self.tell(f"how signing in ended could not be remembered: {error}")


def credential(settings: Settings, database: Database, *, aside: bool = False) -> SignInAttempts:
    """The account's credential, with what its ledger remembers of it; `aside`: tried beside the daemon."""
    return SignInAttempts(
        database=database,
        name=settings.name,
        service=settings.base_url,
        username=settings.username,
        password=settings.password.get_secret_value(),
        aside=aside,
    )


def _demand(until: datetime | None) -> None:
    """Raise `NotAuthorised` where a password is not to be tried before then."""
    if until is not None:
        why = "not tried: the password was refused before, or its last try has not ended; it is tried again at"
        text = f"{why} {until:%Y-%m-%d %H:%M:%S %Z}, another one at once"
        raise NotAuthorised(text, call="GET /account", until=until)


def ledger_is_there(address: str) -> bool:
    """Whether there may be a ledger; what is no file is for the ledger to say."""
    file = ledger_file(address)
    return address != _IN_MEMORY and (file is None or Path(file).exists())


@asynccontextmanager
async def only_reading(
    settings: Settings, *, tell: Callable[[str], None], now: Callable[[], datetime] = utc_now
) -> AsyncIterator[tuple[SqlLedger, Memory]]:
    """A ledger that is only read, an empty one where there is none, and a memory that writes how signing in ended.

    Args:
        settings: the account's.
        tell: called with what people must know because something cannot be remembered.
        now: the clock.

    Raises:
        LedgerError, ConfigurationError: the ledger that is there cannot be read, or has an older form.
    """
    there_is = ledger_is_there(settings.ledger)
    async with AsyncExitStack() as stack:
        ledger = await SqlLedger.open(
            settings.ledger if there_is else "sqlite://", name=settings.name, read_only=there_is
        )
        stack.push_async_callback(ledger.close)
        if not there_is:
            yield ledger, Memory(credential=None, tell=tell, now=now)
            return
        try:
            database, why = await Database.open_to_append(settings.ledger), None
            stack.push_async_callback(database.close)
        except LedgerError as error:
            database, why = ledger.database, str(error)
        known = credential(settings, database, aside=True)
        yield ledger, Memory(credential=known, only_reads=True, unwritable=why, tell=tell, now=now)
