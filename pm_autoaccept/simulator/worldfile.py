"""Worlds from a YAML file; docs/simulator.md describes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, get_args, get_type_hints

from pm_autoaccept.model import AccountInfo, Address, CustomField, CustomFieldDefinition, Kind, RequestKey
from pm_autoaccept.simulator import people, story
from pm_autoaccept.simulator.unconfirmed import Inferred
from pm_autoaccept.simulator.world import Access, Account, Meter, Property, State, Tie, World
from pm_autoaccept.simulator.yamlnodes import Section, whole_file

_FIRST_BILL = date(2020, 1, 1)
"""Where the file says none: EPA's schema demands one for an energy meter."""


class _Category(StrEnum):
    ENERGY = "energy"
    WASTE = "waste"


class _Units(StrEnum):
    FEET = "Square Feet"
    METERS = "Square Meters"


class _Characters(StrEnum):
    ANY = "Any"
    ALPHANUMERIC = "Alphanumeric"
    NUMERIC = "Numeric"


class _Prompt(StrEnum):
    ONCE = "Once"
    PROPERTY = "Property"
    METER = "Meter"


def load_world(text: bytes, *, now: datetime) -> World:
    """The world that a file describes. What says no `asked_at` was asked for a day before `now`.

    Raises:
        ConfigurationError: the file says something else than docs/simulator.md describes; the text names the line.
    """
    return _Reader(now).read(whole_file(text))


def _switches(section: Section) -> Inferred:
    """How the world's lists and what is not confirmed behave: the attributes of `Inferred` by their names."""
    said: dict[str, Any] = {}
    for name, type_ in get_type_hints(Inferred).items():
        choices = get_args(type_)
        if type_ is bool:
            value: object = section.flag(name)
        elif type_ is int or int in choices:
            value = section.number(name)
        else:
            value = section.text(name)
            if value is not None and value not in choices:
                raise section.wrong(name, f"must be one of {', '.join(choices)}, not {value!r}")
        if value is not None:
            said[name] = value
    if said.get("page_size", 1) < 1:
        raise section.wrong("page_size", "must be 1 or more")
    section.done()
    return Inferred(**said)


class _Reader:
    """Reads a file in two passes: who there is, then what they share, since a sender may stand further down."""

    def __init__(self, now: datetime) -> None:
        self._default_asked_at = now - timedelta(days=1)
        self._world = World(provider=people.provider(), custom_fields=story.CUSTOM_FIELDS)
        self._usernames: dict[str, int] = {}
        self._said: frozenset[int] = frozenset()
        self._next = {Kind.CONNECTION: 410_000, Kind.PROPERTY: 8_120_000, Kind.METER: 30_511_000}

    def read(self, file: Section) -> World:
        """Everything in the file."""
        self._said = file.all_ids()
        provider = file.section("provider")
        if provider is not None:
            self._provider(provider)
        switches = file.section("switches")
        if switches is not None:
            self._world.inferred = _switches(switches)
        customers = list(file.sections("customers"))
        file.done()
        accounts = [self._account(section) for section in customers]
        for section, account in zip(customers, accounts, strict=True):
            self._customer(section, account)
        return self._world

    def _provider(self, section: Section) -> None:
        usual = self._world.provider
        info = replace(
            usual.info,
            organization=section.filled("organization", usual.info.organization),
            email=section.filled("email", usual.info.email),
        )
        self._world.provider = replace(
            usual,
            id=section.number("id") or usual.id,
            username=section.filled("username", usual.username, longest=60),
            password=self._password(section, usual.password),
            info=info,
        )
        self._world.terms_url = section.text("terms_url")
        self._world.meter_types = section.texts("supported_meter_types")
        fields = tuple(
            self._definition(each, 46 + number) for number, each in enumerate(section.sections("custom_fields"))
        )
        self._world.custom_fields = fields or story.CUSTOM_FIELDS
        section.done()

    def _password(self, section: Section, default: str) -> str:
        password = section.filled("password", default, longest=120)
        kinds = (str.isupper, str.islower, str.isdigit, lambda letter: not letter.isalnum())
        if len(password) < 8 or sum(any(map(kind, password)) for kind in kinds) < 3:  # noqa: PLR2004 - EPA's rule
            raise section.wrong("password", "needs 8 characters, and three of upper, lower, digit, other")
        return password

    def _definition(self, section: Section, id_: int) -> CustomFieldDefinition:
        definition = CustomFieldDefinition(
            id=section.number("id") or id_,
            name=section.filled("name"),
            required=section.flag("required") or False,
            valid_characters=section.one_of("valid_characters", _Characters, _Characters.ANY),
            when_to_prompt=section.one_of("when_to_prompt", _Prompt, _Prompt.ONCE),
            min_chars=section.number("min_chars"),
            max_chars=section.number("max_chars"),
        )
        section.done()
        return definition

    def _account(self, section: Section) -> Account:
        username = section.filled("username", longest=60)
        if username in self._usernames or username == self._world.provider.username:
            raise section.wrong("username", f"{username} stands twice: each account has its own")
        info = AccountInfo(
            first_name=section.filled("first_name", "Alex"),
            last_name=section.filled("last_name", "Doe"),
            email=section.filled("email", f"{username}@customer.example"),
            phone=section.filled("phone", "503-555-0100", longest=30),
            job_title=section.filled("job_title", "Owner"),
            organization=section.text("organization"),
            address=self._address(section.section("address")),
        )
        id_ = self._id(section, Kind.CONNECTION, taken={**self._world.accounts, self._world.provider.id: None})
        password = self._password(section, people.password_of(username))
        account = Account(id=id_, username=username, password=password, info=info)
        self._world.accounts[id_] = account
        self._usernames[username] = id_
        return account

    def _address(self, section: Section | None) -> Address:
        if section is None:
            return Address(line1="77 Dock Road", city="Portland", state="OR", postal_code="97205", country="US")
        address = Address(
            line1=section.filled("line1"),
            line2=section.text("line2"),
            city=section.filled("city"),
            county=section.text("county"),
            postal_code=section.filled("postal_code"),
            state=section.text("state"),
            other_state=section.text("other_state"),
            country=section.filled("country", "US"),
        )
        section.done()
        return address

    def _id(self, section: Section, kind: Kind, taken: dict[int, object]) -> int:
        said = section.number("id")
        if said is not None and said in taken:
            raise section.wrong("id", f"{said} stands twice: ids are unique")
        if said is None:
            self._next[kind] += 1
            while self._next[kind] in self._said:
                self._next[kind] += 1
            return self._next[kind]
        return said

    def _customer(self, section: Section, account: Account) -> None:
        key = RequestKey(Kind.CONNECTION, account.id)
        self._tie(section, key, owner=account.id, state_name="connection")
        for each in section.sections("properties"):
            self._property(each, account)
        section.done()

    def _tie(self, section: Section, key: RequestKey, *, owner: int, state_name: str = "share") -> None:
        state = section.one_of(state_name, State, State.NONE)
        asked_at = section.moment("asked_at", self._default_asked_at)
        sender = section.text("sender")
        if sender is not None and sender not in self._usernames:
            raise section.wrong("sender", f"there is no customer {sender}: add one with this username")
        access = None if key.kind is Kind.CONNECTION else section.one_of("access", Access, Access.READ_WRITE)
        custom = section.pairs("custom")
        if custom is not None:
            defined = {definition.name for definition in self._world.custom_fields}
            for name, _ in custom:
                if name not in defined:
                    raise section.wrong("custom", f"the provider defines no {name}; it defines {', '.join(defined)}")
            self._world.answers[key] = tuple(CustomField(name, value) for name, value in custom)
        if state is not State.NONE:
            by = owner if sender is None else self._usernames[sender]
            self._world.add(Tie(key=key, state=state, sender=by, asked_at=asked_at, access=access))

    def _property(self, section: Section, owner: Account) -> None:
        address = section.section("address")
        forwarders = [*section.texts("forwarders"), *filter(None, [section.text("sender")])]
        if strangers := [each for each in forwarders if each not in self._usernames]:
            raise section.wrong("forwarders", f"there is no customer {strangers[0]}: add one with this username")
        occupancy = section.number("occupancy")
        if occupancy is not None and occupancy not in range(0, 101, 5):
            raise section.wrong("occupancy", "must be a multiple of 5 from 0 to 100")
        home = Property(
            id=self._id(section, Kind.PROPERTY, dict(self._world.properties)),
            owner=owner.id,
            name=section.filled("name", longest=80),
            primary_function=section.text("primary_function"),
            construction_status=section.text("construction_status"),
            floor_area=section.number("gross_floor_area"),
            floor_area_units=section.one_of("units", _Units, _Units.FEET),
            year_built=section.number("year_built"),
            number_of_buildings=section.number("number_of_buildings"),
            occupancy=100 if occupancy is None else occupancy,
            is_federal=section.flag("is_federal") or False,
            is_institutional=section.flag("is_institutional"),
            address=owner.info.address if address is None else self._address(address),
            forwarders=frozenset(self._usernames[each] for each in forwarders),
        )
        self._world.properties[home.id] = home
        self._tie(section, RequestKey(Kind.PROPERTY, home.id), owner=owner.id)
        for each in section.sections("meters"):
            self._meter(each, home)
        section.done()

    def _meter(self, section: Section, home: Property) -> None:
        meter = Meter(
            id=self._id(section, Kind.METER, dict(self._world.meters)),
            property_id=home.id,
            name=section.filled("name"),
            category=section.one_of("category", _Category, _Category.ENERGY),
            type=section.filled("type", "Electric"),
            unit=section.filled("unit", "kWh (thousand Watt-hours)"),
            metered=section.flag("metered"),
            in_use=section.flag("in_use") is not False,
            first_bill_date=section.day("first_bill_date") or _FIRST_BILL,
            inactive_date=section.day("inactive_date"),
            aggregate=section.flag("aggregate"),
        )
        self._world.meters[meter.id] = meter
        self._tie(section, RequestKey(Kind.METER, meter.id), owner=home.owner)
        section.done()
