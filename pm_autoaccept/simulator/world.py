"""The simulated Portfolio Manager's memory: accounts, properties, meters, and how each stands with the provider.

Nothing here reads a clock or a socket. What changes a world stands in `answering` (the provider's acts) and
`customers` (everybody else's); both note each change as an `Effect`.
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
    """How a connection, property share or meter share stands with the provider."""

    NONE = "none"
    PENDING = "pending"
    ACTIVE = "active"
    REJECTED = "rejected"
    ENDED = "ended"


class Access(StrEnum):
    """EPA's shareLevelType, with its space (docs/protocol.md#access-level)."""

    READ = "Read"
    READ_WRITE = "Read Write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A Portfolio Manager account, with the password with which it signs in."""

    id: int
    username: str
    password: str
    info: AccountInfo
    primary_business: str = "Commercial Real Estate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A property. `owner` is its property data administrator; `forwarders` may share it on although not its owner."""

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
        sender: the account that asked: the owner, or one who forwarded the share.
        asked_at: when it was asked; a request that comes back has a new one (docs/protocol.md#later-changes).
        access: shares only.
    """

    key: RequestKey
    state: State
    sender: int
    asked_at: datetime
    access: Access | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """What a pending list shows of one request; `values` is None where nobody ever answered its custom fields."""

    tie: Tie
    values: tuple[CustomField, ...] | None

    def same(self, other: Listed) -> bool:
        """Whether both say the same in their list, however they stand with the provider by now."""
        return replace(self, tie=replace(self.tie, state=other.tie.state)) == other


@dataclass(frozen=True, slots=True)
class Left:
    """What pended until then."""

    listed: Listed
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One change: of a state (`what` is `state`), or of an access level, an owner, custom fields, a notification.

    Also of what its list shows of it (`what` is `listing`).

    `cascade` is true where nobody asked for this change itself and it followed from another.
    """

    kind: str
    id: int
    before: str
    after: str
    what: str = "state"
    cascade: bool = False


@dataclass(slots=True, kw_only=True)
class World:
    """Everything that the simulated Portfolio Manager knows, seen from one provider.

    Attributes:
        accounts: the customers; the provider is not among them.
        ties: connections and shares that were ever asked for.
        answers: custom-field values for the provider, by what they belong to: `Once` to the connection,
            `Property` to the property, `Meter` to the meter.
        meter_types: what the provider supports; empty for all.
        read: ids of notifications that were returned with clear=true.
        left: what pended last and does not any more; a list that lags shows it still.
        hidden: what its list does not show, until when.
        repeated: what its list shows twice, until when.
        inferred: how the simulator behaves, unless it is told otherwise.
        changes: how often something was asked for or came to stand otherwise.
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
        """How this stands with the provider; `none` where it was never asked for."""
        tie = self.ties.get(RequestKey(kind, id_))
        return State.NONE if tie is None else tie.state

    def connected(self, account_id: int) -> bool:
        """Whether the provider and this account are connected."""
        return self.state(Kind.CONNECTION, account_id) is State.ACTIVE

    def property_of(self, key: RequestKey) -> Property:
        """The property of a property share or meter share."""
        return self.properties[self.meters[key.id].property_id if key.kind is Kind.METER else key.id]

    def owner_of(self, key: RequestKey) -> int:
        """The account id of the owner, that is the property data administrator."""
        return key.id if key.kind is Kind.CONNECTION else self.property_of(key).owner

    def account(self, id_: int) -> Account:
        """The customer or the provider with this id."""
        return self.provider if id_ == self.provider.id else self.accounts[id_]

    def having(self, kind: Kind, *states: State) -> Iterator[Tie]:
        """Ties of this kind that stand so, in the order in which they were first asked for."""
        return (tie for tie in list(self.ties.values()) if tie.key.kind is kind and tie.state in states)

    def shares_of_owner(self, account_id: int, *states: State) -> Iterator[Tie]:
        """Property shares, then meter shares, of what this account owns."""
        for kind in (Kind.PROPERTY, Kind.METER):
            yield from (tie for tie in self.having(kind, *states) if self.owner_of(tie.key) == account_id)

    def meter_shares_of(self, property_id: int, *states: State) -> Iterator[Tie]:
        """Meter shares of this property."""
        return (tie for tie in self.having(Kind.METER, *states) if self.meters[tie.key.id].property_id == property_id)

    def pending(self) -> dict[Kind, int]:
        """How many requests of each kind pend."""
        return {kind: sum(1 for _ in self.having(kind, State.PENDING)) for kind in Kind}

    def add(self, tie: Tie) -> None:
        """Put a tie into a world that is being made. It is no effect of anything."""
        self.changes += 1
        self.ties[tie.key] = tie

    def move(self, key: RequestKey, state: State, *, cascade: bool = False) -> Effect:
        """Let what was asked for stand otherwise, and say what changed."""
        self.changes += 1
        tie = self.ties[key]
        self.ties[key] = replace(tie, state=state)
        return Effect(kind=key.kind, id=key.id, before=tie.state, after=state, cascade=cascade)

    def ask(self, tie: Tie, *, cascade: bool = False) -> Effect:
        """Let something be asked for, anew or again, and say what changed."""
        self.changes += 1
        before = self.state(tie.key.kind, tie.key.id)
        self.ties[tie.key] = tie
        return Effect(kind=tie.key.kind, id=tie.key.id, before=before, after=tie.state, cascade=cascade)

    def leave(self, effects: Iterable[Effect], *, now: datetime) -> None:
        """Keep what just stopped to pend as its list showed it, right after the call or act that had these effects."""
        for effect in effects:
            if effect.what == "state" and effect.before == State.PENDING:
                key = RequestKey(Kind(effect.kind), effect.id)
                self.left[key] = Left(Listed(self.ties[key], self.answers.get(key)), now)

    def notify(
        self, type_: str, description: str, *, by: Account, subject: Account, key: RequestKey | None, now: datetime
    ) -> Effect:
        """Leave a notification for the provider.

        `subject` is the account it names, `by` the one who caused it, `key` the share that it is about (None for a
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
