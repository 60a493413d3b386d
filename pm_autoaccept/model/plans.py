"""Plans: steps, limits, kept-back answers, outcomes, receipts, and the answer history from the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from pm_autoaccept.model.claims import MissedRequest
from pm_autoaccept.model.decisions import Action, Decision, Held, Reason
from pm_autoaccept.model.human_answers import HumanAnswer, VoidedAnswer
from pm_autoaccept.model.requests import RequestKey
from pm_autoaccept.model.revisions import SourceHistory
from pm_autoaccept.model.snapshot import Fact, NotLearnt, PendingList


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit on the answers of one kind within any period of this length.

    Attributes:
        at_most: the highest number; None if `percent` is set.
        percent: the highest share of all answers, both kinds; None if `at_most` is set.
    """

    action: Action
    at_most: int | None = None
    percent: Decimal | None = None
    period: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUsage:
    """How much of a limit is used within its period: intents, whatever their outcome, and cascaded rejects.

    Attributes:
        count: answers of the limit's action.
        of: answers of both actions.
        frees_from: when the oldest of the newest `at_most` answers was sent. One period after that there is room again.
            None if no answer counts.
    """

    limit: Limit
    count: int = 0
    of: int = 0
    frees_from: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One planned POST.

    Attributes:
        needs: the requests whose own steps must be done before this one may start.
        falls: pending requests that Portfolio Manager will or may reject together with this one.
        within: the limits that must still have room when its intent is recorded.
        repeats: whether this sends an answer of unknown outcome again, unchanged, by the rule of unknowns.
        clock_skew: the service's clock minus ours at the time of sending; None if unknown.
        decision_number: the number of the decision's row in the ledger, if this cycle appended it.
    """

    decision: Decision
    action: Action
    needs: tuple[RequestKey, ...] = ()
    falls: tuple[RequestKey, ...] = ()
    within: tuple[Limit, ...] = ()
    repeats: bool = False
    clock_skew: timedelta | None = None
    decision_number: int | None = None

    @property
    def key(self) -> RequestKey:
        """The request's key."""
        return self.decision.key


@dataclass(frozen=True, slots=True)
class KeptBack:
    """An accept or reject that was decided but is not sent now, and why."""

    decision: Decision
    reason: Reason


@dataclass(frozen=True, slots=True)
class GuardFacts:
    """What the guards of data sources (`require`) compare a table with, as one look learned it.

    Attributes:
        clock: the service's clock minus ours.
        remembered: what the ledger remembers of each source while it was good.
    """

    clock: Fact[timedelta] = field(default_factory=lambda: NotLearnt("nothing was read yet"))
    remembered: Fact[Mapping[str, SourceHistory]] = field(default_factory=lambda: NotLearnt("nothing was read yet"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of one cycle: all decisions, the steps to send and the answers kept back.

    Attributes:
        decisions: every pending request, connections first, then properties, then meters.
        steps: the answers to send, each after the steps that it needs.
        kept_back: accepts and rejects that were decided but are not sent now.
        fresh_from: when the last list had been read. Nothing is answered before it, for example if the clock was set
            back.
        fresh_until: after this moment the lists are too old to answer from, or the day of the decisions is over.
        not_whole: the lists that could not be read to the end.
        paused: who or what paused answering; None if it is not paused.
        clock_skew: the service's clock minus ours, if it is so large that nothing is sent again; otherwise None.
        guards: what the guards of the data sources were checked against.
        voided: the answers by people that must not be sent, because more would go along than the reviewer was shown.
    """

    decisions: tuple[Decision, ...]
    steps: tuple[Step, ...]
    kept_back: tuple[KeptBack, ...]
    fresh_from: datetime
    fresh_until: datetime
    not_whole: tuple[PendingList, ...] = ()
    paused: str | None = None
    clock_skew: timedelta | None = None
    guards: GuardFacts = field(default_factory=GuardFacts)
    voided: tuple[VoidedAnswer, ...] = ()


class Outcome(StrEnum):
    """The outcome of a request or an intent. A closed set; only `done` claims that we did it."""

    DONE = "done"
    DONE_INFERRED = "done_inferred"
    FALLEN = "fallen"
    SETTLED_ELSEWHERE = "settled_elsewhere"
    GONE = "gone"
    REFUSED = "refused"
    OPEN = "open"
    NOT_SENT = "not_sent"
    """For intents only: the answer was recorded but never sent."""


class Change(StrEnum):
    """What must change before a refused answer may be sent again. A newer program version may always send it."""

    NOTE = "note"
    """The note's template."""
    REQUEST = "request"
    """The content of the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The result of one step. If `outcome` is None, the step was not sent (`text` says why) and nothing was recorded.

    Attributes:
        retry_not_before: for `refused`: nothing is sent before this time; then the same answer may be.
        awaits: for `refused` without a time: what must change first.
    """

    step: Step
    outcome: Outcome | None
    text: str = ""
    retry_not_before: datetime | None = None
    awaits: Change | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastAnswer:
    """The last answer to a request, with the details that decide whether another may be sent.

    Attributes:
        note: its text, which stays the same in each further attempt.
        template: identifies the note's template; None for no note.
        awaits: what must change before anything is sent; None if nothing must, or if only time matters.
    """

    action: Action
    note: str | None = None
    template: str | None = None
    awaits: Change | None = None

    def changed(self, decision: Decision) -> bool:
        """Whether the note has changed as required. A changed request is a different one, to which nothing was sent."""
        return self.awaits is Change.NOTE and self.template != decision.template


class AnswerState(StrEnum):
    """Whether a pending request was already answered, according to the ledger."""

    UNANSWERED = "unanswered"
    """No answer was sent, or the one that was sent is known not to have been processed."""
    ACCEPTED = "accepted"
    """Our accept is done; the list lags."""
    REJECTED = "rejected"
    """Our reject is done; the list lags."""
    SETTLED = "settled"
    """It was answered, by us or by somebody else, but nobody knows how; the list lags."""
    IN_DOUBT = "in_doubt"
    """An answer was sent and its outcome is unknown."""
    REPEATABLE = "repeatable"
    """An answer was sent, it can no longer take effect, and the request is still pending: it may be sent again."""
    REFUSED = "refused"
    """Portfolio Manager refused our answer. Nothing may be sent until what it waits for has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What decide and plan need from the ledger.

    Attributes:
        answer_states: the state of each pending request; no entry means unanswered. If one read shows an id several
            times, the weakest state counts: an id is accepted only if every element is what we accepted.
        missed: requests that are pending in the ledger and that this read is the first to miss.
        overdue: requests that were answered more than an hour ago and are still listed, or listed again.
        sent: the last recorded answer to each request that is refused, in doubt or repeatable.
        rejected_properties: ids of properties that we last answered with a reject.
        held: the rule that holds each request, and since when; no entry means not held.
        limit_usage: the usage of each limit of the policy in force that is not lifted now.
        human_answers: the answers by people that may be sent now, or whose outcome is unknown.
    """

    answer_states: Mapping[RequestKey, AnswerState] = field(default_factory=dict)
    sent: Mapping[RequestKey, LastAnswer] = field(default_factory=dict)
    rejected_properties: frozenset[int] = frozenset()
    held: Mapping[RequestKey, Held] = field(default_factory=dict)
    missed: tuple[MissedRequest, ...] = ()
    overdue: frozenset[RequestKey] = frozenset()
    limit_usage: tuple[LimitUsage, ...] = ()
    human_answers: Mapping[RequestKey, HumanAnswer] = field(default_factory=dict)
