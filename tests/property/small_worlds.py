"""Small worlds, drawn: one to three owners, each with up to two properties of up to two meters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from hypothesis import strategies as st

from pm_autoaccept.model import AccountInfo, Address, CustomField, CustomFieldDefinition, Kind, RequestKey
from pm_autoaccept.simulator import Access, Inferred, State, Tie, World
from pm_autoaccept.simulator.world import Account, Meter, Property

START = datetime(2026, 3, 4, 12, tzinfo=UTC)
FORWARDER = 900
"""The account of a consultant, connected, who may share on what others own."""

FIELDS = {Kind.CONNECTION: "Customer Number", Kind.PROPERTY: "Building Code", Kind.METER: "Service Point"}
"""The custom field that each kind of request is asked for."""

GOOD, OTHER, BAD = "0041-12", "0077-3", "unknown"


BETWEEN_CYCLES = timedelta(minutes=10)
LAGS = tuple(int(BETWEEN_CYCLES.total_seconds() * cycles) for cycles in (1.5, 2.5))
"""For how long lists show what does not pend any more: in one more cycle, or in two."""


class Said(StrEnum):
    """What an owner types into a custom field."""

    GOOD = GOOD
    OTHER = OTHER
    BAD = BAD
    NOTHING = ""


class Standing(StrEnum):
    """How an owner stands with us when the world begins."""

    CONNECTED = "connected"
    ASKS = "asks for a connection"
    STRANGER = "neither connected nor asking"


@dataclass(frozen=True, slots=True)
class Share:
    """How one property or meter is shared with us when the world begins."""

    state: State
    access: Access
    forwarded: bool
    said: Said


@dataclass(frozen=True, slots=True)
class Home:
    """A property and its meters."""

    share: Share
    meters: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner and what it owns."""

    standing: Standing
    said: Said
    homes: tuple[Home, ...]


@dataclass(frozen=True, slots=True)
class SmallWorld:
    """A world as it was drawn; `made` makes it."""

    owners: tuple[Owner, ...]
    inferred: Inferred

    def made(self) -> World:
        """The world, a new one each time."""
        return _made(self)


said = st.sampled_from((Said.GOOD, Said.GOOD, Said.GOOD, Said.OTHER, Said.BAD, Said.NOTHING))
access_levels = st.sampled_from((Access.READ_WRITE, Access.READ_WRITE, Access.READ))
shares = st.builds(
    Share,
    st.sampled_from((*[State.PENDING] * 5, State.NONE, State.ACTIVE)),
    access_levels,
    st.booleans(),
    said,
)
homes = st.builds(
    Home,
    st.builds(
        Share,
        st.sampled_from((State.PENDING, State.PENDING, State.PENDING, State.NONE, State.NONE, State.ACTIVE)),
        access_levels,
        st.booleans(),
        said,
    ),
    st.lists(shares, min_size=1, max_size=2).map(tuple) | st.lists(shares, max_size=1).map(tuple),
)
owners = st.builds(
    Owner,
    st.sampled_from(
        (Standing.CONNECTED, Standing.CONNECTED, Standing.ASKS, Standing.ASKS, Standing.ASKS, Standing.STRANGER)
    ),
    said,
    st.lists(homes, max_size=2).map(tuple) | st.lists(homes, min_size=1, max_size=2).map(tuple),
)
inferred = st.builds(
    Inferred,
    property_reject_takes_meters=st.sampled_from((True, True, False)),
    meter_accept_shares_property=st.sampled_from((True, True, True, False)),
    share_accept_connects=st.sampled_from((True, True, True, False)),
    own_share_needs_connection=st.booleans(),
    customer_disconnect_keeps_shares=st.booleans(),
    empty_list_has_links=st.booleans(),
    order=st.sampled_from(("oldest_first", "newest_first", "by_id")),
    page_size=st.sampled_from((1, 1, 2, 2, 3, 20)),
    lag=st.sampled_from((0, 0, *LAGS)),
    asked_again_keeps_date=st.booleans(),
)
small_worlds = st.builds(
    SmallWorld,
    st.lists(owners, min_size=1, max_size=3).map(tuple) | st.lists(owners, min_size=2, max_size=3).map(tuple),
    inferred,
)


def worlds_where(**switches: Sequence[object]) -> st.SearchStrategy[SmallWorld]:
    """Small worlds in which each of these switches is one of these."""
    switched = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in switches.items()})
    return st.builds(
        lambda world, said: replace(world, inferred=replace(world.inferred, **said)), small_worlds, switched
    )


def _account(id_: int, username: str) -> Account:
    info = AccountInfo(
        first_name="Ada",
        last_name=username.title(),
        email=f"{username}@buildings.example",
        phone="309-555-0100",
        job_title="Owner",
        address=Address(line1="1 Main St", city="Peoria", state="IL", postal_code="61602", country="US"),
    )
    return Account(id=id_, username=username, password=f"Simulated-{username}-1", info=info)


def _definitions() -> tuple[CustomFieldDefinition, ...]:
    prompts = {Kind.CONNECTION: "Once", Kind.PROPERTY: "Property", Kind.METER: "Meter"}
    return tuple(
        CustomFieldDefinition(
            id=number, name=name, required=False, valid_characters="Any", when_to_prompt=prompts[kind]
        )
        for number, (kind, name) in enumerate(FIELDS.items(), start=46)
    )


def values(kind: Kind, what: Said) -> tuple[CustomField, ...]:
    """The custom fields that come with a request whose owner typed this."""
    return () if what is Said.NOTHING else (CustomField(FIELDS[kind], what.value),)


def _made(drawn: SmallWorld) -> World:
    world = World(provider=_account(87_267, "provider"), custom_fields=_definitions())
    world.accounts[FORWARDER] = _account(FORWARDER, "consultant")
    world.add(_tie(world, Kind.CONNECTION, FORWARDER, State.ACTIVE, FORWARDER))
    states = {Standing.CONNECTED: State.ACTIVE, Standing.ASKS: State.PENDING}
    for number, owner in enumerate(drawn.owners, start=1):
        world.accounts[number] = _account(number, f"owner_{number}")
        world.answers[RequestKey(Kind.CONNECTION, number)] = values(Kind.CONNECTION, owner.said)
        if owner.standing in states:
            world.add(_tie(world, Kind.CONNECTION, number, states[owner.standing], number))
        for place, home in enumerate(owner.homes, start=1):
            _build(world, number, number * 100 + place, home)
    return world


def _build(world: World, owner: int, id_: int, home: Home) -> None:
    world.properties[id_] = Property(
        id=id_, owner=owner, name=f"Property {id_}", primary_function="Office", forwarders=frozenset({FORWARDER})
    )
    _add(world, Kind.PROPERTY, id_, home.share)
    for place, share in enumerate(home.meters, start=1):
        meter = id_ * 100 + place
        world.meters[meter] = Meter(
            id=meter,
            property_id=id_,
            name=f"Meter {meter}",
            type="Electric",
            unit="kWh (thousand Watt-hours)",
            first_bill_date=START.date(),
        )
        _add(world, Kind.METER, meter, share)


def _add(world: World, kind: Kind, id_: int, share: Share) -> None:
    key = RequestKey(kind, id_)
    world.answers[key] = values(kind, share.said)
    if share.state is not State.NONE:
        sender = FORWARDER if share.forwarded else world.owner_of(key)
        world.add(replace(_tie(world, kind, id_, share.state, sender), access=share.access))


def _tie(world: World, kind: Kind, id_: int, state: State, sender: int) -> Tie:
    asked_at = START - timedelta(days=30) + timedelta(hours=len(world.ties))
    return Tie(key=RequestKey(kind, id_), state=state, sender=sender, asked_at=asked_at)
