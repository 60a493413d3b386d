"""Leases: which replica answers which account; take, renew, release, fencing by epoch, and replica heartbeats.

Two clocks are involved. The database's clock decides when a lease has expired: PostgreSQL's own, or the machine's on
SQLite, where all replicas run on one machine. A holder uses its own monotonic clock, read before it asks the database,
so it never believes in its lease longer than the database does.

A wall clock that jumps has limited effects on SQLite. If it is set forward, a lease expires early, and another replica
takes the account while its holder still believes in the lease. If it is set back, a lease that nobody renews lasts up
to one `ttl` longer, counted from when another replica asks for it. In both cases no request is answered twice: each
writing transaction compares the epoch (`fence`), so the former holder records no more intents, and a request has at
most one open intent, whoever writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, func, select, update

from pm_autoaccept.clock import utc_now
from pm_autoaccept.errors import LeaseLost, LedgerError, LedgerUnavailable
from pm_autoaccept.ledger.db.database import Database
from pm_autoaccept.ledger.db.ledger_identity import monotonic_seconds
from pm_autoaccept.ledger.db.queries import insert
from pm_autoaccept.ledger.db.tables import lease as lease_table
from pm_autoaccept.ledger.db.tables import replica as replica_table

MAX_TTLS_AHEAD = 4
"""How many `ttl` ahead a heartbeat may expire. One that is further ahead was written before the clock was set back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLease:
    """A lease on one account as its holder knows it, from taking it until it is released or lost.

    Attributes:
        name: the account's name in the settings.
        holder: the replica that holds it.
        epoch: grows each time the lease is taken, so that writes of an earlier holder are refused.
        deadline: until when the holder may act, in seconds of its own monotonic clock (`monotonic_seconds`).
        silent_from: by the same clock, from when no earlier holder that did not release the lease can have been
            sending: when this lease was taken, or earlier if others have held it in between.
        settle_from: by the database's clock, until when an earlier holder that did not release the lease could have
            had answers in flight; None if all released it.
    """

    name: str
    holder: str
    epoch: int
    deadline: float
    silent_from: float
    settle_from: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseHolder:
    """The holder of an account's lease, and its expiry by the database's clock."""

    holder: str
    epoch: int
    until: datetime


class Leases:
    """One replica's leases in a ledger's database.

    Args:
        database: the ledger's.
        holder: a readable name of this replica, for example host and process. A random suffix is added, so that no two
            replicas have the same name.
        ttl: how long a lease lasts unless it is renewed.
        now: the machine's clock, which SQLite uses.
        monotonic: the holder's own clock, in seconds.
    """

    def __init__(
        self,
        database: Database,
        *,
        holder: str,
        ttl: timedelta,
        now: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = monotonic_seconds,
    ) -> None:
        self.holder = f"{holder}/{uuid4().hex[:12]}"
        self._database = database
        self._ttl = ttl
        self._now = now
        self._monotonic = monotonic

    async def take(self, name: str) -> HeldLease | None:
        """Take an account's lease if it is free or expired; None if another replica holds it.

        A lease that this replica already holds starts again with a new epoch.
        """
        deadline = self._deadline()
        taken = await self._database.run(lambda connection: self._take(connection, name))
        if taken is None:
            return None
        epoch, settle_from, silent = taken
        return HeldLease(
            name=name,
            holder=self.holder,
            epoch=epoch,
            deadline=deadline,
            silent_from=self._monotonic() - silent.total_seconds(),
            settle_from=settle_from,
        )

    async def renew(self, held_lease: HeldLease) -> HeldLease:
        """Renew a lease for another `ttl`, with the same epoch; raises `LeaseLost` if another replica took it."""
        deadline = self._deadline()
        await self._database.run(lambda connection: self._renew(connection, held_lease))
        return replace(held_lease, deadline=deadline)

    async def release(self, held_lease: HeldLease) -> None:
        """Release a lease at once, only when no answer is in flight any more. A lease that was lost is left alone."""
        free = update(lease_table).where(*_held_by(held_lease)).values(holder=None)
        await self._database.run(lambda connection: connection.execute(free.values(until=self._clock(connection))))

    async def send_heartbeat(self) -> int:
        """Send a heartbeat; returns how many replicas, including this one, have sent one within their `ttl`."""
        return await self._database.run(self._send_heartbeat)

    async def remove_heartbeat(self) -> None:
        """Remove the heartbeat, so that the other replicas take over this one's accounts at once."""
        gone = delete(replica_table).where(replica_table.c.id == self.holder)
        await self._database.run(lambda connection: connection.execute(gone))

    async def holders(self) -> Mapping[str, LeaseHolder]:
        """Account → current lease holder, without the accounts that nobody holds."""
        return await self._database.read(self._holders)

    def _deadline(self) -> float:
        return self._monotonic() + self._ttl.total_seconds()

    def _clock(self, connection: Connection) -> datetime:
        """The time by the clock that all replicas share."""
        if connection.dialect.name == "postgresql":
            shared: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
            return shared.astimezone(UTC)
        return self._now()

    def _take(self, connection: Connection, name: str) -> tuple[int, datetime | None, timedelta] | None:
        table = lease_table.c
        fresh = insert(connection, lease_table).values(name=name, epoch=0, until=self._clock(connection))
        connection.execute(fresh.on_conflict_do_nothing())
        row = connection.execute(select(lease_table).where(table.name == name).with_for_update()).one()
        now = self._clock(connection)  # read it only after locking the row: the wait took time
        this = update(lease_table).where(table.name == name)
        if row.holder not in (None, self.holder) and row.until > now:
            if row.until > now + self._ttl and connection.dialect.name == "sqlite":
                # The clock was set back: let the lease expire as if it had been renewed now.
                connection.execute(this.values(until=now + self._ttl))
            return None
        settle_from = _could_send_until(row)
        values = {"holder": self.holder, "epoch": row.epoch + 1, "until": now + self._ttl}
        connection.execute(this.values(**values, held_before_until=settle_from))
        # Whoever took it from a silent holder may have held it only for a moment, for example `once`.
        silent = now - settle_from if row.holder is None and settle_from is not None else timedelta()
        return row.epoch + 1, settle_from, max(silent, timedelta())

    def _renew(self, connection: Connection, held_lease: HeldLease) -> None:
        until = self._clock(connection) + self._ttl
        renewed = connection.execute(update(lease_table).where(*_held_by(held_lease)).values(until=until))
        if renewed.rowcount != 1:
            raise _lost(connection, held_lease)

    def _send_heartbeat(self, connection: Connection) -> int:
        now = self._clock(connection)
        table = replica_table.c
        ours = insert(connection, replica_table).values(id=self.holder, until=now + self._ttl)
        connection.execute(ours.on_conflict_do_update(index_elements=["id"], set_={"until": ours.excluded.until}))
        connection.execute(delete(replica_table).where(table.until < now - self._ttl))
        living = table.until.between(now, now + MAX_TTLS_AHEAD * self._ttl)
        return int(connection.execute(select(func.count()).select_from(replica_table).where(living)).scalar_one())

    def _holders(self, connection: Connection) -> Mapping[str, LeaseHolder]:
        now = self._clock(connection)
        held = select(lease_table).where(lease_table.c.holder.is_not(None), lease_table.c.until > now)
        return {
            row.name: LeaseHolder(holder=row.holder, epoch=row.epoch, until=row.until)
            for row in connection.execute(held.order_by(lease_table.c.name))
        }


def fence(connection: Connection, held_lease: HeldLease | None) -> None:
    """Let a transaction write only while this holder has the lease. A replica that takes it waits for the commit.

    Raises:
        LeaseLost: another replica has taken the lease, so this transaction must write nothing.
        LedgerUnavailable: the ledger no longer contains the lease.
    """
    if held_lease is None:
        return
    said = {"account": held_lease.name, "holder": held_lease.holder, "epoch": held_lease.epoch}
    if connection.execute(_LEASE_IF_OURS, said).one_or_none() is None:
        raise _lost(connection, held_lease)


_LEASE_IF_OURS = (
    select(lease_table.c.epoch)
    .where(
        lease_table.c.name == bindparam("account"),
        lease_table.c.holder == bindparam("holder"),
        lease_table.c.epoch == bindparam("epoch"),
    )
    .with_for_update(read=True)
)


def _held_by(held_lease: HeldLease) -> tuple[ColumnElement[bool], ...]:
    table = lease_table.c
    return table.name == held_lease.name, table.holder == held_lease.holder, table.epoch == held_lease.epoch


def _could_send_until(row: Row[Any]) -> datetime | None:
    """Until when a holder that did not release the lease could have been sending."""
    before: datetime | None = row.held_before_until
    if row.holder is None:
        return before
    until: datetime = row.until
    return max(until, before or until)


def _lost(connection: Connection, held_lease: HeldLease) -> LedgerError:
    """The error for a lost lease. Epochs only grow, so a ledger without this epoch is an older copy."""
    epoch = connection.execute(select(lease_table.c.epoch).where(lease_table.c.name == held_lease.name)).scalar()
    if epoch is None or epoch < held_lease.epoch:
        return LedgerUnavailable(
            f"the ledger has no lease on account `{held_lease.name}`: an older copy was restored while it "
            "was open, so nothing is sent. Stop every `run` and `once`, then start again as for any restored copy; see "
            "docs/ledger.md"
        )
    return LeaseLost(f"another replica has taken over account `{held_lease.name}` and continues there")
