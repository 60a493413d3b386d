"""Answer watch: begins a cycle as soon as an answer by people may be sent, whichever process recorded it.

It asks the ledger once a second, for all accounts together. Each answer begins one cycle only: if it cannot be sent
then, for example because of a pause, it waits for the regular cycles.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from pm_autoaccept.errors import LedgerError
from pm_autoaccept.ledger import Database
from pm_autoaccept.ledger.human_answers import due_answers

CHECK_INTERVAL = timedelta(seconds=1)
"""How often the ledger is asked."""


class Wakeable(Protocol):
    """The worker of an account."""

    @property
    def account(self) -> str:
        """The account's name."""

    @property
    def held(self) -> bool:
        """Whether this process holds the account's lease."""

    def wake(self) -> None:
        """Begin the next cycle now."""


@dataclass(slots=True, kw_only=True)
class AnswerWatch:
    """Wakes the workers of accounts with answers that may be sent.

    Attributes:
        database: the ledger's database.
        workers: the workers of this process.
        now: the clock.
    """

    database: Database
    workers: Collection[Wakeable]
    now: Callable[[], datetime]
    _woken: dict[str, frozenset[int]] = field(default_factory=dict, init=False)

    async def check(self) -> None:
        """Wake each worker with the lease of an account that has answers for which it was not woken yet.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        at = self.now()
        due = await self.database.read(lambda connection: due_answers(connection, at=at))
        for worker in self.workers:
            answers = due.get(worker.account, frozenset()) if worker.held else frozenset()
            if answers - self._woken.get(worker.account, frozenset()):
                worker.wake()
            self._woken[worker.account] = answers

    async def run(self) -> None:
        """Check once a second, until cancelled. While the ledger cannot be read, the workers report that."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL.total_seconds())
            with suppress(LedgerError):
                await self.check()
