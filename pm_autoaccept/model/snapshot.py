"""What one cycle saw of the world: the lists, each whole or not, and the facts, each learnt or not."""

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
    """A fact that could not be learnt, and why. A test on it is unknown."""

    why: str


NOT_ASKED_FOR = NotLearnt("not asked for")
"""The default of every fact."""

T = TypeVar("T")
Fact: TypeAlias = T | NotLearnt


FURTHEST_APART = timedelta(minutes=5)
"""How far our clock and the service's may be apart before we trust neither: then nobody can say how old anything is."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An element of a pending list whose id could not be read: it can be shown to people, never answered."""

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
        """What stands on it: requests by their keys, what cannot be read by its bytes."""
        return frozenset(request.key for request in self.requests) | frozenset(each.source for each in self.unreadable)

    def leads_nowhere(self, shown: AbstractSet[RequestKey | bytes]) -> bool:
        """Whether it names a next page, and shows nothing but what the pages before it had `shown`."""
        return self.has_next and self.shown <= shown


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingList:
    """All pages of one pending list, as far as they could be read. One cycle is one read, however often it read it.

    Attributes:
        failed: why the list is not whole, None if it is. From a list that is not whole nothing is answered.
        begun: when its first page was first asked for.
        ended: when its last page had last come.
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
        """Whether what does not stand in it is really not pending: whole, and every element has an id."""
        return self.whole and not self.unreadable

    def united(self, later: PendingList) -> PendingList:
        """This read and a later one of the same list in the same cycle, as one read.

        What either shows is pending: what a customer took back meanwhile is missed by the next cycle. Where the two
        show other content under one id, the later counts. It is whole if the later is.
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
    """A notification, as `type` one of UNSHARE, SHAREUPDATE, DISCONNECT, TRANSFERPROPERTY, or one not yet known."""

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
    """Our own account, from GET /account. `searchable` is whether customers can find it, None where it does not say."""

    id: int
    username: str
    searchable: bool | None = None


class Need(StrEnum):
    """A fact that a policy asks for beyond the pending lists. poll (the ledger for `CLAIMS`) brings only those."""

    CUSTOM_FIELDS = "custom_fields"
    ANSWERS_AT_CONNECTION = "answers_at_connection"
    ACCOUNTS = "accounts"
    CLAIMS = "claims"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What was seen of the world in one cycle. decide and plan see the world only through it.

    Attributes:
        connected: account ids in GET /customer/list.
        shared_properties: owner → ids of properties already shared with us by that owner; only for
            owners for whom it was asked. An owner without an entry was not asked for.
        answers_at_connection: owner → what the owner answered when connecting, likewise.
        accounts: owner → who the owner is, likewise.
        custom_fields: the custom fields that our account defines.
        clock: what the service's clock says beside ours: its `Date` minus our time when the answer came.
        ended: when the last of it had been read.
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
    def clock_apart(self) -> timedelta | None:
        """How far the clocks are apart, where that is so far that nothing is sent again; else None."""
        return None if isinstance(self.clock, NotLearnt) or abs(self.clock) <= FURTHEST_APART else self.clock

    @property
    def lists(self) -> tuple[PendingList, PendingList, PendingList]:
        """The three lists in the order in which requests are decided."""
        return (self.connections, self.properties, self.meters)
