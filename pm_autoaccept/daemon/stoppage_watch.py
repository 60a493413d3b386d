"""Stoppage watch: tells the targets of notices when an account has stopped for a while, and when that is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from sqlalchemy import Connection

from pm_autoaccept.daemon.account_worker import AccountWorker
from pm_autoaccept.errors import LedgerError
from pm_autoaccept.ledger import Database
from pm_autoaccept.ledger.stoppage_notices import add_stoppages
from pm_autoaccept.model import Mode, NoticeTarget, Stoppage
from pm_autoaccept.telemetry.health import LeaseState
from pm_autoaccept.telemetry.stoppages import stoppages

CHECK_INTERVAL = timedelta(seconds=15)
"""How often the accounts are checked."""

TOLD_AFTER: Mapping[Stoppage, timedelta] = MappingProxyType(
    {Stoppage.POLICY_REFUSED: timedelta(minutes=5), Stoppage.SOURCE_STALE: timedelta(minutes=15)}
)
"""How long something must have stopped before anybody is told. People edit files, and files are replaced."""


@dataclass(slots=True, kw_only=True)
class StoppageWatch:
    """Watches the accounts of this process.

    Attributes:
        database: the ledger's database.
        workers: the workers of this process.
        targets: who is told.
        now: the clock.
    """

    database: Database
    workers: Collection[AccountWorker]
    targets: Collection[NoticeTarget]
    now: Callable[[], datetime]
    _since: dict[tuple[str, Stoppage], datetime] = field(default_factory=dict, init=False)
    _held_since: dict[str, datetime] = field(default_factory=dict, init=False)
    _known: dict[str, Mapping[str, bool]] = field(default_factory=dict, init=False)

    async def check(self) -> int:
        """Write the notices of what has stopped or is over; returns how many.

        Raises:
            LedgerError: the ledger cannot be written.
        """
        return sum([await self._check(worker) for worker in self.workers])

    async def _check(self, worker: AccountWorker) -> int:
        at, account = self.now(), worker.account
        if worker.telemetry.health.lease is LeaseState.HELD:
            self._held_since.setdefault(account, at)
        else:
            self._held_since.pop(account, None)
        found = stoppages(worker.telemetry, since=self._held_since.get(account, at), now=at)
        stopped = {which: text for which, text in found.items() if text is not None}
        for which in Stoppage:
            if which in stopped:
                self._since.setdefault((account, which), at)
            else:
                self._since.pop((account, which), None)
        lasting: dict[str, str] = {
            which: text
            for which, text in stopped.items()
            if at - self._since[account, which] >= TOLD_AFTER.get(which, timedelta())
        }
        over: list[str] = [which for which, text in found.items() if text is None]
        known: dict[str, bool] = {**dict.fromkeys(lasting, True), **dict.fromkeys(over, False)}
        if known == self._known.get(account):
            return 0

        def add(connection: Connection) -> int:
            return add_stoppages(
                connection,
                self.targets,
                account=account,
                stopped=lasting,
                over=over,
                at=at,
                observed=worker.settings.mode is not Mode.ENFORCE,
            )

        added = await self.database.run(add)
        self._known[account] = known
        return added

    async def run(self) -> None:
        """Check from time to time, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL.total_seconds())
            with suppress(LedgerError):
                await self.check()
