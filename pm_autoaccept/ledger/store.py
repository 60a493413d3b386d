"""`SqlLedger`: one provider account's ledger, implementing the `record` protocol, one transaction per operation."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Self, TypeVar

from sqlalchemy import Connection

from pm_autoaccept.errors import LedgerUnavailable, Paused
from pm_autoaccept.ledger.audit import list_decisions
from pm_autoaccept.ledger.claims import KeptClaims
from pm_autoaccept.ledger.db.database import Database
from pm_autoaccept.ledger.db.ledger_identity import monotonic_seconds
from pm_autoaccept.ledger.decisions import record_decisions
from pm_autoaccept.ledger.elapsed_time import Clocks, UnknownWait
from pm_autoaccept.ledger.history import count_open_intents, load_history, owners_with_open_answers
from pm_autoaccept.ledger.human_answers import void_answers, void_stale_answers
from pm_autoaccept.ledger.intents import PlannedAnswer, RecordedIntent, record_intents
from pm_autoaccept.ledger.leases import HeldLease, fence
from pm_autoaccept.ledger.notices import add_findings, add_outcomes, add_voided_answers
from pm_autoaccept.ledger.notifications import store_notifications
from pm_autoaccept.ledger.outcomes import IntentOutcome, record_outcomes, withdraw_intents
from pm_autoaccept.ledger.ownership import claim_account, find_claimed_account
from pm_autoaccept.ledger.pauses import pause_reason
from pm_autoaccept.ledger.policy_history import record_revision
from pm_autoaccept.ledger.private_values import PrivateFields
from pm_autoaccept.ledger.reconciliation import count_undecided, reconcile, share_reads
from pm_autoaccept.ledger.removals import record_removal_intent, record_removal_outcome
from pm_autoaccept.ledger.requests import record_snapshot
from pm_autoaccept.ledger.sign_in_attempts import key_for
from pm_autoaccept.ledger.source_history import load_source_histories, record_sources
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
    NoticeTarget,
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
    VoidedAnswer,
)
from pm_autoaccept.record import AppendedDecision, DecisionRow

R = TypeVar("R")

UNKNOWN_WAIT = timedelta(minutes=5)
"""How long after a POST of unknown outcome a read may settle it. Longer than any timeout."""

ANSWER_EXPIRY = timedelta(days=1)
"""How long an answer by people may wait before it is void."""

DEFAULT_ACCOUNT = "default"
"""The name of the account if there is only one."""


class SqlLedger:
    """The ledger of one provider account in a database that may hold others'.

    With a `held_lease`, snapshots, decisions and intents are written only while that lease is held; otherwise writing
    them raises `LeaseLost`. The outcome of an intent is always recorded, because it is true whoever holds the lease.
    Without a lease, no other process works on this account.

    Args:
        database: the database that contains it.
        name: the account's name in the settings.
        unknown_wait: see `UNKNOWN_WAIT`.
        first_answer_wait: how old a new ledger must be before anything is answered with it.
        clock: the monotonic clock of this process, in seconds.

    Attributes:
        answer_expiry: how long an answer by people may wait before it is void.
        targets: whom notices tell of what happens; nobody by default.
        clocks: detects when the clock used for records was set; `PROCESS_CLOCKS` for this machine's clock.
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
        self._claims = KeptClaims()
        self.clocks = Clocks()
        self.answer_expiry = ANSWER_EXPIRY
        self.targets: tuple[NoticeTarget, ...] = ()

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
        """Open a database for this ledger only; `close` closes both. Raises as `Database.open`."""
        database = await Database.open(url, read_only=read_only)
        return cls(database, name=name, unknown_wait=unknown_wait, first_answer_wait=first_answer_wait)

    async def close(self) -> None:
        """Close the database."""
        await self.database.close()

    async def claim(self, *, service: str, provider: ProviderAccount, at: datetime) -> None:
        """Bind the ledger to this provider account; raises `LedgerMismatch` if its name belongs to another."""
        name = self.name
        self._provider = await self.database.run(
            lambda connection: claim_account(connection, name, service=service, provider=provider, at=at)
        )

    async def check_account(self, *, service: str, provider: ProviderAccount) -> None:
        """Raise `LedgerMismatch` if the ledger belongs to another provider account. Reads only."""
        name = self.name
        self._provider = await self.database.run(
            lambda connection: find_claimed_account(connection, name, service=service, provider=provider)
        )

    async def record_snapshot(
        self, snapshot: Snapshot, *, at: datetime, private: frozenset[str] = frozenset()
    ) -> Sequence[VoidedAnswer]:
        """Record which requests are pending and which are not any more, and settle earlier answers accordingly.

        Returns the answers by people that are void now, because their request has changed or they are too old.
        """
        wait = self._current_wait(at, snapshot.clock)

        def record(connection: Connection, provider: int) -> Sequence[VoidedAnswer]:
            private_fields = (
                PrivateFields(private, key_for(connection, self.name, "private", at=at)) if private else PrivateFields()
            )
            settled = record_snapshot(
                connection, provider, snapshot, at=at, unknown_wait=wait, private_fields=private_fields
            )
            add_outcomes(connection, settled, self.targets, at=at)
            voided = void_stale_answers(connection, provider, at=at, expiry=self.answer_expiry)
            return self._tell_voided(connection, voided, at=at)

        return await self._write(record)

    async def void_answers(self, voided: Sequence[VoidedAnswer], *, at: datetime) -> Sequence[VoidedAnswer]:
        """Record that these answers by people will not be sent; returns those that were still waiting."""
        if not voided:
            return ()
        return await self._write(
            lambda connection, _: self._tell_voided(connection, void_answers(connection, voided, at=at), at=at)
        )

    def _tell_voided(
        self, connection: Connection, voided: Sequence[VoidedAnswer], *, at: datetime
    ) -> Sequence[VoidedAnswer]:
        add_voided_answers(connection, {each.number: each.why for each in voided}, self.targets, at=at)
        return voided

    async def history(self, snapshot: Snapshot, *, limits: Collection[Limit] = (), at: datetime) -> History:
        """Load what decide and plan need about pending requests, and the usage of these limits. Reads only."""
        if self._provider is None:
            return History(limit_usage=tuple(LimitUsage(limit=limit) for limit in limits))
        wait = self._current_wait(at, snapshot.clock)
        return await self._read(
            lambda connection, provider: load_history(connection, provider, snapshot, limits=limits, unknown_wait=wait)
        )

    async def accepted_claims(self) -> Sequence[Claim]:
        """Load the custom fields of every request that was accepted, or may have been. Reads only."""
        return () if self._provider is None else await self._read(self._claims.look)

    async def pause_reason(self) -> str | None:
        """Why nothing may be answered: a pause, or a ledger that is too new; None if neither. Reads only."""
        paused = await self.database.read(lambda connection: pause_reason(connection, self.name))
        return paused or self._too_new()

    def new_for(self) -> timedelta:
        """How much longer the ledger is too new for an answer; usually zero."""
        age = self.database.identity.age()
        return timedelta() if age is None else max(self._first_answer_wait - age, timedelta())

    def _too_new(self) -> str | None:
        left = math.ceil(self.new_for().total_seconds())
        if not left:
            return None
        return (
            "this ledger is new, and answers sent with an earlier ledger may still be in flight; the first answer "
            f"waits another {left} s"
        )

    async def record_decisions(
        self, decisions: Sequence[Decision], kept_back: Sequence[KeptBack], *, mode: Mode, at: datetime
    ) -> Sequence[AppendedDecision]:
        """Append the decisions that differ from the request's last decision; returns those."""
        return await self._write(
            lambda connection, provider: record_decisions(
                connection, provider, decisions, kept_back, mode=mode, at=at, targets=self.targets
            )
        )

    async def record_policy_revision(self, revision: PolicyRevision, *, at: datetime) -> None:
        """Record that a policy came into force or was refused, unless the last record says the same."""
        await self._write(lambda connection, provider: record_revision(connection, provider, revision, at=at))

    async def source_histories(self, *, at: datetime) -> Mapping[str, SourceHistory]:
        """The row counts and confirmations of each of the account's data sources. Reads only."""
        return await self.database.read(lambda connection: load_source_histories(connection, self.name, at=at))

    async def record_sources(self, good: Collection[SourceUse], *, at: datetime) -> None:
        """Record the row counts and digests of the account's good data sources."""
        await self._write(lambda connection, _: record_sources(connection, self.name, good, at=at))

    async def record_intent(self, step: Step, *, at: datetime) -> int:
        """Record durably, before the POST, that this answer is about to be sent. Returns the intent's number."""
        self._claimed_provider()
        answer = PlannedAnswer(step, self._current_wait(at, step.clock_skew))
        intent: RecordedIntent = await self.database.run_grouped(self._intend, answer)
        self._under_way[intent.number] = intent
        if not step.repeats:
            self.database.identity.remember_intent(intent.number, at=at)
        return intent.number

    def _intend(self, connection: Connection, answers: Sequence[PlannedAnswer]) -> Sequence[RecordedIntent]:
        fence(connection, self.held_lease)
        if (why := self._too_new()) is not None:
            raise Paused(why)
        return record_intents(connection, self._claimed_provider(), answers)

    async def record_outcome(self, intent: int, receipt: Receipt, *, at: datetime) -> None:
        """Record durably the outcome of an intent."""
        under_way = self._under_way.pop(intent, None)
        attempt = under_way.attempt if under_way is not None else None
        await self.database.run_grouped(record_outcomes, IntentOutcome(intent, receipt, at, attempt, self.targets))

    async def withdraw_intent(self, intent: int) -> None:
        """Record durably that an intent, or its last attempt, was not sent."""
        await self.database.run_grouped(withdraw_intents, self._under_way.pop(intent, RecordedIntent(intent)))

    async def owners_with_open_answers(self) -> frozenset[int]:
        """The owners of property shares whose answer has an unknown outcome."""
        return frozenset() if self._provider is None else await self._read(owners_with_open_answers)

    async def count_open_intents(self) -> int:
        """Count the answers whose outcome is unknown. Reads only."""
        return await self._read(count_open_intents)

    async def share_reads(self) -> ShareReads:
        """When each owner's shares were last read, so that poll can choose whose to read now. Reads only."""
        return ShareReads() if self._provider is None else await self._read(share_reads)

    async def reconcile(self, snapshot: Snapshot, *, at: datetime) -> Sequence[Finding]:
        """Compare connections and shares with what was decided; returns the findings to report, each once."""

        def compare(connection: Connection, provider: int) -> Sequence[Finding]:
            findings = reconcile(connection, provider, snapshot, at=at)
            add_findings(connection, provider, findings, self.targets, at=at)
            return findings

        return await self._write(compare)

    async def count_undecided(self) -> int:
        """Count the current connections and shares that we did not decide. Reads only."""
        return await self._read(count_undecided)

    async def record_removal_intent(self, removal: Removal, *, by: str, at: datetime) -> int:
        """Record durably that somebody is about to remove a connection or a share; returns the removal's number."""
        return await self._write(
            lambda connection, provider: record_removal_intent(connection, provider, removal, by=by, at=at)
        )

    async def record_removal_outcome(self, number: int, outcome: Outcome, text: str, *, at: datetime) -> None:
        """Record durably the outcome of a removal; `open` leaves it to later reads."""
        await self.database.run(lambda connection: record_removal_outcome(connection, number, outcome, text, at=at))

    async def store_notifications(self, notifications: Sequence[Notification], *, at: datetime) -> int:
        """Store the notifications that are not stored yet; returns how many those were."""
        return await self._write(
            lambda connection, provider: store_notifications(connection, provider, notifications, at=at)
        )

    async def decisions(
        self, *, every: bool = False, keys: Collection[RequestKey] | None = None
    ) -> Sequence[DecisionRow]:
        """The decision behind each request's answer, or its last decision if it has none. Oldest first.

        Covers the claimed account, or all accounts if none was claimed, for example for an auditor.
        """
        provider = self._provider
        return await self.database.read(lambda connection: list_decisions(connection, provider, every=every, keys=keys))

    async def _write(self, work: Callable[[Connection, int], R]) -> R:
        """Run work that writes for the claimed account, fenced by its lease."""
        provider, held_lease = self._claimed_provider(), self.held_lease

        def fenced(connection: Connection) -> R:
            fence(connection, held_lease)
            return work(connection, provider)

        return await self.database.run(fenced)

    async def _read(self, work: Callable[[Connection, int], R]) -> R:
        provider = self._claimed_provider()
        return await self.database.read(lambda connection: work(connection, provider))

    def _claimed_provider(self) -> int:
        if self._provider is None:
            raise LedgerUnavailable("internal error: ledger used before it was bound to an account")
        return self._provider

    def _current_wait(self, at: datetime, skew: Fact[timedelta] | None) -> UnknownWait:
        """The wait for answers of unknown outcome, by every clock."""
        return UnknownWait(self._wait_for_the_unknown(), self.clocks.moment(at, skew))

    def _wait_for_the_unknown(self) -> timedelta | None:
        """The wait for answers of unknown outcome; None while none may be settled or repeated.

        An earlier holder that was killed or frozen may have sent until its lease expired. That was before ours began,
        and our monotonic clock says how long ago that was, whatever the wall clocks of two machines say.
        """
        held_lease, wait = self.held_lease, self._unknown_wait
        quiet = (
            held_lease is None
            or held_lease.settle_from is None
            or self._clock() >= held_lease.silent_from + wait.total_seconds()
        )
        return wait if quiet else None
