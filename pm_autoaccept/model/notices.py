"""Notices: events that people and other systems are told about, and the results of delivering them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any, Protocol, TypeAlias


class NoticeKind(StrEnum):
    """What a notice says. A closed set; webhooks carry it as the type of the event."""

    REQUEST_HELD = "request.held"
    """A request is held, and its rule names a group to notify."""
    REQUEST_ANSWERED = "request.answered"
    """A person recorded an answer to a request."""
    REQUEST_ACCEPTED = "request.accepted"
    """A request was accepted, by the policy or by people."""
    REQUEST_REJECTED = "request.rejected"
    """A request was rejected, by the policy or by people."""
    ANSWER_VOID = "request.answer_void"
    """An answer by people will not be sent. The request is back in the queue."""
    ACCESS_LOWERED = "access.lowered"
    """A share's access was lowered from Full Access to Read Only."""
    ACCESS_RAISED = "access.raised"
    """A share's access was raised from Read Only to Full Access."""
    PROPERTY_TRANSFERRED = "property.transferred"
    """A property was transferred to another owner."""
    SHARE_ENDED = "share.ended"
    """A share of a property or a meter ended."""
    CONNECTION_ENDED = "connection.ended"
    """A connection ended."""
    DIGEST = "digest"
    """What a group has to review, once a day."""
    REMINDER = "reminder"
    """A request has been held for longer than the target's `remind_after`."""
    STOPPED = "stopped"
    """The program can no longer answer requests, and why."""
    OVER = "over"
    """What stopped the program is over."""
    TEST = "test"
    """A test of the target (`doctor --notify`)."""


class Stoppage(StrEnum):
    """Why an account gets no answers, or people do not hear of them. A closed set."""

    CREDENTIALS = "credentials"
    """Portfolio Manager or the proxy refused the password."""
    POLICY_REFUSED = "policy_refused"
    """A changed policy has faults; the previous one stays in effect."""
    LIMIT_REACHED = "limit_reached"
    """Decided answers wait, because a limit of the policy is reached."""
    NO_GOOD_CYCLE = "no_good_cycle"
    """No cycle was good for too long."""
    SOURCE_STALE = "source_stale"
    """A table cannot be used, so what needs it is held."""
    OUTBOX_DEAD = "outbox_dead"
    """Notices to a target are not tried again."""


class TargetKind(StrEnum):
    """How notices reach a target. A closed set."""

    WEBHOOK = "webhook"
    """Another program, which gets each event by itself, at once and in order per request."""
    PEOPLE = "people"
    """Mail or chat: what happens within a short time is gathered into one message."""


class NoticeState(StrEnum):
    """The state of a notice for one target. A closed set."""

    WAITING = "waiting"
    """It is not delivered yet."""
    DELIVERED = "delivered"
    """The target took it."""
    DEAD = "dead"
    """It is not tried again, unless somebody sends it again (`notices resend`)."""
    OBSERVED = "observed"
    """It was recorded in observe mode and is not delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeTarget:
    """Where notices go: the part of a target's settings that decides which notices it gets, and when.

    Attributes:
        name: the target's name in the settings.
        groups: it gets the notices for these groups (`tell`); None for the notices for all groups and for nobody.
        personal: whether notices may contain personal data: names and custom fields.
        digest_hour: the hour of the day for the digest, in `time_zone`; None for no digest.
        remind_after: how long a request may be held before a reminder; None for no reminder.
        else_tell: the group that gets a reminder too if the request is still held after twice `remind_after`; None for
            no group.
    """

    name: str
    kind: TargetKind
    groups: frozenset[str] | None
    personal: bool = False
    digest_hour: int | None = None
    time_zone: tzinfo
    remind_after: timedelta | None = None
    else_tell: str | None = None

    def gets(self, group: str | None) -> bool:
        """Whether it gets the notices for this group; None for notices that name no group."""
        return self.groups is None or group in self.groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A notice to deliver to one target.

    Attributes:
        event_id: identifies the event, the same in every attempt and for every target: the webhook id.
        created_at: when it happened.
        account: the provider account's name in the settings; empty for the program as a whole.
        body: what it says, as JSON values; see `ledger.notices`. In a gathered message `events` lists the events.
    """

    event_id: str
    created_at: datetime
    kind: NoticeKind
    account: str
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The target took the notice. `answer` says what it answered, without the target's secrets; "" if nothing."""

    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TryLater:
    """The target did not take the notice this time.

    Attributes:
        why: one sentence, without the target's secrets.
        after: how long the target asked us to wait (`Retry-After`); None if it did not say.
    """

    why: str
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """The target will never take the notice. `why` is one sentence, without the target's secrets."""

    why: str


DeliveryResult: TypeAlias = Delivered | TryLater | Dead


class Deliver(Protocol):
    """Delivers a notice to a target. It never raises for a failure of the target, and it ends within a timeout."""

    async def __call__(self, target: NoticeTarget, notice: Outgoing, /) -> DeliveryResult:
        """Deliver one notice once."""
        ...
