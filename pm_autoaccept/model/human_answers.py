"""Human answers: accepts and rejects that people recorded for held requests, and who may record them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pm_autoaccept.model.decisions import Action
from pm_autoaccept.model.requests import RequestKey


class HumanAnswerState(StrEnum):
    """The state of a human answer. A closed set; `waiting` and `sent` are the states in which it counts."""

    WAITING = "waiting"
    """It waits: for its grace period, for a second person, or until it can be sent."""
    SENT = "sent"
    """Its intent was written, so it can no longer be taken back."""
    TAKEN_BACK = "taken_back"
    """The reviewer took it back in time."""
    VOID = "void"
    """What the reviewer saw has changed, or it is too old. The request is back in the queue."""
    REFUSED = "refused"
    """Portfolio Manager refused it for good."""
    OBSERVED = "observed"
    """It was recorded in observe mode and is never sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanAnswer:
    """An answer by people that may be sent now.

    Attributes:
        number: the number of its row in the ledger.
        note: the text for the customer, or None.
        people: who answered, in this order.
        goes_along: what the reviewers were shown that it also does; see `cascades`.
    """

    number: int
    action: Action
    note: str | None
    people: tuple[str, ...]
    goes_along: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidedAnswer:
    """A human answer that will not be sent, and why. Its request is back in the queue."""

    number: int
    key: RequestKey
    action: Action
    people: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """A person who answers requests.

    Attributes:
        name: the name that is recorded with the answer.
        groups: the groups that the settings put this person in.
        own_accounts: the ids of this person's own accounts, which somebody else must answer.
    """

    name: str
    groups: frozenset[str] = frozenset()
    own_accounts: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAnswer:
    """An answer that a reviewer gives.

    Attributes:
        stamp: identifies what the reviewer saw (`ledger.review_queue`); the answer is recorded only if it is unchanged.
        note: the text for the customer, or None.
    """

    key: RequestKey
    stamp: str
    action: Action
    note: str | None = None


class AnswerStatus(StrEnum):
    """What became of an answer that a reviewer gave. A closed set."""

    RECORDED = "recorded"
    """It is sent after the grace period."""
    NEEDS_ANOTHER_PERSON = "needs_another_person"
    """It is recorded; another person must give the same answer."""
    OBSERVED = "observed"
    """It is recorded and never sent, because the account is in observe mode."""
    STALE = "stale"
    """Nothing was recorded: what the reviewer saw has changed."""
    ANSWERED = "answered"
    """Nothing was recorded: somebody has answered it already."""
    NOT_PENDING = "not_pending"
    """Nothing was recorded: there is no such pending request."""
    NOT_ALLOWED = "not_allowed"
    """Nothing was recorded: this person may not answer it."""

    @property
    def recorded(self) -> bool:
        """Whether the answer is in the ledger."""
        return self in {AnswerStatus.RECORDED, AnswerStatus.NEEDS_ANOTHER_PERSON, AnswerStatus.OBSERVED}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerResult:
    """The result of one `NewAnswer`.

    Attributes:
        account: the provider account's name in the settings; empty if the request was not found.
        text: one sentence for the reviewer.
        number: the number of the recorded answer; None if nothing was recorded.
        due_at: when it may be sent; None if it is not sent yet or never.
    """

    key: RequestKey
    account: str
    status: AnswerStatus
    text: str
    number: int | None = None
    due_at: datetime | None = None
