"""The `Ledger` protocol: what cycle and act require of a ledger (snapshots, decisions, intents, outcomes)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from pm_autoaccept.model import (
    Claim,
    Decision,
    Finding,
    History,
    KeptBack,
    Limit,
    Mode,
    PolicyRevision,
    ProviderAccount,
    Receipt,
    RequestKey,
    ShareReads,
    Snapshot,
    SourceHistory,
    SourceUse,
    Step,
    VoidedAnswer,
)
from pm_autoaccept.record.rows import AppendedDecision, DecisionRow

RETRY_WITHIN = timedelta(minutes=2)
"""How long after its intent an answer that was not processed may be retried. Reads settle an answer of unknown outcome
by the time of its intent, so no attempt may be sent later than that."""


class Ledger(Protocol):
    """The ledger. Every method raises `LedgerUnavailable` if it cannot be read or written.

    `record_snapshot`, `record_decisions` and `record_intent` raise `LeaseLost` if another replica has taken over the
    account.
    """

    async def claim(self, *, service: str, provider: ProviderAccount, at: datetime) -> None:
        """Bind the ledger to this provider account; raises `LedgerMismatch` if it belongs to another."""

    async def record_snapshot(
        self, snapshot: Snapshot, *, at: datetime, private: frozenset[str] = frozenset()
    ) -> Sequence[VoidedAnswer]:
        """Record which requests are pending and which are not any more, and settle earlier answers accordingly.

        Returns the answers by people that are void now, because their request has changed or they are too old.

        For custom fields named in `private`, a keyed digest is stored instead of the value.
        """

    async def history(self, snapshot: Snapshot, *, limits: Collection[Limit] = (), at: datetime) -> History:
        """Load what decide and plan need about pending requests, and the usage of these limits. Reads only.

        Includes requests that one read has missed.
        """

    async def accepted_claims(self) -> Sequence[Claim]:
        """Load the custom fields of every request that was accepted, or may have been. Reads only."""

    async def pause_reason(self) -> str | None:
        """Who paused answering, when and why; None if it is not paused. Reads only."""

    async def owners_with_open_answers(self) -> frozenset[int]:
        """The owners of property shares whose answer has an unknown outcome: reading their shares settles it."""

    async def count_open_intents(self) -> int:
        """Count the answers whose outcome is unknown. Reads only."""

    async def count_undecided(self) -> int:
        """Count the connections and shares that we did not decide."""

    async def share_reads(self) -> ShareReads:
        """When each owner's shares were last read, so that poll can choose whose to read now. Reads only."""

    async def reconcile(self, snapshot: Snapshot, *, at: datetime) -> Sequence[Finding]:
        """Compare connections and shares with what was decided. Call it after `record_snapshot`.

        Returns:
            The findings to report, each once.
        """

    async def record_decisions(
        self, decisions: Sequence[Decision], kept_back: Sequence[KeptBack], *, mode: Mode, at: datetime
    ) -> Sequence[AppendedDecision]:
        """Append the decisions that differ from the request's last decision; returns those.

        A decision differs if its verdict, rule, kind of reason, notified group or shadows (what rules with
        `enforce: false` would have decided) differ.
        """

    async def void_answers(self, voided: Sequence[VoidedAnswer], *, at: datetime) -> Sequence[VoidedAnswer]:
        """Record that these answers by people will not be sent; returns those that were still waiting."""

    async def record_policy_revision(self, revision: PolicyRevision, *, at: datetime) -> None:
        """Record that a policy came into force or was refused, unless the last record says the same."""

    async def source_histories(self, *, at: datetime) -> Mapping[str, SourceHistory]:
        """The row counts and confirmations of each of the account's data sources. Reads only."""

    async def record_sources(self, good: Collection[SourceUse], *, at: datetime) -> None:
        """Record the row counts and digests of the account's good data sources."""

    async def record_intent(self, step: Step, *, at: datetime) -> int:
        """Record durably, before the POST, that this answer is about to be sent. Returns the intent's number.

        The decision behind it is recorded too, exactly as it was made. Raises `AlreadyAnswered` if the ledger knows of
        an answer to this request, `OverLimit` if a limit has no room left, and `Paused` if answering is paused.
        """

    async def record_outcome(self, intent: int, receipt: Receipt, *, at: datetime) -> None:
        """Record durably the outcome of an intent. The outcome `open` leaves it to the rule of unknowns.

        If the outcome of an earlier attempt is unknown, only `done` settles the intent; it stays open after any other
        result. The result of the last attempt decides when the same answer may be sent again.
        """

    async def withdraw_intent(self, intent: int) -> None:
        """Record that an intent, or its last attempt, was not sent, and restore its request to the previous state.

        An intent that was never sent gets the outcome `not_sent` and counts towards no limit.
        """

    async def decisions(
        self, *, every: bool = False, keys: Collection[RequestKey] | None = None
    ) -> Sequence[DecisionRow]:
        """The decision behind each request's answer, or its last decision if it has none. Oldest first.

        Args:
            every: return all decisions ever made.
            keys: only for these requests, the latest occurrence of each; None for all.
        """

    async def close(self) -> None:
        """Close the ledger."""
