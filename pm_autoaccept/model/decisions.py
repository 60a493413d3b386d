"""What is decided of a request, and what it was decided from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pm_autoaccept.model.claims import Claims
from pm_autoaccept.model.requests import AccountInfo, CustomField, PendingRequest, RequestKey
from pm_autoaccept.model.snapshot import NOT_ASKED_FOR, Fact


class Verdict(StrEnum):
    """What is decided of a request."""

    ACCEPT = "accept"
    REJECT = "reject"
    HOLD = "hold"


class Action(StrEnum):
    """What can be sent: the two values of EPA's acceptRejectType."""

    ACCEPT = "Accept"
    REJECT = "Reject"


class Mode(StrEnum):
    """`observe` decides and records but sends nothing; `enforce` also answers."""

    OBSERVE = "observe"
    ENFORCE = "enforce"


class PropertyShare(StrEnum):
    """How a meter's property stands with us."""

    NONE = "none"
    PENDING = "pending"
    SHARED = "shared"


class ReasonKind(StrEnum):
    """Why a verdict is what it is, or why a decided answer is kept back. A closed set."""

    RULE = "rule"
    """The first rule whose conditions are true."""
    DEFAULT = "default"
    """No rule was true."""
    EXPIRED = "expired"
    """The rule, or the default, has held it for as long as it says."""
    UNKNOWN = "unknown"
    """A rule could not be judged, because a fact could not be learnt."""
    NOT_UNDERSTOOD = "not_understood"
    """The document lacks, or garbles, what every answer depends on: the owner, or a meter's property."""
    CONTRADICTORY = "contradictory"
    """The same id stood twice in one read with different content."""
    LIST_NOT_WHOLE = "list_not_whole"
    """The list in which it stands could not be read to its end."""
    MISSED_ONCE = "missed_once"
    """One read does not show it. It counts as pending until a second read misses it too."""

    CONNECTION_NOT_ACCEPTED = "connection_not_accepted"
    """Kept back: accepting would also accept the owner's connection, which was not decided accept and done."""
    PROPERTY_NOT_ACCEPTED = "property_not_accepted"
    """Kept back: accepting would also accept the property's share, which was not decided accept and done."""
    PROPERTY_NOT_SHARED = "property_not_shared"
    """Kept back: the property is neither shared nor pending; accepting the meter would share it read-only."""
    PARENT_REJECTED = "parent_rejected"
    """Kept back: the connection or the property is being rejected, and this falls with it."""
    ANSWERED = "answered"
    """Kept back: it was answered and still stands in the list; the list lags."""
    LISTED_AGAIN = "listed_again"
    """Kept back: it was answered more than an hour ago, and is listed still or again. A person must look."""
    IN_DOUBT = "in_doubt"
    """Kept back: an answer was sent and what became of it is not known yet."""
    VERDICT_CHANGED = "verdict_changed"
    """Kept back: another answer was sent before, its fate is not known, and people must look."""
    REFUSED = "refused"
    """Kept back: Portfolio Manager refused this answer."""
    OVER_LIMIT = "over_limit"
    """Kept back: one more answer of this kind would pass a limit of the policy."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, as data: the kind, one sentence for people, and the other request where one is concerned."""

    kind: ReasonKind
    text: str
    other: RequestKey | None = None


class Truth(StrEnum):
    """Three-valued truth."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One test of a rule: the field, what was expected, what was found (None: nothing), how it came out."""

    field: str
    expected: str
    found: str | None
    truth: Truth


@dataclass(frozen=True, slots=True)
class Shadow:
    """What a rule with `enforce: false` would have decided: a hold where `unknown` names what could not be learnt."""

    rule: str
    verdict: Verdict
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceUse:
    """A data source as it stood when it was used: rows and a digest of its contents."""

    name: str
    rows: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One request, decided.

    Attributes:
        rule: the id of the rule that decided or stopped the search; None for the default, or where no rule was asked.
        unknown: the names of what could not be learnt: a field or a data source.
        note: the text for the customer, None for none. 1 to 1,000 characters, as EPA's schema demands.
        template: names what the note was made from, so that it is the same while only the customer's values, or their
            ages, are others; None where the policy says no note.
        accepts_unshared_property: the deciding rule itself tests `property.share: none`, so plan may let the meter
            share the property read-only.
        tell: the group of people to be told of it, None for nobody.
        shadows: what rules with `enforce: false` above the one that decided would have decided.
        facts: what the policy was told; None where it was not asked. Not on record, for explaining only.
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
    shadows: tuple[Shadow, ...] = ()
    facts: Facts | None = field(default=None, compare=False, repr=False)

    @property
    def key(self) -> RequestKey:
        """The request's key."""
        return self.request.key


@dataclass(frozen=True, slots=True)
class Held:
    """By which rule (None: the default) a request is held in enforce mode, without doubt, and since when.

    Time in which the rule was unknown does not count: `since` is that much later.
    """

    rule: str | None
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What decide tells a policy about one request, beyond the request itself. NotLearnt makes a test unknown.

    Attributes:
        now: the time of the decision; not learnt while our clock and the service's disagree.
        held: who has held it since when; None where nobody does.
        connected: whether the owner is connected with us.
        account: who the owner is (shares only; a connection carries it itself).
        defined: names of the custom fields that our account defines; those that come as they are compared (`name_key`)
            are found sooner.
        connection_custom: what the owner answered when connecting (shares only).
        property_custom: what came with the property share (meters only).
        property_share: meters only.
        property_verdict: meters only; None where the property's share is not pending.
        claims: who has said what in the custom fields that the policy asks about with `taken`.
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
