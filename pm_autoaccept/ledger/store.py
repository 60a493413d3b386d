"""One provider account's ledger: what `record` promises, each operation one transaction of its database."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Self, TypeVar

from sqlalchemy import Connection

from pm_autoaccept.errors import LedgerUnavailable, Paused
from pm_autoaccept.ledger import (
    audit,
    claims,
    intents,
    outcomes,
    ownership,
    pauses,
    policy_history,
    reconciliation,
    removals,
    requests,
    source_history,
)
from pm_autoaccept.ledger import (
    decisions as deciding,
)
from pm_autoaccept.ledger import (
    history as reading,
)
from pm_autoaccept.ledger import (
    notifications as noticing,
)
from pm_autoaccept.ledger.db.database import Database
from pm_autoaccept.ledger.db.ledger_identity import monotonic_seconds
from pm_autoaccept.ledger.elapsed_time import Clocks, UnknownWait
from pm_autoaccept.ledger.intents import PlannedAnswer, RecordedIntent
from pm_autoaccept.ledger.leases import HeldLease, fence
from pm_autoaccept.ledger.private_values import PrivateFields
from pm_autoaccept.ledger.sign_in_attempts import key_for
from pm_autoaccept.model import (
    Claim,
    Decision,
    Fact,
    Finding,
    History,
    KeptBack,
    Limit,
    LimitUsage,
    Mode,
    Notification,
    Outcome,
    PolicyRevision,
    ProviderAccount,
    Receipt,
    Removal,
    RequestKey,
    ShareReads,
    Snapshot,
    SourceHistory,
    SourceUse,
    Step,
)
from pm_autoaccept.record import DecisionRow

R = TypeVar("R")

UNKNOWN_WAIT = timedelta(minutes=5)
"""Longer than any timeout: how long a POST of unknown fate is given before a read counts as showing its end."""

DEFAULT_ACCOUNT = "default"
"""The name of the account where there is only one."""


class SqlLedger:
    """The ledger of one provider account in a database that may hold others'.

    With a `held_lease`, snapshots, decisions and intents are written only while that lease is held; otherwise writing
    them raises `LeaseLost`. The outcome of an intent is always recorded, because it is true whoever holds the lease.
    Without a lease, no other process works on this account.

    Args:
        database: where it is kept.
        name: what the settings call the account.
        unknown_wait: see `UNKNOWN_WAIT`.
        first_answer_wait: how long a ledger must have existed before anything is answered with it.
        clock: the holder's own, in seconds.

    Attributes:
        clocks: remembers when the clock was set by which things are recorded; `PROCESS_CLOCKS` for this machine's.
    """

    def __init__(
        self,
        database: Database,
        *,
        name: str = DEFAULT_ACCOUNT,
        unknown_wait: timedelta = UNKNOWN_WAIT,
        first_answer_wait: timedelta = timedelta(),
        clock: Callable[[], float] = monotonic_seconds,
    ) -> None:
        self.database = database
        self.name = name
        self.held_lease: HeldLease | None = None
        self._unknown_wait = unknown_wait
        self._first_answer_wait = first_answer_wait
        self._clock = clock
        self._provider: int | None = None
        self._under_way: dict[int, RecordedIntent] = {}
        self.clocks = Clocks()

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        name: str = DEFAULT_ACCOUNT,
        unknown_wait: timedelta = UNKNOWN_WAIT,
        first_answer_wait: timedelta = timedelta(),
        read_only: bool = False,
    ) -> Self:
        """Open a database for this ledger alone; `close` closes both. Raises as `Database.open`."""
        database = await Database.open(url, read_only=read_only)
        return cls(database, name=name, unknown_wait=unknown_wait, first_answer_wait=first_answer_wait)

    async def close(self) -> None:
        """Give back the database."""
        await self.database.close()

    async def claim(self, *, service: str, provider: ProviderAccount, at: datetime) -> None:
        """Take the ledger for this provider account; raises `LedgerMismatch` if its name belongs to another."""
        name = self.name
        self._provider = await self.database.run(
            lambda connection: ownership.claim_account(connection, name, service=service, provider=provider, at=at)
        )

    async def check_account(self, *, service: str, provider: ProviderAccount) -> None:
        """Raise `LedgerMismatch` if the ledger belongs to another provider account. Reads only."""
        name = self.name
        self._provider = await self.database.run(
            lambda connection: ownership.find_claimed_account(connection, name, service=service, provider=provider)
        )

    async def record_snapshot(self, snapshot: Snapshot, *, at: datetime, private: frozenset[str] = frozenset()) -> None:
        """Record what pends, what does not any more, and what thereby became of earlier answers."""
        patience = self._patience(at, snapshot.clock)

        def record(connection: Connection, us: int) -> None:
            hiding = (
                PrivateFields(private, key_for(connection, self.name, "private", at=at)) if private else PrivateFields()
            )
            requests.record_snapshot(connection, us, snapshot, at=at, patience=patience, hiding=hiding)

        await self._write(record)

    async def history(self, snapshot: Snapshot, *, limits: Collection[Limit] = (), at: datetime) -> History:
        """Say what decide and plan must know of what pends, and what counts for these limits. Reads only."""
        if self._provider is None:
            return History(limit_usage=tuple(LimitUsage(limit=limit) for limit in limits))
        patience = self._patience(at, snapshot.clock)
        return await self._read(
            lambda connection, us: reading.load_history(connection, us, snapshot, limits=limits, patience=patience)
        )

    async def accepted_claims(self) -> Sequence[Claim]:
        """Say what every request that was accepted, or may have been, says in its custom fields. Reads only."""
        return () if self._provider is None else await self._read(claims.accepted_claims)

    async def pause_reason(self) -> str | None:
        """Who paused answering since when and why, or that the ledger is too new; None for neither. Reads only."""
        paused = await self.database.read(lambda connection: pauses.pause_reason(connection, self.name))
        return paused or self._too_new()

    def new_for(self) -> timedelta:
        """How long the ledger is still too new for an answer; no time at all as a rule."""
        age = self.database.identity.age()
        return timedelta() if age is None else max(self._first_answer_wait - age, timedelta())

    def _too_new(self) -> str | None:
        left = math.ceil(self.new_for().total_seconds())
        if not left:
            return None
        return (
            "this ledger was made just now, and what was sent with an earlier one may still be on its way; the first "
            f"answer waits another {left} s"
        )

    async def record_decisions(
        self, decisions: Sequence[Decision], kept_back: Sequence[KeptBack], *, mode: Mode, at: datetime
    ) -> Sequence[Decision]:
        """Append what was decided, where it differs from the request's last decision; returns what was appended."""
        return await self._write(
            lambda connection, us: deciding.record_decisions(connection, us, decisions, kept_back, mode=mode, at=at)
        )

    async def record_policy_revision(self, revision: PolicyRevision, *, at: datetime) -> None:
        """Record that a policy came into force, or was refused, unless the last record says just that."""
        await self._write(lambda connection, us: policy_history.record_revision(connection, us, revision, at=at))

    async def source_histories(self, *, at: datetime) -> Mapping[str, SourceHistory]:
        """What is remembered of the rows of each of the account's data sources. Reads only."""
        return await self.database.read(
            lambda connection: source_history.load_source_histories(connection, self.name, at=at)
        )

    async def record_sources(self, good: Collection[SourceUse], *, at: datetime) -> None:
        """Note what the account's good data sources hold."""
        await self._write(lambda connection, _: source_history.record_sources(connection, self.name, good, at=at))

    async def record_intent(self, step: Step, *, at: datetime) -> int:
        """Record durably that this answer is about to be sent; the number returned names the intent."""
        self._us()
        answer = PlannedAnswer(step, self._patience(at, step.clock_skew))
        intent: RecordedIntent = await self.database.run_grouped(self._intend, answer)
        self._under_way[intent.number] = intent
        if not step.repeats:
            self.database.identity.intended(intent.number, at=at)
        return intent.number

    def _intend(self, connection: Connection, answers: Sequence[PlannedAnswer]) -> Sequence[RecordedIntent]:
        fence(connection, self.held_lease)
        if (why := self._too_new()) is not None:
            raise Paused(why)
        return intents.record_intents(connection, self._us(), answers)

    async def record_outcome(self, intent: int, receipt: Receipt, *, at: datetime) -> None:
        """Record durably what came of an intent."""
        under_way = self._under_way.pop(intent, None)
        attempt = under_way.attempt if under_way is not None else None
        await self.database.run_grouped(outcomes.record_outcomes, outcomes.IntentOutcome(intent, receipt, at, attempt))

    async def withdraw_intent(self, intent: int) -> None:
        """Note durably that nothing was sent of an intent, or of its last attempt."""
        await self.database.run_grouped(outcomes.withdraw_intents, self._under_way.pop(intent, RecordedIntent(intent)))

    async def owners_with_open_answers(self) -> frozenset[int]:
        """Name the owners of property shares whose answer is of unknown fate."""
        return frozenset() if self._provider is None else await self._read(reading.owners_with_open_answers)

    async def count_open_intents(self) -> int:
        """Count the answers of which it is not known what became of them. Reads only."""
        return await self._read(reading.count_open_intents)

    async def share_reads(self) -> ShareReads:
        """Say whose shares were read when, so that poll can choose whose to read. Reads only."""
        return ShareReads() if self._provider is None else await self._read(reconciliation.share_reads)

    async def reconcile(self, snapshot: Snapshot, *, at: datetime) -> Sequence[Finding]:
        """Compare what is connected and shared with what was decided; returns what is to be told, each thing once."""
        return await self._write(lambda connection, us: reconciliation.reconcile(connection, us, snapshot, at=at))

    async def count_undecided(self) -> int:
        """Count the connections and shares that came in and stand, by no answer of ours. Reads only."""
        return await self._read(reconciliation.count_undecided)

    async def record_removal_intent(self, removal: Removal, *, by: str, at: datetime) -> int:
        """Record durably that somebody is about to end a connection or a share; the number returned names it."""
        return await self._write(
            lambda connection, us: removals.record_removal_intent(connection, us, removal, by=by, at=at)
        )

    async def record_removal_outcome(self, number: int, outcome: Outcome, text: str, *, at: datetime) -> None:
        """Record durably what came of it; `open` leaves it to later reads."""
        await self.database.run(
            lambda connection: removals.record_removal_outcome(connection, number, outcome, text, at=at)
        )

    async def store_notifications(self, notifications: Sequence[Notification], *, at: datetime) -> int:
        """Store those that are not stored yet, and say how many those were."""
        return await self._write(
            lambda connection, us: noticing.store_notifications(connection, us, notifications, at=at)
        )

    async def decisions(
        self, *, every: bool = False, keys: Collection[RequestKey] | None = None
    ) -> Sequence[DecisionRow]:
        """The decision behind each request's answer, or else its last one; or every one. Oldest first.

        Of the account that the ledger was claimed for; of all accounts where it was not, as for an auditor.
        """
        us = self._provider
        return await self.database.read(lambda connection: audit.decisions(connection, us, every=every, keys=keys))

    async def _write(self, work: Callable[[Connection, int], R]) -> R:
        """Run work that writes for the account that the ledger was claimed for, while its lease is ours."""
        us, held_lease = self._us(), self.held_lease

        def fenced(connection: Connection) -> R:
            fence(connection, held_lease)
            return work(connection, us)

        return await self.database.run(fenced)

    async def _read(self, work: Callable[[Connection, int], R]) -> R:
        us = self._us()
        return await self.database.read(lambda connection: work(connection, us))

    def _us(self) -> int:
        if self._provider is None:
            raise LedgerUnavailable("the ledger was not claimed for an account yet; this is a fault of the program")
        return self._provider

    def _patience(self, at: datetime, apart: Fact[timedelta] | None) -> UnknownWait:
        """How long an answer of unknown fate is given, by every clock."""
        return UnknownWait(self._wait_for_the_unknown(), self.clocks.moment(at, apart))

    def _wait_for_the_unknown(self) -> timedelta | None:
        """How long an answer of unknown fate is given; None while none may be settled or repeated at all.

        A holder before us that was killed or frozen may have sent to the end of its lease. That had run out when ours
        began, and our own steady clock says how long ago that was, whatever the wall clocks of two machines say.
        """
        held_lease, wait = self.held_lease, self._unknown_wait
        quiet = (
            held_lease is None
            or held_lease.settle_from is None
            or self._clock() >= held_lease.silent_from + wait.total_seconds()
        )
        return wait if quiet else None
