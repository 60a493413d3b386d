"""The snapshot that one cycle reads: pending lists, notifications, and facts that were learnt or not."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias, TypeVar

from pm_autoaccept.model.requests import (
    AccountInfo,
    CustomField,
    CustomFieldDefinition,
    Kind,
    PendingRequest,
    RequestKey,
)


@dataclass(frozen=True, slots=True)
class NotLearnt:
    """A fact that could not be learnt, and why. A test that needs it is unknown."""

    why: str


NOT_ASKED_FOR = NotLearnt("not asked for")
"""The default of every fact."""

T = TypeVar("T")
Fact: TypeAlias = T | NotLearnt


MAX_CLOCK_SKEW = timedelta(minutes=5)
"""The largest difference between our clock and the service's at which we trust both. Beyond it, no age is certain."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An element of a pending list whose id could not be read. People can look at it, but it cannot be answered."""

    kind: Kind
    why: str
    source: bytes


@dataclass(frozen=True, slots=True)
class PendingPage:
    """One page (of up to 20) of a pending list. `has_next` is whether it links to a "next page"."""

    requests: tuple[PendingRequest, ...]
    unreadable: tuple[Unreadable, ...]
    has_next: bool

    @property
    def shown(self) -> frozenset[RequestKey | bytes]:
        """Its contents: the keys of requests and the bytes of unreadable elements."""
        return frozenset(request.key for request in self.requests) | frozenset(each.source for each in self.unreadable)

    def leads_nowhere(self, shown: AbstractSet[RequestKey | bytes]) -> bool:
        """Whether it links to a next page but shows nothing that earlier pages had not `shown`."""
        return self.has_next and self.shown <= shown


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingList:
    """All pages of one pending list that could be read. Several reads in one cycle count as one.

    Attributes:
        failed: why the list is not whole; None if it is. Nothing is answered from a list that is not whole.
        begun: when its first page was first requested.
        ended: when its last page last arrived.
    """

    kind: Kind
    requests: tuple[PendingRequest, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    failed: str | None = None
    begun: datetime
    ended: datetime

    @property
    def whole(self) -> bool:
        """Whether every page was read."""
        return self.failed is None

    @property
    def shows_absence(self) -> bool:
        """Whether a request that is not in it is surely not pending: it is whole, and every element has an id."""
        return self.whole and not self.unreadable

    def united(self, later: PendingList) -> PendingList:
        """Merge this read with a later read of the same list in the same cycle.

        A request that either read shows is pending; one that was withdrawn in between is missed by the next cycle. If
        they show different content for one id, the later read counts. The result is whole if the later read is.
        """
        shown = {request.id for request in later.requests}
        kept = tuple(request for request in self.requests if request.id not in shown)
        strange = tuple(element for element in self.unreadable if element not in later.unreadable)
        return replace(
            self,
            requests=(*later.requests, *kept),
            unreadable=(*later.unreadable, *strange),
            failed=later.failed,
            ended=later.ended,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A notification. `type` is UNSHARE, SHAREUPDATE, DISCONNECT, TRANSFERPROPERTY, or a type that we do not know."""

    id: int
    type: str
    description: str
    account_id: int | None = None
    username: str | None = None
    property_id: int | None = None
    meter_id: int | None = None
    created_at: datetime | None = None
    created_by: str | None = None
    created_by_account_id: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderAccount:
    """Our own account, from GET /account. `searchable`: whether customers can find it; None if it does not say."""

    id: int
    username: str
    searchable: bool | None = None


class Need(StrEnum):
    """A fact that a policy needs beyond the pending lists. Only needed facts are read: by poll, or from the ledger."""

    CUSTOM_FIELDS = "custom_fields"
    ANSWERS_AT_CONNECTION = "answers_at_connection"
    ACCOUNTS = "accounts"
    CLAIMS = "claims"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one cycle read from Portfolio Manager. decide and plan use nothing else from it.

    Attributes:
        connected: account ids in GET /customer/list.
        shared_properties: owner → ids of the properties that this owner already shares with us. Has entries only for
            owners whose shares were read.
        answers_at_connection: owner → what the owner answered when connecting; only where it was read.
        accounts: owner → who the owner is; only where it was read.
        custom_fields: the custom fields that our account defines.
        clock: the service's clock minus ours: its `Date` header minus our time when the response arrived.
        ended: when the last read had finished.
    """

    provider: ProviderAccount
    connections: PendingList
    properties: PendingList
    meters: PendingList
    notifications: Fact[tuple[Notification, ...]] = ()
    connected: Fact[frozenset[int]] = NOT_ASKED_FOR
    shared_properties: Mapping[int, Fact[frozenset[int]]] = field(default_factory=dict)
    answers_at_connection: Mapping[int, Fact[tuple[CustomField, ...]]] = field(default_factory=dict)
    accounts: Mapping[int, Fact[AccountInfo]] = field(default_factory=dict)
    custom_fields: Fact[tuple[CustomFieldDefinition, ...]] = NOT_ASKED_FOR
    clock: Fact[timedelta] = timedelta(0)
    ended: datetime

    @property
    def clock_skew(self) -> timedelta | None:
        """The service's clock minus ours, if it exceeds `MAX_CLOCK_SKEW` so that nothing is sent again; else None."""
        return None if isinstance(self.clock, NotLearnt) or abs(self.clock) <= MAX_CLOCK_SKEW else self.clock

    @property
    def lists(self) -> tuple[PendingList, PendingList, PendingList]:
        """The three pending lists, in the order in which requests are decided."""
        return (self.connections, self.properties, self.meters)
