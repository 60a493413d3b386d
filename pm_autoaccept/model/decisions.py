"""What is decided, planned, sent, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from pm_autoaccept.model.requests import AccountInfo, CustomField, PendingRequest, RequestKey
from pm_autoaccept.model.snapshot import NOT_ASKED_FOR, Fact, PendingList


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
        accepts_unshared_property: the deciding rule itself tests `property.share: none`, so plan may let the meter
            share the property read-only.
    """

    request: PendingRequest
    verdict: Verdict
    reason: Reason
    rule: str | None = None
    evidence: tuple[Evidence, ...] = ()
    unknown: tuple[str, ...] = ()
    note: str | None = None
    policy_digest: str = ""
    sources: tuple[SourceUse, ...] = ()
    accepts_unshared_property: bool = False

    @property
    def key(self) -> RequestKey:
        """The request's key."""
        return self.request.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many answers of one kind may leave within any period of this length.

    Attributes:
        at_most: so many; None where a share is said.
        percent: so many of a hundred answers of both kinds; None where a number is said.
    """

    action: Action
    at_most: int | None = None
    percent: Decimal | None = None
    period: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the ledger counts within a limit's period: intents, whatever became of them, and what fell along with them.

    Attributes:
        count: answers of the limit's action.
        of: answers of both actions.
        frees_from: since when the oldest of the newest `at_most` counts; when that is as long ago as the period, there
            is room again. None where nothing counts.
    """

    limit: Limit
    count: int = 0
    of: int = 0
    frees_from: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One POST to come.

    Attributes:
        needs: the requests whose own steps must be done before this one may start.
        falls: pending requests that Portfolio Manager will, or may, reject along with this reject.
        within: the limits that must still have room when its intent is recorded.
        repeats: an answer of unknown fate is sent once more, word for word, by the rule of unknowns.
    """

    decision: Decision
    action: Action
    needs: tuple[RequestKey, ...] = ()
    falls: tuple[RequestKey, ...] = ()
    within: tuple[Limit, ...] = ()
    repeats: bool = False

    @property
    def key(self) -> RequestKey:
        """The request's key."""
        return self.decision.key


@dataclass(frozen=True, slots=True)
class KeptBack:
    """An accept or reject that was decided and is not sent now, and why."""

    decision: Decision
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything decided in one cycle, and what follows from it.

    Attributes:
        decisions: every pending request, connections first, then properties, then meters.
        steps: what is to be sent, each after those it needs.
        kept_back: accepts and rejects that were decided and are not sent now.
        fresh_from: when the last list had been read; before it, as after a clock was set back, nothing is answered.
        fresh_until: after this moment the lists are too old to answer from.
        not_whole: the lists that could not be read to their end.
        paused: who or what has paused answering, None where nobody has.
    """

    decisions: tuple[Decision, ...]
    steps: tuple[Step, ...]
    kept_back: tuple[KeptBack, ...]
    fresh_from: datetime
    fresh_until: datetime
    not_whole: tuple[PendingList, ...] = ()
    paused: str | None = None


class Outcome(StrEnum):
    """What became of a request. A closed set; only `done` claims that we did it."""

    DONE = "done"
    DONE_INFERRED = "done_inferred"
    FALLEN = "fallen"
    SETTLED_ELSEWHERE = "settled_elsewhere"
    GONE = "gone"
    REFUSED = "refused"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What came of one step. `outcome` None: the step was not sent (`text` says why), nothing was recorded.

    Attributes:
        again_after: for `refused`: when the same answer may be tried again; None: not until the request,
            the policy or the program changes.
    """

    step: Step
    outcome: Outcome | None
    text: str = ""
    again_after: datetime | None = None


class Standing(StrEnum):
    """How a request that pends now stands in the ledger."""

    UNANSWERED = "unanswered"
    """No answer was sent, or one that is known not to have been processed."""
    ACCEPTED = "accepted"
    """Our accept is done; the list lags."""
    REJECTED = "rejected"
    """Our reject is done; the list lags."""
    SETTLED = "settled"
    """It was answered, by us or by somebody else, it is not known how, and the list lags."""
    IN_DOUBT = "in_doubt"
    """An answer was sent and what became of it is not known."""
    REPEATABLE = "repeatable"
    """An answer was sent, no more can come of it, and the request still pends: the same may be sent again."""
    REFUSED = "refused"
    """Portfolio Manager refused our answer, and it is not time to try again."""


@dataclass(frozen=True, slots=True)
class Held:
    """By which rule (None: the default) a request is held in enforce mode, without doubt, and since when.

    Time in which the rule was unknown does not count: `since` is that much later.
    """

    rule: str | None
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the ledger knows that decide and plan must know.

    Attributes:
        standing: of each request that pends now; a key without an entry is unanswered.
        sent: of those that stand refused or repeatable, what was sent last.
        rejected_properties: ids of properties whose latest answer of ours was a reject.
        held: who holds which of them since when; a key without an entry nobody holds.
        tallies: what counts for each limit of the policy that is in force, and not lifted, now.
    """

    standing: Mapping[RequestKey, Standing] = field(default_factory=dict)
    sent: Mapping[RequestKey, tuple[Action, str | None]] = field(default_factory=dict)
    rejected_properties: frozenset[int] = frozenset()
    held: Mapping[RequestKey, Held] = field(default_factory=dict)
    tallies: tuple[Tally, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What decide tells a policy about one request, beyond the request itself. NotLearnt makes a test unknown.

    Attributes:
        now: the time of the decision; not learnt while our clock and the service's disagree.
        held: who has held it since when; None where nobody does.
        connected: whether the owner is connected with us.
        account: who the owner is (shares only; a connection carries it itself).
        defined: names of the custom fields that our account defines.
        connection_custom: what the owner answered when connecting (shares only).
        property_custom: what came with the property share (meters only).
        property_share: meters only.
        property_verdict: meters only; None where the property's share is not pending.
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
