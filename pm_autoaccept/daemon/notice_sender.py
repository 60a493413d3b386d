"""Notice sender: delivers the outbox to its targets, one replica for each ledger, each target by a task of its own.

It asks the ledger once a second which targets have something due. A target that takes long or is down does not hold up
the others. Whatever it claims it settles, or another sender sends it again, with the same id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection

from pm_autoaccept.clock import utc_now
from pm_autoaccept.daemon.abandoned_tasks import cancel_and_wait
from pm_autoaccept.daemon.lease import RENEWALS_PER_LEASE, LeaseHold, hold_lease
from pm_autoaccept.daemon.shutdown import Stop
from pm_autoaccept.errors import LeaseLost, LedgerError, LedgerUnavailable
from pm_autoaccept.ledger import Database, HeldLease, Leases
from pm_autoaccept.ledger.leases import fence
from pm_autoaccept.ledger.notice_rounds import add_digest, add_reminders, digest_wanted
from pm_autoaccept.ledger.outbox import (
    Claimed,
    claim_next,
    count_notices,
    due_targets,
    end_notices_of_others,
    release,
    settle,
)
from pm_autoaccept.ledger.stoppage_notices import add_stoppages
from pm_autoaccept.model import Deliver, Delivered, DeliveryResult, NoticeState, NoticeTarget, Stoppage, TryLater
from pm_autoaccept.notice_schedule import requested_wait
from pm_autoaccept.telemetry.notice_metrics import NoticeMetrics

log = structlog.get_logger()

NOTICE_LEASE = ":notices"
"""The name of the sender's lease. No account can have it."""

CHECK_INTERVAL = timedelta(seconds=1)
"""How often the ledger is asked what is due."""

ROUND_INTERVAL = timedelta(minutes=1)
"""How often digests and reminders are looked for."""

DELIVERY_TIMEOUT = timedelta(seconds=30)
"""After this long, an attempt has failed."""

CLAIM_LASTS = 2 * DELIVERY_TIMEOUT
"""How long a notice that is being sent is kept from other senders."""

PAUSE = timedelta(seconds=5)
"""How long to wait before asking for the lease again."""

STOP_WAIT = timedelta(seconds=5)
"""How long a delivery in flight may take to end when the program stops."""


@dataclass(slots=True, kw_only=True)
class NoticeSender:
    """Sends the notices of a ledger while this replica holds the lease for it.

    Attributes:
        database: the ledger's database.
        leases: the leases of this replica.
        targets: where notices go.
        deliver: delivers one notice.
        stop: ends the sender.
        ttl: how long a lease lasts without renewal.
        metrics: count what was delivered.
        now: the clock.
    """

    database: Database
    leases: Leases
    targets: Sequence[NoticeTarget]
    deliver: Deliver
    stop: Stop
    ttl: timedelta
    metrics: NoticeMetrics
    now: Callable[[], datetime] = utc_now
    _rests_until: dict[str, datetime] = field(default_factory=dict, init=False)
    _dead: Mapping[str, int] | None = field(default=None, init=False)

    async def run(self) -> None:
        """Send until a stop is requested. While another replica sends, or the ledger is unavailable, stand by."""
        while not self.stop.requested.is_set():
            held_lease = None
            with suppress(LedgerUnavailable):  # the workers of the accounts report it
                held_lease = await self.leases.take(NOTICE_LEASE)
            if held_lease is None:
                self.metrics.clear()
                await self.stop.wait(self.ttl / RENEWALS_PER_LEASE)
                continue
            async with hold_lease(self.leases, held_lease, None, ttl=self.ttl, answer_timeout=DELIVERY_TIMEOUT) as hold:
                await self._send_while_held(hold)
            # Nothing else can end it than a lost lease, or an internal error that may come again.
            await self.stop.wait(PAUSE)

    async def _send_while_held(self, hold: LeaseHold) -> None:
        """Send until a stop is requested or the lease is lost. Deliveries in flight may end."""
        events = {target.name: asyncio.Event() for target in self.targets}
        sending = [
            asyncio.create_task(
                self._send_when_due(target, hold, events[target.name]), name=f"notices to {target.name}"
            )
            for target in self.targets
        ]
        watching = asyncio.create_task(self._watch(hold, events), name="watch for notices")
        stopping = asyncio.create_task(self.stop.requested.wait(), name="wait for the stop of the notices")
        try:
            await asyncio.wait({watching, stopping, *sending}, return_when=asyncio.FIRST_COMPLETED)
            for event in events.values():
                event.set()
            if self.stop.requested.is_set():
                await asyncio.wait(sending, timeout=STOP_WAIT.total_seconds())
        finally:
            await cancel_and_wait(watching, stopping, *sending)

    async def _watch(self, hold: LeaseHold, events: Mapping[str, asyncio.Event]) -> None:
        """Wake the tasks of the targets with something due, and add digests and reminders, until the lease is lost."""
        next_round = self.now()
        while not hold.lost:
            with suppress(LedgerUnavailable):
                if not next_round - ROUND_INTERVAL <= self.now() < next_round:
                    next_round = self.now() + ROUND_INTERVAL
                    await self.add_rounds(hold.held_lease)
                for name in await self.due():
                    if name in events:
                        events[name].set()
            await asyncio.sleep(CHECK_INTERVAL.total_seconds())

    async def _send_when_due(self, target: NoticeTarget, hold: LeaseHold, due: asyncio.Event) -> None:
        """Send to one target whenever something is due, until a stop is requested or the lease is lost."""
        while not self.stop.requested.is_set() and not hold.lost:
            await due.wait()
            due.clear()
            try:
                while not self.stop.requested.is_set() and await self.send_next(target, hold.held_lease):
                    pass
            except LeaseLost:
                hold.lost = True
            except LedgerUnavailable as error:
                log.warning("notices_not_sent", target=target.name, error=str(error))

    async def due(self) -> frozenset[str]:
        """The names of the targets for which something is due, except those that asked us to wait."""
        at = self.now()
        due = await self.database.read(lambda connection: due_targets(connection, at=at))
        return frozenset(name for name in due if self._rests_until.get(name, at) <= at)

    async def send_next(self, target: NoticeTarget, held_lease: HeldLease | None = None) -> bool:
        """Send what is due next to a target; False if nothing is due.

        Raises:
            LeaseLost: another replica sends now.
            LedgerUnavailable: the ledger is unavailable; what was claimed is sent again.
        """
        at = self.now()
        if self._rests_until.get(target.name, at) > at:
            return False

        def claim(connection: Connection) -> Claimed | None:
            fence(connection, held_lease)
            return claim_next(connection, target, at=at, lasts=CLAIM_LASTS)

        claimed = await self.database.run(claim)
        if claimed is None:
            return False
        try:
            result = await self._try(target, claimed)
        except asyncio.CancelledError:
            with suppress(LedgerError):
                await self.database.run(lambda connection: release(connection, claimed))
            raise
        if isinstance(result, TryLater) and result.after is not None:
            self._rests_until[target.name] = self.now() + requested_wait(result.after)
        await self._settle(target, claimed, result)
        return True

    async def _try(self, target: NoticeTarget, claimed: Claimed) -> DeliveryResult:
        """Deliver once. Whatever goes wrong, the notice is tried again."""
        try:
            async with asyncio.timeout(DELIVERY_TIMEOUT.total_seconds()):
                return await self.deliver(target, claimed.notice)
        except TimeoutError:
            return TryLater(why=f"no response within {DELIVERY_TIMEOUT.total_seconds():.0f} s")
        except Exception as error:
            log.exception("notice_failed_internally", target=target.name, event_id=claimed.notice.event_id)
            return TryLater(why=f"internal error: {type(error).__name__}")

    async def _settle(self, target: NoticeTarget, claimed: Claimed, result: DeliveryResult) -> None:
        """Record, count and log the result."""
        state = await self._record(claimed, result)
        what = {"target": target.name, "event_id": claimed.notice.event_id, "kind": claimed.notice.kind}
        if isinstance(result, Delivered):
            self.metrics.delivered(target.name)
            log.info("notice_delivered", notices=len(claimed.numbers), **what)
        elif state is NoticeState.DEAD:
            self.metrics.failed(target.name)
            log.error("notice_given_up", why=result.why, **what)
        else:
            self.metrics.failed(target.name)
            log.warning("notice_not_delivered", why=result.why, **what)

    async def _record(self, claimed: Claimed, result: DeliveryResult) -> NoticeState | None:
        """Record the result; if the ledger is unavailable, again and again while the claim lasts."""
        at = self.now()
        while True:
            try:
                return await self.database.run(lambda connection: settle(connection, claimed, result, at=at))
            except LedgerUnavailable:
                if self.now() >= claimed.until:
                    raise
            await asyncio.sleep(CHECK_INTERVAL.total_seconds())

    async def add_rounds(self, held_lease: HeldLease | None = None) -> None:
        """Add the digests and reminders that are due, and count what waits.

        Raises:
            LeaseLost: another replica sends now.
            LedgerUnavailable: the ledger is unavailable.
        """
        at = self.now()

        def add(connection: Connection) -> None:
            fence(connection, held_lease)
            for target in wanted:
                add_digest(connection, target, at=at)
            add_reminders(connection, self.targets, at=at)
            end_notices_of_others(connection, [target.name for target in self.targets], at=at)

        wanted = await self.database.read(
            lambda connection: [target for target in self.targets if digest_wanted(connection, target, at=at)]
        )
        await self.database.run(add)
        names = [target.name for target in self.targets]
        counts = await self.database.read(count_notices)
        self.metrics.counted(counts, names)
        dead = {name: counts[name].dead for name in names if name in counts and counts[name].dead}
        if dead != self._dead:
            await self._tell_dead(dead, held_lease, at=at)
            self._dead = dead

    async def _tell_dead(self, dead: Mapping[str, int], held_lease: HeldLease | None, *, at: datetime) -> None:
        """Tell the other targets of those that do not get their notices, and of those that do again."""
        stopped = {f"{Stoppage.OUTBOX_DEAD} {name}": _undelivered(name, number) for name, number in dead.items()}
        over = [f"{Stoppage.OUTBOX_DEAD} {target.name}" for target in self.targets if target.name not in dead]
        others = [target for target in self.targets if target.name not in dead]

        def add(connection: Connection) -> None:
            fence(connection, held_lease)
            add_stoppages(connection, others, account="", stopped=stopped, over=over, at=at)

        await self.database.run(add)


def _undelivered(name: str, number: int) -> str:
    return (
        f"{number} notice{'s' if number != 1 else ''} to target `{name}` could not be delivered; "
        "run pm-autoaccept notices list to see why"
    )


async def send_once(
    database: Database,
    leases: Leases,
    *,
    targets: Sequence[NoticeTarget],
    deliver: Deliver,
    stop: Stop,
    ttl: timedelta,
    now: Callable[[], datetime] = utc_now,
) -> bool:
    """Send what is due now, for half a minute at most; False if another process sends.

    Raises:
        LedgerError: the ledger is unavailable, or another process has taken over.
    """
    held_lease = await leases.take(NOTICE_LEASE)
    if held_lease is None:
        return False
    metrics = NoticeMetrics(CollectorRegistry())
    sender = NoticeSender(
        database=database,
        leases=leases,
        targets=targets,
        deliver=deliver,
        stop=stop,
        ttl=ttl,
        metrics=metrics,
        now=now,
    )

    async def send_to(target: NoticeTarget) -> None:
        while not stop.requested.is_set() and await sender.send_next(target, hold.held_lease):
            pass

    async with hold_lease(leases, held_lease, None, ttl=ttl, answer_timeout=DELIVERY_TIMEOUT) as hold:
        await sender.add_rounds(hold.held_lease)
        with suppress(TimeoutError):
            async with asyncio.timeout(DELIVERY_TIMEOUT.total_seconds()):
                await asyncio.gather(*(send_to(target) for target in targets))
    return True
