"""What a ledger promises: the protocol that cycle and act rely on, and the shape of a row that an auditor reads.

`ledger` keeps this promise. The rules of identity (design, "record"): a request is the service, the provider account,
the kind, the id, what was asked, and *which time*: one that was answered, was then absent from a whole read begun after
that, and appears again is the next time. One that was answered and never was absent is lag, never answered twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pm_autoaccept.model import (
    Claim,
    Decision,
    Evidence,
    Finding,
    History,
    KeptBack,
    Kind,
    Limit,
    Mode,
    Origin,
    Outcome,
    PendingRequest,
    PolicyRevision,
    ProviderAccount,
    ReasonKind,
    Receipt,
    Remembered,
    RequestKey,
    Shadow,
    Snapshot,
    SourceUse,
    Step,
    Verdict,
    Watched,
)

REPEAT_WITHIN = timedelta(minutes=2)
"""An answer that surely was not processed is sent again only so long after its intent: what is of unknown fate is
settled by the intent's time, and no attempt may leave when that has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """One decided request as an auditor reads it: who asked what, what was decided by which rule, and what came of it.

    Attributes:
        account: the name of the provider account that was asked, as the settings have it.
        time: 1 for the first time that just this was asked, 2 for the next, …
        tell: the group of people to be told of it.
        shadows: what rules with `enforce: false` would have decided.
        kept_back: why a decided answer was not sent at that time, None if nothing kept it back.
        answer: `Accept` or `Reject` where an answer was sent.
        answered_at: when its intent was recorded, just before it was sent.
        attempts: how often it was sent; more than once only by the rule of unknowns.
        cause: for `fallen`, the request whose reject took this one along.
    """

    account: str
    request: int
    kind: Kind
    id: int
    time: int
    account_id: int | None
    username: str | None
    sender_id: int | None
    sender_username: str | None
    property_id: int | None
    access_level: str | None
    custom: Sequence[tuple[str, str]]
    requested_at: datetime | None
    first_seen: datetime
    last_seen: datetime
    decided_at: datetime
    mode: Mode
    verdict: Verdict
    rule: str | None
    reason: ReasonKind
    reason_text: str
    kept_back: ReasonKind | None
    kept_back_text: str
    evidence: Sequence[Evidence]
    unknown: Sequence[str]
    policy_digest: str
    sources: Sequence[SourceUse]
    tell: str | None
    shadows: Sequence[Shadow]
    answer: str | None
    note: str | None
    answered_at: datetime | None
    attempts: int
    outcome: Outcome | None
    outcome_at: datetime | None
    outcome_text: str
    cause: RequestKey | None

    @property
    def key(self) -> RequestKey:
        """What a POST named."""
        return RequestKey(self.kind, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which decisions somebody wants to see; None asks nothing.

    Attributes:
        account: the settings' name of the provider account.
        owner: the owner's account id, or username.
        since, until: from this moment on, and before that one: when it was decided; with `accepted`, when the answer
            was sent.
        accepted: only what was let in by an accept of ours.
        every: every decision, not only the one behind each request's answer, or else its last.
    """

    kind: Kind | None = None
    verdict: Verdict | None = None
    rule: str | None = None
    account: str | None = None
    owner: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    accepted: bool = False
    every: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TieRow:
    """A connection or share that stands, as far as we know.

    Attributes:
        account: the name of the provider account, as the settings have it.
        owner_name: the owner's username, where a request or a notification said it.
        since: when it was first seen.
        absent_since: since when a read does not show it, None while all do.
        rule: the rule that let it in.
        command: what removes it.
    """

    account: str
    kind: Kind
    id: int
    owner: int | None
    owner_name: str | None
    property_id: int | None
    access_level: str | None
    origin: Origin
    since: datetime
    last_seen: datetime
    absent_since: datetime | None
    rule: str | None
    command: str

    @property
    def key(self) -> RequestKey:
        """What a command names."""
        return RequestKey(self.kind, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationRow:
    """A notification as it is stored. `effect` is what it changed in what we know; None while that cannot be said."""

    account: str
    id: int
    type: str
    description: str
    account_id: int | None
    username: str | None
    property_id: int | None
    meter_id: int | None
    created_at: datetime | None
    created_by: str | None
    first_seen: datetime
    effect: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionRow:
    """A policy that came into force then, or that was refused, so that the one with this digest stayed in force.

    Attributes:
        refused: why; None where it came into force.
        files: name → SHA-256 of each of its files; empty where it was refused.
        program: the version that read it.
    """

    account: str
    at: datetime
    digest: str
    rules: int
    refused: str | None
    files: Mapping[str, str]
    program: str


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
        """Say what decide and plan must know of what pends, and what counts for these limits. Reads only."""

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
        """Record durably what came of an intent. An outcome `open` leaves it to the rule of unknowns."""

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


def asked(request: PendingRequest) -> str:
    """A digest of what was asked: sender, created date, access level, custom fields, owner, property.

    Two pending elements with the same kind, id and digest are the same request.
    """
    what = [
        request.account_id,
        request.sender_id,
        request.sender_username,
        _same_moment(request.requested_at),
        request.access_level,
        request.property_id,
        sorted((custom.name, custom.value) for custom in request.custom),
    ]
    return hashlib.sha256(json.dumps(what, ensure_ascii=False).encode()).hexdigest()


def _same_moment(moment: datetime | None) -> str | None:
    """One text for one moment, in whichever zone it was written."""
    if moment is None or moment.tzinfo is None:
        return None if moment is None else moment.isoformat()
    return moment.astimezone(UTC).isoformat()
