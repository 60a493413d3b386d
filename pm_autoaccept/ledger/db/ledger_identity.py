"""Ledger identity: detects a ledger that was replaced or restored from a backup, by its random id and our last intent.

A ledger may be replaced or restored while the program runs. A different id means a different ledger. The same id
without the last intent that this process recorded means an older copy. In both cases nothing more is answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, select

from pm_autoaccept.clock import utc_now
from pm_autoaccept.errors import LedgerUnavailable
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import ledger as ledger_table


def monotonic_seconds() -> float:
    """A monotonic clock in seconds that keeps running while the machine sleeps, as leases in the database do."""
    clock: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class LedgerIdentity:
    """The identity of the opened ledger, checked again in each transaction.

    Args:
        name: the ledger's name in messages.
        now: the machine's clock, to compute the ledger's age.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        name: object,
        *,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = monotonic_seconds,
    ) -> None:
        self._name = name
        self._now = now
        self._clock = clock
        self._id: str | None = None
        self._age: tuple[timedelta, float] | None = None
        # Replaced as a whole, never changed in place, because the ledger's threads read it.
        self._last: tuple[int, datetime | None] = (0, None)

    def load(self, connection: Connection) -> None:
        """Load the ledger's id and age. A ledger with older tables has no id."""
        if not connection.dialect.has_table(connection, ledger_table.name):
            return
        row = connection.execute(select(ledger_table)).one_or_none()
        if row is None:
            raise LedgerUnavailable(f"the ledger {self._name} is damaged: it has no id; restore a copy")
        self._id = row.id
        if row.made_at is not None:
            self._age = max(self._now() - row.made_at, timedelta()), self._clock()

    def age(self) -> timedelta | None:
        """How long ago the ledger was created; None if it is older than ledger ids."""
        if self._age is None:
            return None
        then, at = self._age
        return then + timedelta(seconds=self._clock() - at)

    def remember_intent(self, number: int, *, at: datetime) -> None:
        """Remember the last intent that this process recorded, to look for it later."""
        if number > self._last[0]:
            self._last = number, at

    def check(self, connection: Connection) -> None:
        """Check that this connection leads to the ledger that was opened, and that it contains our last intent.

        Raises:
            LedgerUnavailable: it was replaced by another ledger or by an older copy.
        """
        if self._id is None:
            return
        last, at = self._last
        row = connection.execute(_ID_AND_LAST_INTENT, {"last": last}).one_or_none()
        if row is None or row.id != self._id:
            raise LedgerUnavailable(
                f"{self._name} was replaced by another ledger while it was open, so nothing is sent. Stop every `run` "
                "and `once`, put the right ledger back, then start again; see docs/ledger.md"
            )
        if at is not None and row.intended_at != at:
            raise LedgerUnavailable(
                f"the ledger {self._name} does not contain the answer that this process recorded at "
                f"{at:%Y-%m-%d %H:%M:%S} UTC: an older copy was restored while it was open, so nothing is sent. "
                "Stop every `run` and `once`, then start again as for any restored copy; see docs/ledger.md"
            )


_LAST_INTENT = select(intent_table.c.intended_at).where(intent_table.c.id == bindparam("last")).scalar_subquery()
_ID_AND_LAST_INTENT = select(ledger_table.c.id, _LAST_INTENT.label("intended_at"))
