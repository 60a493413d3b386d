"""What is planned and sent, within which limits, what came of it, and what the ledger knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from pm_autoaccept.model.claims import Missed
from pm_autoaccept.model.decisions import Action, Decision, Held, Reason
from pm_autoaccept.model.requests import RequestKey
from pm_autoaccept.model.revisions import Remembered
from pm_autoaccept.model.snapshot import Fact, NotLearnt, PendingList


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
        clock_apart: what the service's clock says beside ours when it is sent; None where that is not known.
    """

    decision: Decision
    action: Action
    needs: tuple[RequestKey, ...] = ()
    falls: tuple[RequestKey, ...] = ()
    within: tuple[Limit, ...] = ()
    repeats: bool = False
    clock_apart: timedelta | None = None

    @property
    def key(self) -> RequestKey:
        """The request's key."""
        return self.decision.key


@dataclass(frozen=True, slots=True)
class KeptBack:
    """An accept or reject that was decided and is not sent now, and why."""

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
    remembered: Fact[Mapping[str, Remembered]] = field(default_factory=lambda: NotLearnt("nothing was read yet"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything decided in one cycle, and what follows from it.

    Attributes:
        decisions: every pending request, connections first, then properties, then meters.
        steps: what is to be sent, each after those it needs.
        kept_back: accepts and rejects that were decided and are not sent now.
        fresh_from: when the last list had been read; before it, as after a clock was set back, nothing is answered.
        fresh_until: after this moment the lists are too old to answer from, or another day has begun than the one on
            which it was decided.
        not_whole: the lists that could not be read to their end.
        paused: who or what has paused answering, None where nobody has.
        clock_apart: what the service's clock says beside ours, where that is so much that nothing is sent again.
        guards: what the guards of the policy's data were checked against.
    """

    decisions: tuple[Decision, ...]
    steps: tuple[Step, ...]
    kept_back: tuple[KeptBack, ...]
    fresh_from: datetime
    fresh_until: datetime
    not_whole: tuple[PendingList, ...] = ()
    paused: str | None = None
    clock_apart: timedelta | None = None
    guards: GuardFacts = field(default_factory=GuardFacts)


class Outcome(StrEnum):
    """What became of a request or an intent. A closed set; only `done` claims that we did it."""

    DONE = "done"
    DONE_INFERRED = "done_inferred"
    FALLEN = "fallen"
    SETTLED_ELSEWHERE = "settled_elsewhere"
    GONE = "gone"
    REFUSED = "refused"
    OPEN = "open"
    NOT_SENT = "not_sent"
    """Of intents alone: the answer was recorded, and never left."""


class Change(StrEnum):
    """What must change before a refused answer may be sent again. A newer program always may send it."""

    NOTE = "note"
    """The template of its note."""
    REQUEST = "request"
    """What is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What came of one step. `outcome` None: the step was not sent (`text` says why), nothing was recorded.

    Attributes:
        again_after: for `refused`: before then nothing is sent, whatever changes; then the same answer may be.
        awaits: for `refused`, where no time is said: what must change before.
    """

    step: Step
    outcome: Outcome | None
    text: str = ""
    again_after: datetime | None = None
    awaits: Change | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The last answer to a request, as far as it decides whether one may be sent now.

    Attributes:
        note: its words; they stay the same in each further attempt.
        template: names the template that they were made from; None for no note.
        awaits: what must change before anything is sent; None: nothing, or time alone decides.
    """

    action: Action
    note: str | None = None
    template: str | None = None
    awaits: Change | None = None

    def changed(self, decision: Decision) -> bool:
        """Whether what must change has. A changed request is another one, of which nothing was sent."""
        return self.awaits is Change.NOTE and self.template != decision.template


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
    """Portfolio Manager refused our answer, and nothing may be sent, unless what it waits for has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the ledger knows that decide and plan must know.

    Attributes:
        standing: of each request that pends now; a key without an entry is unanswered. Where one read shows an id
            several times, it is the weakest of them: an id is accepted only if every element is what we accepted.
        missed: the requests that the ledger has as pending and this read does not show for the first time.
        overdue: those that were answered more than an hour ago, and are listed still or again.
        sent: of those that stand refused, in doubt or repeatable, what was sent last, as far as it is on record.
        rejected_properties: ids of properties whose latest answer of ours was a reject.
        held: who holds which of them since when; a key without an entry nobody holds.
        tallies: what counts for each limit of the policy that is in force, and not lifted, now.
    """

    standing: Mapping[RequestKey, Standing] = field(default_factory=dict)
    sent: Mapping[RequestKey, Sent] = field(default_factory=dict)
    rejected_properties: frozenset[int] = frozenset()
    held: Mapping[RequestKey, Held] = field(default_factory=dict)
    missed: tuple[Missed, ...] = ()
    overdue: frozenset[RequestKey] = frozenset()
    tallies: tuple[Tally, ...] = ()
