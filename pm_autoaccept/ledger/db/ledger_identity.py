"""Which ledger a connection leads to: its random id, how long it has existed, and that our own last intent is in it.

A ledger may be replaced or restored from a backup while the program runs. Another id means another ledger; the same id
without the intent that this process recorded last means an older copy. With neither is anything answered any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, bindparam, select

from pm_autoaccept.errors import LedgerUnavailable
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import ledger as ledger_table


def monotonic_seconds() -> float:
    """Seconds of a clock that nobody sets, and that goes on while the machine sleeps, as leases do in the database."""
    clock: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class LedgerIdentity:
    """The ledger that was opened, to be found again in each transaction.

    Args:
        name: what messages call it.
        now: the machine's clock, beside the one at which a ledger was made.
        clock: seconds that nobody sets.
    """

    def __init__(
        self,
        name: object,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = monotonic_seconds,
    ) -> None:
        self._name = name
        self._now = now
        self._clock = clock
        self._id: str | None = None
        self._age: tuple[timedelta, float] | None = None
        # Replaced as a whole, never changed: the ledger's threads read it.
        self._last: tuple[int, datetime | None] = (0, None)

    def learn(self, connection: Connection) -> None:
        """Learn which ledger this is; one whose tables are older has no id."""
        if not connection.dialect.has_table(connection, ledger_table.name):
            return
        row = connection.execute(select(ledger_table)).one_or_none()
        if row is None:
            raise LedgerUnavailable(f"the ledger {self._name} has lost its id, so it is damaged: restore a copy")
        self._id = row.id
        if row.made_at is not None:
            self._age = max(self._now() - row.made_at, timedelta()), self._clock()

    def age(self) -> timedelta | None:
        """How long ago the ledger was made; None for one that is older than ids."""
        if self._age is None:
            return None
        then, at = self._age
        return then + timedelta(seconds=self._clock() - at)

    def intended(self, number: int, *, at: datetime) -> None:
        """Remember an intent that was recorded just now, for the first time."""
        if number > self._last[0]:
            self._last = number, at

    def stands(self, connection: Connection) -> None:
        """Return if this connection leads to the ledger that was opened, and our own last intent is in it.

        Raises:
            LedgerUnavailable: another ledger has taken its place, or an older copy of it.
        """
        if self._id is None:
            return
        last, at = self._last
        row = connection.execute(_ID_AND_LAST_INTENT, {"last": last}).one_or_none()
        if row is None or row.id != self._id:
            raise LedgerUnavailable(
                f"another ledger has taken the place of {self._name} while it was open, so nothing is sent. Stop every "
                "`run` and `once`, put the right one back, and start again: docs/operations.md"
            )
        if at is not None and row.intended_at != at:
            raise LedgerUnavailable(
                f"the ledger {self._name} does not know the answer that this process recorded at "
                f"{at:%Y-%m-%d %H:%M:%S} UTC: an older copy was restored while it was open, so nothing is sent. "
                "Stop every `run` and `once`, and start again as for any restored copy: docs/operations.md"
            )


_LAST_INTENT = select(intent_table.c.intended_at).where(intent_table.c.id == bindparam("last")).scalar_subquery()
_ID_AND_LAST_INTENT = select(ledger_table.c.id, _LAST_INTENT.label("intended_at"))
