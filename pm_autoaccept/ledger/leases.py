"""Leases: which replica answers which account, by the database's clock and a number that grows with each holder.

Two clocks take part. The database's says when a lease has run out: PostgreSQL's own, or the machine's on SQLite, where
all replicas are on one machine. A holder itself goes by its monotonic clock, read before the database was asked, and so
never believes longer than the database does that it holds a lease.

What a wall clock that jumps can do on SQLite: set forward, a lease runs out early, and an account changes hands while
its holder still believes in it; set back, a lease that nobody renews lasts up to one `ttl` longer from when another
asks for it. In both cases the holder that lost it records no intent any more, since each writing transaction compares
the epoch (`fence`), and a request has one open intent at most, by its row, whoever writes: none is answered twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, func, select, update

from pm_autoaccept.errors import LeaseLost, LedgerError, LedgerUnavailable
from pm_autoaccept.ledger.db.database import Database
from pm_autoaccept.ledger.db.ledger_identity import steady
from pm_autoaccept.ledger.db.tables import lease as lease_table
from pm_autoaccept.ledger.db.tables import replica as replica_table
from pm_autoaccept.ledger.request_rows import insert

LONGEST_AHEAD = 4
"""How many `ttl` a sign of life may lie ahead: what lies further was written before the clock was set back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """One holder's time with one account, from taking the lease until it is released or lost.

    Attributes:
        name: the account, as the settings call it.
        holder: who holds it.
        epoch: grows with each time that the lease is taken: what an earlier holder writes is refused by it.
        deadline: until when the holder may act, in seconds of its own monotonic clock (`steady`).
        silent_from: by the same clock, from when on no holder before this one that did not release the lease can have
            been sending: when it was taken, or earlier where others have held it in between.
        settle_from: until when, by the database's clock, a holder before this one that did not release the lease could
            have had answers on the way; None where each did.
    """

    name: str
    holder: str
    epoch: int
    deadline: float
    silent_from: float
    settle_from: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Who holds an account's lease, and until when by the database's clock."""

    holder: str
    epoch: int
    until: datetime


class Leases:
    """One replica's leases in a ledger's database.

    Args:
        database: the ledger's.
        holder: what people call this replica, as its host and process; what is written has a random end, so that two
            replicas are never taken for the same.
        ttl: how long a lease lasts that is not renewed.
        now: the machine's clock, which SQLite goes by.
        monotonic: the holder's own clock, in seconds.
    """

    def __init__(
        self,
        database: Database,
        *,
        holder: str,
        ttl: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = steady,
    ) -> None:
        self.holder = f"{holder}/{uuid4().hex[:12]}"
        self._database = database
        self._ttl = ttl
        self._now = now
        self._monotonic = monotonic

    async def take(self, name: str) -> Tenure | None:
        """Take an account's lease if it is free or has run out; None if another replica holds it.

        What this replica holds already begins anew, with another epoch.
        """
        deadline = self._deadline()
        taken = await self._database.run(lambda connection: self._take(connection, name))
        if taken is None:
            return None
        epoch, settle_from, silent = taken
        return Tenure(
            name=name,
            holder=self.holder,
            epoch=epoch,
            deadline=deadline,
            silent_from=self._monotonic() - silent.total_seconds(),
            settle_from=settle_from,
        )

    async def renew(self, tenure: Tenure) -> Tenure:
        """Hold on to a lease for another `ttl`, with the same epoch; raises `LeaseLost` if another took it."""
        deadline = self._deadline()
        await self._database.run(lambda connection: self._renew(connection, tenure))
        return replace(tenure, deadline=deadline)

    async def release(self, tenure: Tenure) -> None:
        """Free a lease at once. Only when nothing is on the way any more; one that was lost meanwhile is left alone."""
        free = update(lease_table).where(*_held_by(tenure)).values(holder=None)
        await self._database.run(lambda connection: connection.execute(free.values(until=self._clock(connection))))

    async def alive(self) -> int:
        """Give a sign of life, and say how many replicas have given one within their `ttl`, this one among them."""
        return await self._database.run(self._alive)

    async def leave(self) -> None:
        """Take back the sign of life, so that the others take over this replica's share at once."""
        gone = delete(replica_table).where(replica_table.c.id == self.holder)
        await self._database.run(lambda connection: connection.execute(gone))

    async def holders(self) -> Mapping[str, Holding]:
        """Who holds each account's lease now: account → holding. Those that nobody holds are not named."""
        return await self._database.read(self._holders)

    def _deadline(self) -> float:
        return self._monotonic() + self._ttl.total_seconds()

    def _clock(self, connection: Connection) -> datetime:
        """The clock that all replicas share."""
        if connection.dialect.name == "postgresql":
            shared: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
            return shared.astimezone(UTC)
        return self._now()

    def _take(self, connection: Connection, name: str) -> tuple[int, datetime | None, timedelta] | None:
        table = lease_table.c
        fresh = insert(connection, lease_table).values(name=name, epoch=0, until=self._clock(connection))
        connection.execute(fresh.on_conflict_do_nothing())
        row = connection.execute(select(lease_table).where(table.name == name).with_for_update()).one()
        now = self._clock(connection)  # only after the row is ours: waiting for it took time
        this = update(lease_table).where(table.name == name)
        if row.holder not in (None, self.holder) and row.until > now:
            if row.until > now + self._ttl and connection.dialect.name == "sqlite":
                # The clock was set back since: from here on it runs out as if it had been renewed now.
                connection.execute(this.values(until=now + self._ttl))
            return None
        settle_from = _could_send_until(row)
        values = {"holder": self.holder, "epoch": row.epoch + 1, "until": now + self._ttl}
        connection.execute(this.values(**values, held_before_until=settle_from))
        # Who took it from a holder that was not heard of may have held it for a moment only, as `once` does.
        silent = now - settle_from if row.holder is None and settle_from is not None else timedelta()
        return row.epoch + 1, settle_from, max(silent, timedelta())

    def _renew(self, connection: Connection, tenure: Tenure) -> None:
        until = self._clock(connection) + self._ttl
        renewed = connection.execute(update(lease_table).where(*_held_by(tenure)).values(until=until))
        if renewed.rowcount != 1:
            raise _lost(connection, tenure)

    def _alive(self, connection: Connection) -> int:
        now = self._clock(connection)
        table = replica_table.c
        ours = insert(connection, replica_table).values(id=self.holder, until=now + self._ttl)
        connection.execute(ours.on_conflict_do_update(index_elements=["id"], set_={"until": ours.excluded.until}))
        connection.execute(delete(replica_table).where(table.until < now - self._ttl))
        living = table.until.between(now, now + LONGEST_AHEAD * self._ttl)
        return int(connection.execute(select(func.count()).select_from(replica_table).where(living)).scalar_one())

    def _holders(self, connection: Connection) -> Mapping[str, Holding]:
        now = self._clock(connection)
        held = select(lease_table).where(lease_table.c.holder.is_not(None), lease_table.c.until > now)
        return {
            row.name: Holding(holder=row.holder, epoch=row.epoch, until=row.until)
            for row in connection.execute(held.order_by(lease_table.c.name))
        }


def fence(connection: Connection, tenure: Tenure | None) -> None:
    """Let a transaction write only while the lease is still this holder's; another that takes it waits for the commit.

    Raises:
        LeaseLost: another replica has taken the lease, and this transaction must write nothing.
        LedgerUnavailable: the ledger has forgotten the lease.
    """
    if tenure is None:
        return
    said = {"account": tenure.name, "holder": tenure.holder, "epoch": tenure.epoch}
    if connection.execute(_OURS_STILL, said).one_or_none() is None:
        raise _lost(connection, tenure)


_OURS_STILL = (
    select(lease_table.c.epoch)
    .where(
        lease_table.c.name == bindparam("account"),
        lease_table.c.holder == bindparam("holder"),
        lease_table.c.epoch == bindparam("epoch"),
    )
    .with_for_update(read=True)
)


def _held_by(tenure: Tenure) -> tuple[ColumnElement[bool], ...]:
    table = lease_table.c
    return table.name == tenure.name, table.holder == tenure.holder, table.epoch == tenure.epoch


def _could_send_until(row: Row[Any]) -> datetime | None:
    """Until when a holder before the next one could have been sending: one that did not release the lease."""
    before: datetime | None = row.held_before_until
    if row.holder is None:
        return before
    until: datetime = row.until
    return max(until, before or until)


def _lost(connection: Connection, tenure: Tenure) -> LedgerError:
    """Why a lease is not ours any more. Its epoch only grows: a ledger that knows none as late is an older copy."""
    epoch = connection.execute(select(lease_table.c.epoch).where(lease_table.c.name == tenure.name)).scalar()
    if epoch is None or epoch < tenure.epoch:
        return LedgerUnavailable(
            f"the ledger has forgotten the lease on account `{tenure.name}`: an older copy was restored while it was "
            "open, so nothing is sent. Stop every `run` and `once`, and start again as for any restored copy: "
            "docs/operations.md"
        )
    return LeaseLost(f"another replica has taken over account `{tenure.name}`; it goes on there")
