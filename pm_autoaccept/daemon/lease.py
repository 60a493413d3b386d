"""Holds an account's lease while its work is done, and says when nothing more may be sent because it could end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog

from pm_autoaccept.daemon.abandoned_tasks import drop
from pm_autoaccept.errors import LeaseLost, LedgerError, LedgerUnavailable
from pm_autoaccept.ledger import HeldLease, Leases, SqlLedger, monotonic_seconds

log = structlog.get_logger()

RENEWALS = 4
"""How often a lease is renewed before it would run out."""


@dataclass(slots=True, kw_only=True)
class Hold:
    """One account's lease, as this process holds it.

    Attributes:
        leases: this replica's.
        held_lease: as it was last renewed.
        longest_answer: a POST is over after this time, one way or another.
        clock: the holder's own clock, in seconds; it goes on while the machine sleeps.
        lost: another replica has taken the account.
    """

    leases: Leases
    held_lease: HeldLease
    longest_answer: timedelta
    clock: Callable[[], float] = monotonic_seconds
    lost: bool = False

    def blocked_reason(self) -> str | None:
        """Say why no answer may leave now; None while it may. Asked right before each is written to the socket."""
        if self.lost:
            return "another replica has taken over this account"
        if self.held_lease.deadline - self.clock() < self.longest_answer.total_seconds():
            return "the lease on this account could run out before the answer is over"
        return None

    async def renew(self) -> None:
        """Hold on to the lease for another whole length.

        Raises:
            LeaseLost: another replica has taken the account.
            LedgerUnavailable: the ledger cannot be asked; the lease runs on.
        """
        try:
            self.held_lease = await self.leases.renew(self.held_lease)
        except LeaseLost:
            self.lost = True
            raise


def holder_name() -> str:
    """What people call this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


@asynccontextmanager
async def holding(
    leases: Leases, held_lease: HeldLease, ledger: SqlLedger, *, ttl: timedelta, longest_answer: timedelta
) -> AsyncIterator[Hold]:
    """Renew a lease until left, then free it: at once, where nothing is on the way any more.

    Args:
        leases: this replica's.
        held_lease: the lease that was taken.
        ledger: the account's; what it writes is fenced by the lease.
        ttl: how long a lease lasts that is not renewed.
        longest_answer: the client's timeout.
    """
    hold = Hold(leases=leases, held_lease=held_lease, longest_answer=longest_answer)
    ledger.held_lease = held_lease
    renewing = asyncio.create_task(_renew(hold, every=ttl / RENEWALS), name=f"renew the lease on {held_lease.name}")
    try:
        yield hold
    finally:
        await drop(renewing)
        ledger.held_lease = None
        with suppress(LedgerError):  # it runs out by itself
            if not hold.lost:
                await leases.release(hold.held_lease)


async def _renew(hold: Hold, *, every: timedelta) -> None:
    """Renew until the lease is lost; a ledger that cannot be reached is asked again, more often."""
    wait = every
    while True:
        await asyncio.sleep(wait.total_seconds())
        try:
            await hold.renew()
            wait = every
        except LeaseLost as error:
            log.warning("lease_lost", error=str(error))
            return
        except LedgerUnavailable as error:
            wait = every / RENEWALS
            log.warning("lease_not_renewed", error=str(error))
