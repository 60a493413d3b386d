"""The state of the simulated Portfolio Manager: accounts, properties, meters, connections, shares, notifications.

Nothing here reads a clock or a socket. `provider_actions` and `customer_actions` change a world, and record each change
as an `Effect`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum

from pm_autoaccept.model import (
    AccountInfo,
    Address,
    CustomField,
    CustomFieldDefinition,
    Kind,
    Notification,
    RequestKey,
)
from pm_autoaccept.simulator.unconfirmed import Inferred


class State(StrEnum):
    """The state of a connection, property share or meter share."""

    NONE = "none"
    PENDING = "pending"
    ACTIVE = "active"
    REJECTED = "rejected"
    ENDED = "ended"


class Access(StrEnum):
    """EPA's shareLevelType, spelled with a space (docs/protocol.md#access-level)."""

    READ = "Read"
    READ_WRITE = "Read Write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A Portfolio Manager account with its password."""

    id: int
    username: str
    password: str
    info: AccountInfo
    primary_business: str = "Commercial Real Estate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A property. `owner` is its property data administrator; `forwarders` may share it without being its owner."""

    id: int
    owner: int
    name: str
    primary_function: str | None = None
    construction_status: str | None = None
    floor_area: int | None = None
    floor_area_units: str = "Square Feet"
    year_built: int | None = None
    number_of_buildings: int | None = None
    occupancy: int = 100
    is_federal: bool = False
    is_institutional: bool | None = None
    address: Address | None = None
    created_at: datetime | None = None
    forwarders: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A meter. `category` is `energy` (also water, as meterInfo) or `waste` (as wasteMeterInfo)."""

    id: int
    property_id: int
    name: str
    type: str
    unit: str
    category: str = "energy"
    metered: bool | None = None
    in_use: bool = True
    first_bill_date: date | None = None
    inactive_date: date | None = None
    aggregate: bool | None = None
    data_entry_method: str = "regular"
    container_size: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """A connection or a share between a customer and the provider.

    Attributes:
        sender: the account that made the request: the owner, or an account that forwarded the share.
        asked_at: when the request was made; a repeated request has a new time (docs/protocol.md#later-changes).
        access: shares only.
    """

    key: RequestKey
    state: State
    sender: int
    asked_at: datetime
    access: Access | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A request as a pending list shows it; `values` is None if its custom fields were never answered."""

    tie: Tie
    values: tuple[CustomField, ...] | None

    def same(self, other: Listed) -> bool:
        """Whether both look the same in their list, regardless of their current state."""
        return replace(self, tie=replace(self.tie, state=other.tie.state)) == other


@dataclass(frozen=True, slots=True)
class Left:
    """A request that was pending until `at`."""

    listed: Listed
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One change of a state (`what` is `state`), an access level, an owner, custom fields, or a notification.

    `what` is `listing` if only the list changed: it hides or repeats the request. `cascade` is true if the change
    followed from another one.
    """

    kind: str
    id: int
    before: str
    after: str
    what: str = "state"
    cascade: bool = False


@dataclass(slots=True, kw_only=True)
class World:
    """The whole state of the simulated Portfolio Manager, from one provider's view.

    Attributes:
        accounts: the customers, without the provider.
        ties: all connections and shares that were ever requested.
        answers: custom field values for the provider: `Once` by connection, `Property` by property, `Meter` by meter.
        meter_types: the meter types that the provider supports; empty for all.
        read: the ids of notifications that were returned with clear=true.
        left: requests that are no longer pending; a lagging list still shows them.
        hidden: requests that their list hides, with the end of this.
        repeated: requests that their list shows twice, with the end of this.
        inferred: the simulator's unconfirmed behavior, unless overridden.
        changes: the number of requests and state changes so far.
    """

    provider: Account
    custom_fields: tuple[CustomFieldDefinition, ...] = ()
    terms_url: str | None = None
    meter_types: tuple[str, ...] = ()
    accounts: dict[int, Account] = field(default_factory=dict)
    properties: dict[int, Property] = field(default_factory=dict)
    meters: dict[int, Meter] = field(default_factory=dict)
    ties: dict[RequestKey, Tie] = field(default_factory=dict)
    answers: dict[RequestKey, tuple[CustomField, ...]] = field(default_factory=dict)
    notifications: list[Notification] = field(default_factory=list)
    read: set[int] = field(default_factory=set)
    changes: int = 0
    left: dict[RequestKey, Left] = field(default_factory=dict)
    hidden: dict[RequestKey, datetime] = field(default_factory=dict)
    repeated: dict[RequestKey, datetime] = field(default_factory=dict)
    inferred: Inferred = field(default_factory=Inferred)

    def state(self, kind: Kind, id_: int) -> State:
        """The state of this connection or share; `none` if it was never requested."""
        tie = self.ties.get(RequestKey(kind, id_))
        return State.NONE if tie is None else tie.state

    def connected(self, account_id: int) -> bool:
        """Whether the provider and this account are connected."""
        return self.state(Kind.CONNECTION, account_id) is State.ACTIVE

    def property_of(self, key: RequestKey) -> Property:
        """The property of a property share or meter share."""
        return self.properties[self.meters[key.id].property_id if key.kind is Kind.METER else key.id]

    def owner_of(self, key: RequestKey) -> int:
        """The account id of the owner (the property data administrator)."""
        return key.id if key.kind is Kind.CONNECTION else self.property_of(key).owner

    def account(self, id_: int) -> Account:
        """The customer or the provider with this id."""
        return self.provider if id_ == self.provider.id else self.accounts[id_]

    def having(self, kind: Kind, *states: State) -> Iterator[Tie]:
        """The ties of this kind with one of these states, in the order of their first request."""
        return (tie for tie in list(self.ties.values()) if tie.key.kind is kind and tie.state in states)

    def shares_of_owner(self, account_id: int, *states: State) -> Iterator[Tie]:
        """The property shares, then the meter shares, of this owner."""
        for kind in (Kind.PROPERTY, Kind.METER):
            yield from (tie for tie in self.having(kind, *states) if self.owner_of(tie.key) == account_id)

    def meter_shares_of(self, property_id: int, *states: State) -> Iterator[Tie]:
        """Meter shares of this property."""
        return (tie for tie in self.having(Kind.METER, *states) if self.meters[tie.key.id].property_id == property_id)

    def pending(self) -> dict[Kind, int]:
        """The number of pending requests of each kind."""
        return {kind: sum(1 for _ in self.having(kind, State.PENDING)) for kind in Kind}

    def add(self, tie: Tie) -> None:
        """Add a tie while the world is being built, without an effect."""
        self.changes += 1
        self.ties[tie.key] = tie

    def move(self, key: RequestKey, state: State, *, cascade: bool = False) -> Effect:
        """Change the state of a tie, and return the effect."""
        self.changes += 1
        tie = self.ties[key]
        self.ties[key] = replace(tie, state=state)
        return Effect(kind=key.kind, id=key.id, before=tie.state, after=state, cascade=cascade)

    def ask(self, tie: Tie, *, cascade: bool = False) -> Effect:
        """Add a new or repeated request, and return the effect."""
        self.changes += 1
        before = self.state(tie.key.kind, tie.key.id)
        self.ties[tie.key] = tie
        return Effect(kind=tie.key.kind, id=tie.key.id, before=before, after=tie.state, cascade=cascade)

    def leave(self, effects: Iterable[Effect], *, now: datetime) -> None:
        """Remember the requests that have just left their list, right after the call or act with these effects."""
        for effect in effects:
            if effect.what == "state" and effect.before == State.PENDING:
                key = RequestKey(Kind(effect.kind), effect.id)
                self.left[key] = Left(Listed(self.ties[key], self.answers.get(key)), now)

    def notify(
        self, type_: str, description: str, *, by: Account, subject: Account, key: RequestKey | None, now: datetime
    ) -> Effect:
        """Add a notification for the provider.

        `subject` is the account that it names, `by` the account that caused it, and `key` the share (None for a
        connection).
        """
        notification = Notification(
            id=700_001 + len(self.notifications),
            type=type_,
            description=description,
            account_id=subject.id,
            username=subject.username,
            property_id=None if key is None else self.property_of(key).id,
            meter_id=key.id if key is not None and key.kind is Kind.METER else None,
            created_at=now,
            created_by=by.username,
            created_by_account_id=str(by.id),
        )
        self.notifications.append(notification)
        return Effect(
            kind="notification", id=notification.id, before="", after=type_, what="notification", cascade=True
        )
