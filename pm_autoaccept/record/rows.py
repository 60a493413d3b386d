"""The ledger's rows as commands list and export them: decisions, inventory, notifications, revisions, held requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

from pm_autoaccept.cascades import Consequence
from pm_autoaccept.model import (
    Action,
    AnswerRule,
    Decision,
    Evidence,
    HumanAnswerState,
    Kind,
    Mode,
    Origin,
    Outcome,
    ReasonKind,
    RequestKey,
    Reviewer,
    Shadow,
    SourceUse,
    Verdict,
)


class Elsewhere(StrEnum):
    """The result of a request that was answered or withdrawn in Portfolio Manager's own pages."""

    ACCEPTED = "accepted"
    """A read shows the connection or the share."""
    NOT_ACCEPTED = "not accepted (rejected or withdrawn)"
    """A read that would show it does not show it."""
    NOT_KNOWN = "not known"
    """No read shows meters, and the property's owner may not have been read since."""


class AppendedDecision(NamedTuple):
    """A decision that was appended to the ledger, and the number of its row."""

    decision: Decision
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """One decision for auditors: who asked for what, what was decided by which rule, and the outcome.

    Attributes:
        account: the provider account's name in the settings.
        time: 1 for the first time that the same request was made, 2 for the second, and so on.
        tell: the group of people to notify.
        shadows: what rules with `enforce: false` would have decided.
        kept_back: why a decided answer was not sent at that time; None if it was not kept back.
        answer: `Accept` or `Reject` if an answer was sent.
        answered_at: when its intent was recorded, just before it was sent.
        answered_by: the people who answered it; empty if the policy did.
        attempts: how often it was sent; more than once only by the rule of unknowns.
        not_sent: how often an answer of this decision was recorded but never sent, for example because of a pause.
        outcome: the outcome of the request; when every decision is listed, the outcome of this decision's own answer.
        cause: for `fallen`, the request whose reject also rejected this one.
        elsewhere: for `settled_elsewhere`, what reads show about it.
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
    answered_by: Sequence[str]
    attempts: int
    outcome: Outcome | None
    outcome_at: datetime | None
    outcome_text: str
    cause: RequestKey | None
    elsewhere: Elsewhere | None = None
    not_sent: int = field(default=0, compare=False)

    @property
    def key(self) -> RequestKey:
        """The kind and id that the POST used."""
        return RequestKey(self.kind, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFilter:
    """A filter for decisions; None means any.

    Attributes:
        id: with `kind`: only this request, all its occurrences.
        account: the provider account's name in the settings.
        owner: the owner's account id or username.
        since, until: the time of the decision, from `since` on and before `until`; with `accepted`, the time at which
            the answer was sent.
        accepted: only requests that one of our accepts let in.
        every: every decision, not only the one behind each request's answer or its last one.
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
class InventoryRow:
    """A current connection or share in the inventory.

    Attributes:
        account: the provider account's name in the settings.
        owner_name: the owner's username, if a request or a notification contained it.
        since: when our accept was done; if we did not accept it, when a read first showed it.
        absent_since: when a read first missed it; None while all reads show it.
        rule: the rule that accepted it.
        command: the command that removes it.
        acknowledged_by: who acknowledged it as undecided, when and why; None if nobody did.
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
        """The kind and id for commands."""
        return RequestKey(self.kind, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationRow:
    """A stored notification. `effect` says what it changed in the ledger; None until that is known."""

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
    """A policy that came into force, or one that was refused so that the policy with this digest stayed in force.

    Attributes:
        refused: why it was refused; None if it came into force.
        files: name → SHA-256 of each of its files; empty if it was refused.
        program: the program version that read it.
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
    """A pending request that waits for a person: it is held, or its answer is kept back for review.

    Attributes:
        account: the provider account's name in the settings.
        rule: the rule that holds it; None if no rule matched or none was evaluated.
        since: when the hold began.
        reason_text: one sentence that says why.
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
        """The kind and id for commands."""
        return RequestKey(self.kind, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAnswer:
    """An answer by people to a request that is still pending.

    Attributes:
        people: who gave it and when, in this order.
        people_needed: how many different people must give it.
        due_at: when it may be sent; None while another person must agree, and if it is never sent.
    """

    number: int
    action: Action
    note: str | None
    people: tuple[tuple[str, datetime], ...]
    people_needed: int
    due_at: datetime | None
    state: HumanAnswerState

    @property
    def names(self) -> tuple[str, ...]:
        """Who gave it."""
        return tuple(name for name, _ in self.people)

    def needs(self, by: Reviewer) -> bool:
        """Whether it waits for another person, who may be this one."""
        waits = self.state is HumanAnswerState.WAITING and len(self.people) < self.people_needed
        return waits and by.name not in self.names


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """A pending request as a reviewer sees it.

    Attributes:
        row: the request and why it waits.
        accept_also, reject_also: what an accept and a reject would also do.
        note: the note that the policy's rule would send, or None.
        answer: the last answer by people, unless it ended.
        answer_rule: who may answer it.
        answered_by_policy: why nobody may answer it now; None if somebody may.
        mode: the account's mode in its last cycle.
        provider_number, request_number, decision_number: the numbers of these rows in the ledger.
        unprocessed_answer: the number of an answer that was sent and certainly not processed.
    """

    row: HeldRow
    accept_also: tuple[Consequence, ...]
    reject_also: tuple[Consequence, ...]
    note: str | None
    answer: GivenAnswer | None
    answer_rule: AnswerRule
    answered_by_policy: str | None
    mode: Mode
    provider_number: int
    request_number: int
    decision_number: int
    unprocessed_answer: int | None

    @property
    def account(self) -> str:
        """The provider account's name in the settings."""
        return self.row.account

    def not_allowed_reason(self, by: Reviewer) -> str | None:
        """Why this person may not answer this request, whatever others have answered; None if they may."""
        if self.row.account_id in by.own_accounts:
            return f"account {self.row.account_id} is your own; somebody else must answer it"
        group = self.answer_rule.by
        if group is not None and group not in by.groups:
            return f"only the group `{group}` may answer it, and {by.name} is not in it"
        return None

    def may_be_answered_by(self, by: Reviewer) -> bool:
        """Whether this person may answer this request, and has not."""
        if self.answered_by_policy is not None or self.not_allowed_reason(by) is not None:
            return False
        if self.answer is None:
            return True
        if self.answer.state is HumanAnswerState.OBSERVED:
            # It is never sent; the account may have been switched to enforce since.
            return self.mode is not Mode.OBSERVE
        return self.answer.needs(by)

    @property
    def needs(self) -> tuple[RequestKey, ...]:
        """The pending requests that must be accepted before this one: its family."""
        return tuple(each.key for each in self.accept_also if each.digest)

    @property
    def stamp(self) -> str:
        """Identifies what a reviewer sees: the request, the decision, and what else each answer does."""
        return f"{self.request_number}.{self.decision_number}.{self._consequences}"

    @property
    def key(self) -> str:
        """The key with the stamp, as commands take it."""
        return f"{self.row.key}@{self.stamp}"

    @property
    def _consequences(self) -> str:
        also = [[str(each) for each in sorted(some)] for some in (self.accept_also, self.reject_also)]
        return sha256(repr(also).encode()).hexdigest()[:12]

    def changed_since(self, stamp: str) -> str | None:
        """What has changed since a reviewer saw this stamp, in words; None if nothing has."""
        request, _, rest = stamp.partition(".")
        decision, _, also = rest.partition(".")
        if request != str(self.request_number):
            return "the customer has changed this request or sent it again; look at it again"
        if decision != str(self.decision_number):
            return f"it was decided again meanwhile: {self.row.reason_text}"
        if also != self._consequences:
            accepts = ", ".join(str(each.key) for each in self.accept_also) or "nothing else"
            rejects = ", ".join(str(each.key) for each in self.reject_also) or "nothing else"
            return f"an accept now also accepts {accepts}, and a reject also rejects {rejects}"
        return None
