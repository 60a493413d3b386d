"""The protocol that cycle and act rely on."""

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
    Remembered,
    RequestKey,
    Snapshot,
    SourceUse,
    Step,
    Watched,
)
from pm_autoaccept.record.rows import DecisionRow

REPEAT_WITHIN = timedelta(minutes=2)
"""An answer that surely was not processed is sent again only so long after its intent: what is of unknown fate is
settled by the intent's time, and no attempt may leave when that has come."""


class Ledger(Protocol):
    """The only memory. Every method raises `LedgerUnavailable` where the ledger cannot be read or written.

    `see`, `decide` and `intend` raise `LeaseLost` where another replica has taken over the account meanwhile.
    """

    async def claim(self, *, service: str, provider: ProviderAccount, at: datetime) -> None:
        """Take the ledger for this provider account; raises `LedgerMismatch` if it belongs to another."""

    async def see(self, snapshot: Snapshot, *, at: datetime, private: frozenset[str] = frozenset()) -> None:
        """Record what pends, what does not pend any more, and what thereby became of earlier answers.

        Of custom fields whose names are among `private`, a keyed digest is kept instead of the value.
        """

    async def history(self, snapshot: Snapshot, *, limits: Collection[Limit] = (), at: datetime) -> History:
        """Say what decide and plan must know of what pends, also of what one read has missed. Reads only.

        And what counts for these limits.
        """

    async def accepted(self) -> Sequence[Claim]:
        """Say what every request that was accepted, or may have been, says in its custom fields. Reads only."""

    async def paused(self) -> str | None:
        """Who paused answering since when and why, None where nobody did. Reads only."""

    async def owners_in_doubt(self) -> frozenset[int]:
        """Name the owners of property shares whose answer is of unknown fate: what they share settles it."""

    async def open_intents(self) -> int:
        """Count the answers of which it is not known what became of them. Reads only."""

    async def undecided(self) -> int:
        """Count what is connected or shared without having been decided."""

    async def watched(self) -> Watched:
        """Say whose shares were read when, so that poll can choose whose to read. Reads only."""

    async def watch(self, snapshot: Snapshot, *, at: datetime) -> Sequence[Finding]:
        """Compare what is connected and shared with what was decided, after `see` has recorded the same snapshot.

        Returns:
            What is to be told, each thing once.
        """

    async def decide(
        self, decisions: Sequence[Decision], kept_back: Sequence[KeptBack], *, mode: Mode, at: datetime
    ) -> Sequence[Decision]:
        """Append what was decided, where it differs from the request's last decision; returns what was appended.

        It differs if verdict, rule, kind of reason, the people who are told, or what rules that are not enforced would
        have decided does.
        """

    async def revise(self, revision: PolicyRevision, *, at: datetime) -> None:
        """Record that a policy came into force, or was refused, unless the last record says just that."""

    async def remembered(self, *, at: datetime) -> Mapping[str, Remembered]:
        """What is remembered of the rows of each of the account's data sources. Reads only."""

    async def remember(self, good: Collection[SourceUse], *, at: datetime) -> None:
        """Note what the account's good data sources hold."""

    async def intend(self, step: Step, *, at: datetime) -> int:
        """Record durably that this answer is about to be sent; the number returned names the intent.

        The decision that led to it is on record with it, just as it was made. Raises `AlreadyAnswered` where the
        ledger knows of an answer to this request, `OverLimit` where a limit leaves no room for it, and `Paused` where
        somebody has paused answering.
        """

    async def conclude(self, intent: int, receipt: Receipt, *, at: datetime) -> None:
        """Record durably what came of an intent. An outcome `open` leaves it to the rule of unknowns.

        While an earlier attempt is of unknown fate the intent stays open, whatever the last one brought; only `done`
        ends it. What the last one brought says when the same answer may be sent again.
        """

    async def withdraw(self, intent: int) -> None:
        """Note that nothing was sent of an intent, or of its last attempt: its request stands as before.

        An intent of which nothing was ever sent is `not_sent`. It counts for nothing.
        """

    async def decisions(
        self, *, every: bool = False, keys: Collection[RequestKey] | None = None
    ) -> Sequence[DecisionRow]:
        """The decision behind each request's answer, or else its last one; or every one. Oldest first.

        Args:
            every: all decisions that were ever made.
            keys: only of these requests, of each the latest time that it was asked; None for all.
        """

    async def close(self) -> None:
        """Give back what the ledger holds open."""
