"""Renews an account's lease in the background, blocks answers that could outlive it, and releases it at the end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog

from pm_autoaccept.daemon.abandoned_tasks import cancel_and_wait
from pm_autoaccept.errors import LeaseLost, LedgerError, LedgerUnavailable
from pm_autoaccept.ledger import HeldLease, Leases, SqlLedger, monotonic_seconds

log = structlog.get_logger()

RENEWALS_PER_LEASE = 4
"""How often a lease is renewed within its duration."""


@dataclass(slots=True, kw_only=True)
class LeaseHold:
    """The lease on one account, held by this process.

    Attributes:
        leases: the leases of this replica.
        held_lease: the lease as last renewed.
        answer_timeout: the time after which a POST has ended in any case.
        clock: a monotonic clock in seconds that also counts while the machine sleeps.
        lost: another replica has taken the account.
    """

    leases: Leases
    held_lease: HeldLease
    answer_timeout: timedelta
    clock: Callable[[], float] = monotonic_seconds
    lost: bool = False

    def blocked_reason(self) -> str | None:
        """Why no answer may be sent now, or None. Called right before each is written to the socket."""
        if self.lost:
            return "another replica has taken over this account"
        if self.held_lease.deadline - self.clock() < self.answer_timeout.total_seconds():
            return "the lease on this account could expire before the answer ends"
        return None

    async def renew(self) -> None:
        """Renew the lease for its full duration.

        Raises:
            LeaseLost: another replica has taken the account.
            LedgerUnavailable: the ledger is unavailable. The lease keeps its current deadline.
        """
        try:
            self.held_lease = await self.leases.renew(self.held_lease)
        except LeaseLost:
            self.lost = True
            raise


def holder_name() -> str:
    """The name of this process in the ledger and in messages: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


@asynccontextmanager
async def hold_lease(
    leases: Leases, held_lease: HeldLease, ledger: SqlLedger | None, *, ttl: timedelta, answer_timeout: timedelta
) -> AsyncIterator[LeaseHold]:
    """Renew a lease until the context ends, then release it. No answer is in flight by then.

    Args:
        leases: the leases of this replica.
        held_lease: the lease that was taken.
        ledger: the account's ledger. The lease fences its writes. None if the lease is on no account.
        ttl: how long a lease lasts without renewal.
        answer_timeout: the client's timeout.
    """
    hold = LeaseHold(leases=leases, held_lease=held_lease, answer_timeout=answer_timeout)
    if ledger is not None:
        ledger.held_lease = held_lease
    renewing = asyncio.create_task(
        _renew_until_lost(hold, every=ttl / RENEWALS_PER_LEASE), name=f"renew the lease on {held_lease.name}"
    )
    try:
        yield hold
    finally:
        await cancel_and_wait(renewing)
        if ledger is not None:
            ledger.held_lease = None
        with suppress(LedgerError):  # it expires by itself
            if not hold.lost:
                await leases.release(hold.held_lease)


async def _renew_until_lost(hold: LeaseHold, *, every: timedelta) -> None:
    """Renew until the lease is lost. If the ledger is unavailable, retry more often."""
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
            wait = every / RENEWALS_PER_LEASE
            log.warning("lease_not_renewed", error=str(error))
