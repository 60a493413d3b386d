"""The shapes of the ledger's rows, as people who audit read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pm_autoaccept.model import (
    Evidence,
    Kind,
    Mode,
    Origin,
    Outcome,
    ReasonKind,
    RequestKey,
    Shadow,
    SourceUse,
    Verdict,
)


class Elsewhere(StrEnum):
    """What became of a request that people, or its customer, ended in Portfolio Manager's own pages."""

    ACCEPTED = "accepted"
    """A read shows the connection or the share."""
    NOT_ACCEPTED = "not accepted (rejected or withdrawn)"
    """A read that would show it does not."""
    NOT_KNOWN = "not known"
    """No read shows meters, and a property's owner may not have been read since."""


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
        not_sent: how often an answer of this decision was recorded and never left, as when somebody paused just then.
        outcome: what became of the request; among every decision, what became of this one's own answer.
        cause: for `fallen`, the request whose reject took this one along.
        elsewhere: for `settled_elsewhere`, what reads show of it.
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
    elsewhere: Elsewhere | None = None
    not_sent: int = field(default=0, compare=False)

    @property
    def key(self) -> RequestKey:
        """What a POST named."""
        return RequestKey(self.kind, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which decisions somebody wants to see; None asks nothing.

    Attributes:
        id: with `kind`: only this request, each time that it was asked.
        account: the settings' name of the provider account.
        owner: the owner's account id, or username.
        since, until: from this moment on, and before that one: when it was decided; with `accepted`, when the answer
            was sent.
        accepted: only what was let in by an accept of ours.
        every: every decision, not only the one behind each request's answer, or else its last.
    """

    kind: Kind | None = None
    id: int | None = None
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
        since: when our accept of it was done; where we accepted none, when a read first showed it.
        absent_since: since when a read does not show it, None while all do.
        rule: the rule that let it in.
        command: what removes it.
        acknowledged_by: who took note that it came in undecided, when and why; None where nobody did.
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
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    acknowledged_why: str | None = None

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


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRow:
    """A pending request that waits for a person: it is held, or its answer is kept back until a person looks.

    Attributes:
        account: the name of the provider account, as the settings have it.
        rule: the rule that holds it; None where no rule matched, or none was asked.
        since: since when.
        reason_text: one sentence: why.
        missed: whether the last read did not show it.
    """

    account: str
    kind: Kind
    id: int
    account_id: int | None
    username: str | None
    property_id: int | None
    verdict: Verdict
    rule: str | None
    reason: ReasonKind
    reason_text: str
    tell: str | None
    since: datetime
    requested_at: datetime | None
    missed: bool

    @property
    def key(self) -> RequestKey:
        """What commands name."""
        return RequestKey(self.kind, self.id)
