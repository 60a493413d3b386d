"""Decisions: verdict, reason, evidence and shadows, and the facts that a policy was given."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from pm_autoaccept.model.claims import Claims
from pm_autoaccept.model.requests import AccountInfo, CustomField, PendingRequest, RequestKey
from pm_autoaccept.model.snapshot import NOT_ASKED_FOR, Fact

if TYPE_CHECKING:
    from pm_autoaccept.model.human_answers import HumanAnswer


class Verdict(StrEnum):
    """The verdict on a request: accept, reject or hold."""

    ACCEPT = "accept"
    REJECT = "reject"
    HOLD = "hold"


class Action(StrEnum):
    """The answers that can be sent: the two values of EPA's acceptRejectType."""

    ACCEPT = "Accept"
    REJECT = "Reject"


class Mode(StrEnum):
    """`observe` decides and records but sends nothing; `enforce` also answers."""

    OBSERVE = "observe"
    ENFORCE = "enforce"


class PropertyShare(StrEnum):
    """Whether a meter's property is shared with us, pending or neither."""

    NONE = "none"
    PENDING = "pending"
    SHARED = "shared"


class ReasonKind(StrEnum):
    """The kind of reason for a verdict, or for keeping back a decided answer. A closed set."""

    RULE = "rule"
    """The first rule that matched."""
    DEFAULT = "default"
    """No rule matched."""
    EXPIRED = "expired"
    """The rule or the default has held the request for its full `expire` period."""
    UNKNOWN = "unknown"
    """A rule could not be evaluated, because a fact is unknown."""
    NOT_UNDERSTOOD = "not_understood"
    """The document does not say, or garbles, the owner or a meter's property. Every answer depends on them."""
    CONTRADICTORY = "contradictory"
    """One read showed the same id twice with different content."""
    LIST_NOT_WHOLE = "list_not_whole"
    """The pending list that contains it could not be read to the end."""
    MISSED_ONCE = "missed_once"
    """One read did not show it. It counts as pending until a second read misses it too."""

    CONNECTION_NOT_ACCEPTED = "connection_not_accepted"
    """Kept back: accepting would also accept the owner's connection, which was not decided accept and done."""
    PROPERTY_NOT_ACCEPTED = "property_not_accepted"
    """Kept back: accepting would also accept the property's share, which was not decided accept and done."""
    PROPERTY_NOT_SHARED = "property_not_shared"
    """Kept back: the property is neither shared nor pending; accepting the meter would share it read-only."""
    PARENT_REJECTED = "parent_rejected"
    """Kept back: the connection or the property is being rejected, and this falls with it."""
    ANSWERED = "answered"
    """Kept back: it was answered and is still listed; the list lags."""
    LISTED_AGAIN = "listed_again"
    """Kept back: it was answered over an hour ago and is still listed, or listed again. Needs a person's review."""
    IN_DOUBT = "in_doubt"
    """Kept back: an answer was sent and its outcome is not known yet."""
    VERDICT_CHANGED = "verdict_changed"
    """Kept back: a different answer was sent before and its outcome is unknown. Needs a person's review."""
    REFUSED = "refused"
    """Kept back: Portfolio Manager refused this answer."""
    OVER_LIMIT = "over_limit"
    """Kept back: one more answer of this kind would exceed a limit of the policy."""
    PERSON = "person"
    """A person answered it."""
    ANSWER_VOID = "answer_void"
    """Kept back: a person answered it, but more would go along than was shown. Needs a person's review."""


@dataclass(frozen=True, slots=True)
class Reason:
    """The reason as data: its kind, one sentence for people, and the other request if one is involved."""

    kind: ReasonKind
    text: str
    other: RequestKey | None = None


class Truth(StrEnum):
    """Three-valued logic: true, false or unknown."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One test of a rule: the field, the expected and found values (None: nothing found), and the result."""

    field: str
    expected: str
    found: str | None
    truth: Truth


@dataclass(frozen=True, slots=True)
class Shadow:
    """What a rule with `enforce: false` would have decided; a hold if `unknown` names facts that are not learnt."""

    rule: str
    verdict: Verdict
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceUse:
    """A data source at the time of its use: row count and content digest."""

    name: str
    rows: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRule:
    """Who must answer the requests that a rule holds: `answer: {by: GROUP, people: 2}`.

    Attributes:
        by: the group whose members may answer; None for everybody.
        people: how many different people must give the same answer.
    """

    by: str | None = None
    people: int = 1


ANYBODY = AnswerRule()
"""One person, whoever it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The decision on one request.

    Attributes:
        rule: the id of the rule that decided or stopped the search; None for the default, or if no rule was evaluated.
        unknown: the names of the fields and data sources that could not be learnt.
        note: the text for the customer, or None. 1 to 1,000 characters, as EPA's schema requires.
        template: identifies the note's template. It stays the same when only the customer's values or their ages
            differ; None if the policy sets no note.
        accepts_unshared_property: the deciding rule itself tests `property.share: none`, so plan may let the meter
            share the property read-only.
        tell: the group of people to notify, or None.
        answer_rule: who must answer it while it is held.
        shadows: what rules with `enforce: false`, above the deciding rule, would have decided.
        person: the answer by people that stands above the policy, if there is one.
        facts: what the policy was given; None if it was not evaluated. For explanations only, never recorded.
    """

    request: PendingRequest
    verdict: Verdict
    reason: Reason
    rule: str | None = None
    evidence: tuple[Evidence, ...] = ()
    unknown: tuple[str, ...] = ()
    note: str | None = None
    template: str | None = None
    policy_digest: str = ""
    sources: tuple[SourceUse, ...] = ()
    accepts_unshared_property: bool = False
    tell: str | None = None
    answer_rule: AnswerRule = ANYBODY
    shadows: tuple[Shadow, ...] = ()
    person: HumanAnswer | None = None
    facts: Facts | None = field(default=None, compare=False, repr=False)

    @property
    def key(self) -> RequestKey:
        """The request's key."""
        return self.request.key


@dataclass(frozen=True, slots=True)
class Held:
    """The rule (None: the default) that holds a request in enforce mode, and since when.

    Time during which the rule was unknown does not count, so `since` is that much later.
    """

    rule: str | None
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts that a policy is given about one request, beyond the request itself. `NotLearnt` makes a test unknown.

    Attributes:
        now: the time of the decision; not learnt while our clock and the service's disagree.
        held: the rule that holds the request, and since when; None if it is not held.
        connected: whether the owner is connected to us.
        account: who the owner is (shares only; a connection request contains it).
        defined: names of the custom fields that our account defines. Names that are already in the form in which they
            are compared (`name_key`) are found faster.
        connection_custom: what the owner answered when connecting (shares only).
        property_custom: the custom fields of the property share (meters only).
        property_share: meters only.
        property_verdict: meters only; None if the property's share is not pending.
        claims: the claims to custom fields that the policy tests with `taken`.
    """

    now: Fact[datetime] = NOT_ASKED_FOR
    held: Fact[Held | None] = NOT_ASKED_FOR
    connected: Fact[bool] = NOT_ASKED_FOR
    account: Fact[AccountInfo] = NOT_ASKED_FOR
    defined: Fact[frozenset[str]] = NOT_ASKED_FOR
    connection_custom: Fact[tuple[CustomField, ...]] = NOT_ASKED_FOR
    property_custom: Fact[tuple[CustomField, ...]] = NOT_ASKED_FOR
    property_share: Fact[PropertyShare] = NOT_ASKED_FOR
    property_verdict: Fact[Verdict | None] = NOT_ASKED_FOR
    claims: Fact[Claims] = NOT_ASKED_FOR
