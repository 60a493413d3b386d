"""The fields of the policy language in one table: parser, type check and evaluation are made from it.

A field's value is one of three: a value, None (their gap: the customer or an optional element gave none), or
`NotLearnt` (our gap: a fact we could not learn, or an element that EPA's schema requires and that is missing).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

from pm_autoaccept.model import (
    AccountInfo,
    Address,
    CustomField,
    Fact,
    Facts,
    Kind,
    MeterInfo,
    NotLearnt,
    PendingRequest,
    PropertyInfo,
    PropertyShare,
    Verdict,
)
from pm_autoaccept.policy.cleaning import fold
from pm_autoaccept.policy.custom_fields.possible_answers import DIGITS, LETTERS
from pm_autoaccept.policy.enumerations import (
    ACCESS_LEVELS,
    CONSTRUCTION_STATUSES,
    COUNTRIES,
    ENERGY_METER_TYPES,
    METER_CATEGORIES,
    METER_UNITS,
    PRIMARY_FUNCTIONS,
    STATES,
    WASTE_METER_TYPES,
)
from pm_autoaccept.policy.evaluation.custom_answers import Custom, answer, by_name, name_key
from pm_autoaccept.policy.split_answers import PartOf
from pm_autoaccept.policy.value_formats import ValueFormat
from pm_autoaccept.policy.values import FieldType, Value

Reader: TypeAlias = Callable[[PendingRequest, Facts], Fact[Value | None]]

ALL = frozenset(Kind)
SHARES = frozenset({Kind.PROPERTY, Kind.METER})
METERS = frozenset({Kind.METER})


@dataclass(frozen=True, slots=True)
class Field:
    """One field: what it is called, what its value is, on which kinds of request it exists, how it is read.

    Attributes:
        read: brings its value; blank text counts as none.
        members: the values of a choice.
        required: EPA's schema requires its element, so that its absence is our gap and not the customer's.
        asks_who: a test on it says who is let in, which an accept rule must.
        lower_case: its value comes in lower case, so that what it is compared with is put in lower case too.
        private: its value is tested and never shown.
        custom: which answer of the customer's it is, for a custom field.
        form: what its values are like; None where nothing is known of them. Of a choice `members` say it.
        part_of: what is asked is one part of the value, which is split so; None for the value as a whole.
    """

    name: str
    type: FieldType
    kinds: frozenset[Kind]
    read: Reader
    members: tuple[str, ...] = ()
    required: bool = False
    asks_who: bool = False
    lower_case: bool = False
    private: bool = False
    custom: Custom | None = None
    form: ValueFormat | None = None
    part_of: PartOf | None = None

    def value(self, request: PendingRequest, facts: Facts) -> Fact[Value | None]:
        """What the request or the facts say of it: a value, None, or what hindered us."""
        if why := fault_of(request, self.name):
            return NotLearnt(f"it could not be read: {why}")
        value = self.read(request, facts)
        if value is None and self.required:
            return NotLearnt("the document lacks it, though EPA's schema requires it")
        return (fold(value) or None) if isinstance(value, str) else value


def part(field: Field, part_of: PartOf) -> Field:
    """One part of a field's value: it holds none of the separators."""
    separators = part_of.separators
    whole = field.form or ValueFormat(says="any text")
    form = ValueFormat(
        says=f"one part of what is split at {separators.shown}",
        characters=whole.characters.difference(separators.characters),
        longest=whole.longest,
    )
    return replace(field, form=form, part_of=part_of)


def fault_of(request: PendingRequest, name: str) -> str | None:
    """Why the element behind a field, or one around it, could not be read; None if nothing was wrong."""
    if not request.faults:
        return None
    wanted = name_key(name)
    faults = ((name_key(faulty), why) for faulty, why in request.faults.items())
    return next((why for faulty, why in faults if wanted == faulty or wanted.startswith(f"{faulty}.")), None)


def _account(request: PendingRequest, facts: Facts) -> Fact[AccountInfo]:
    if request.kind is not Kind.CONNECTION:
        return facts.account
    return request.account_info or NotLearnt("the document lacks accountInfo")


def _property(request: PendingRequest, _: Facts) -> Fact[PropertyInfo]:
    return request.property_info or NotLearnt("the document lacks propertyInfo")


def _meter(request: PendingRequest, _: Facts) -> Fact[MeterInfo]:
    return request.meter_info or NotLearnt("the document lacks both meterInfo and wasteMeterInfo")


AddressHolder: TypeAlias = Callable[[PendingRequest, Facts], Fact[AccountInfo] | Fact[PropertyInfo]]
Holder: TypeAlias = AddressHolder | Callable[[PendingRequest, Facts], Fact[MeterInfo]]


def _within(holder: Holder, attribute: str) -> Reader:
    def read(request: PendingRequest, facts: Facts) -> Fact[Value | None]:
        held = holder(request, facts)
        value: Fact[Value | None] = held if isinstance(held, NotLearnt) else getattr(held, attribute)
        return value

    return read


def _in_address(holder: AddressHolder, attribute: str) -> Reader:
    def read(request: PendingRequest, facts: Facts) -> Fact[Value | None]:
        held = holder(request, facts)
        if isinstance(held, NotLearnt):
            return held
        value: str | None = getattr(held.address, attribute)
        return _lacking_in_address(held, attribute) if value is None else value

    return read


def _lacking_in_address(held: AccountInfo | PropertyInfo, attribute: str) -> NotLearnt | None:
    """An account's address is required, a property's is optional; within either, four attributes are required."""
    absent_as_a_whole = held.address == Address()
    if absent_as_a_whole and isinstance(held, AccountInfo):
        return NotLearnt("the document lacks its address, though EPA's schema requires it")
    if absent_as_a_whole or attribute not in {"line1", "city", "postal_code", "country"}:
        return None
    return NotLearnt("the address lacks it, though EPA's schema requires it")


def _first_bill_date(request: PendingRequest, facts: Facts) -> Fact[Value | None]:
    meter = _meter(request, facts)
    if isinstance(meter, NotLearnt):
        return meter
    if meter.first_bill_date is None and meter.category == "energy":
        return NotLearnt("the document lacks it, though EPA's schema requires it")
    return meter.first_bill_date


def _forwarded(request: PendingRequest, _: Facts) -> Fact[Value | None]:
    if why := fault_of(request, "sender.id"):
        return NotLearnt(f"the sender could not be read: {why}")
    return None if request.sender_id is None else request.sender_id != request.account_id


def _age(request: PendingRequest, facts: Facts) -> Fact[timedelta | None]:
    if why := fault_of(request, "requested_at"):
        return NotLearnt(f"when it was asked could not be read: {why}")
    return _since(request.requested_at, facts.now)


def held_for(facts: Facts) -> Fact[timedelta | None]:
    """For how long it has been held by the rule that holds it; None where none does."""
    held = facts.held
    return held if held is None or isinstance(held, NotLearnt) else _since(held.since, facts.now)


def _since(moment: datetime | None, now: Fact[datetime]) -> Fact[timedelta | None]:
    """How long ago it was, if it was at all; not learnt where we cannot trust our clock."""
    if moment is None:
        return None
    return now if isinstance(now, NotLearnt) else now - moment


def _share(_: PendingRequest, facts: Facts) -> Fact[Value | None]:
    share = facts.property_share
    return share.value if isinstance(share, PropertyShare) else share


def _verdict(_: PendingRequest, facts: Facts) -> Fact[Value | None]:
    verdict = facts.property_verdict
    return verdict.value if isinstance(verdict, Verdict) else verdict


def _address_fields(prefix: str, holder: AddressHolder, kinds: frozenset[Kind], *, asks_who: bool) -> tuple[Field, ...]:
    choices = {"state": STATES, "country": COUNTRIES}
    return tuple(
        Field(
            f"{prefix}.address.{name}",
            FieldType.CHOICE if name in choices else FieldType.TEXT,
            kinds,
            _in_address(holder, name),
            choices.get(name, ()),
            asks_who=asks_who,
        )
        for name in Address.__dataclass_fields__
    )


def _table() -> tuple[Field, ...]:
    text, choice, integer, number = FieldType.TEXT, FieldType.CHOICE, FieldType.INTEGER, FieldType.NUMBER
    boolean, day = FieldType.BOOLEAN, FieldType.DATE
    account, property_, meter = (partial(_within, holder) for holder in (_account, _property, _meter))
    return (
        Field("kind", choice, ALL, lambda request, _: request.kind.value, tuple(Kind), required=True),
        Field("id", integer, ALL, lambda request, _: request.id, required=True),
        Field("account.id", integer, ALL, lambda request, _: request.account_id, required=True, asks_who=True),
        Field("account.username", text, ALL, lambda request, _: request.username, required=True, asks_who=True),
        *(
            Field(f"account.{name}", text, ALL, account(name), required=name != "organization", asks_who=True)
            for name in ("first_name", "last_name", "email", "phone", "job_title", "organization")
        ),
        Field("account.email_domain", text, ALL, _email_domain, required=True, asks_who=True, lower_case=True),
        *_address_fields("account", _account, ALL, asks_who=True),
        Field("account.connected", boolean, ALL, lambda _, facts: facts.connected, asks_who=True),
        Field("sender.id", integer, ALL, lambda request, _: request.sender_id, asks_who=True),
        Field("sender.username", text, ALL, lambda request, _: request.sender_username, asks_who=True),
        Field("forwarded", boolean, ALL, _forwarded),
        Field("requested_at", FieldType.MOMENT, ALL, lambda request, _: request.requested_at),
        Field("age", FieldType.DURATION, ALL, _age),
        Field("held_for", FieldType.DURATION, ALL, lambda _, facts: held_for(facts)),
        Field("access_level", choice, SHARES, lambda request, _: request.access_level, ACCESS_LEVELS, required=True),
        Field("property.id", integer, SHARES, lambda request, _: request.property_id, required=True),
        Field("property.name", text, SHARES, property_("name")),
        Field("property.primary_function", choice, SHARES, property_("primary_function"), PRIMARY_FUNCTIONS),
        Field("property.construction_status", choice, SHARES, property_("construction_status"), CONSTRUCTION_STATUSES),
        Field("property.gross_floor_area", number, SHARES, property_("gross_floor_area")),
        Field("property.year_built", integer, SHARES, property_("year_built")),
        Field("property.number_of_buildings", integer, SHARES, property_("number_of_buildings")),
        Field("property.occupancy", integer, SHARES, property_("occupancy"), required=True),
        Field("property.is_federal", boolean, SHARES, property_("is_federal"), required=True),
        Field("property.is_institutional", boolean, SHARES, property_("is_institutional")),
        *_address_fields("property", _property, SHARES, asks_who=False),
        Field("property.share", choice, METERS, _share, tuple(PropertyShare), asks_who=True),
        Field("property.verdict", choice, METERS, _verdict, tuple(Verdict), asks_who=True),
        Field("meter.name", text, METERS, meter("name"), required=True),
        Field("meter.type", choice, METERS, meter("type"), (*ENERGY_METER_TYPES, *WASTE_METER_TYPES), required=True),
        Field("meter.category", choice, METERS, meter("category"), METER_CATEGORIES, required=True),
        Field("meter.unit", choice, METERS, meter("unit"), METER_UNITS, required=True),
        Field("meter.metered", boolean, METERS, meter("metered")),
        Field("meter.in_use", boolean, METERS, meter("in_use"), required=True),
        Field("meter.first_bill_date", day, METERS, _first_bill_date),
        Field("meter.inactive_date", day, METERS, meter("inactive_date")),
        Field("meter.aggregate", boolean, METERS, meter("aggregate")),
    )


_email = _within(_account, "email")


def _email_domain(request: PendingRequest, facts: Facts) -> Fact[Value | None]:
    """What follows the last @, in lower case; none where there is no @."""
    if why := fault_of(request, "account.email"):
        return NotLearnt(f"the e-mail address could not be read: {why}")
    email = _email(request, facts)
    if not isinstance(email, str):
        return email
    # Folded before it is split: a full-width @ is one.
    email = fold(email)
    _, _, domain = email.rpartition("@")
    return domain.casefold() if "@" in email else ""


def _at_most(longest: int) -> ValueFormat:
    return ValueFormat(says=f"a text of {longest:,} characters at most", longest=longest)


_ID = ValueFormat(says="a whole number above 0", least=1)
_ADDRESS = {"line1": 100, "line2": 100, "city": 100, "county": 40, "postal_code": 20, "other_state": 50}
VALUE_FORMATS: Mapping[str, ValueFormat] = MappingProxyType(
    {
        "id": _ID,
        "account.id": _ID,
        "account.username": _at_most(60),
        "account.first_name": _at_most(100),
        "account.last_name": _at_most(100),
        "account.email": ValueFormat(
            says="an e-mail address, for example ines@example.com", longest=100, whole=re.compile(".+@.+")
        ),
        "account.phone": _at_most(30),
        "account.job_title": _at_most(100),
        "account.organization": _at_most(1_000),
        "account.email_domain": ValueFormat(
            says="what follows the @ of an e-mail address, as example.com",
            characters=DIGITS | LETTERS | {"-", ".", "_"},
            longest=98,
            whole=re.compile(r"[^-.]+(?:(?:-+|\.)[^-.]+)*"),
        ),
        **{
            f"{whose}.address.{part}": _at_most(most)
            for whose in ("account", "property")
            for part, most in _ADDRESS.items()
        },
        "sender.username": _at_most(60),
        "property.id": _ID,
        "property.name": _at_most(80),
        "property.gross_floor_area": ValueFormat(says="0 or more square feet", least=0),
        "property.year_built": ValueFormat(says="a year", least=0, most=9999),
        "property.number_of_buildings": ValueFormat(says="0 or more", least=0),
        "property.occupancy": ValueFormat(says="a percentage from 0 to 100, in steps of 5", least=0, most=100, step=5),
        "meter.name": _at_most(100),
    }
)
"""Field → the form of its values: where we compute it, or EPA's schemas bound it."""

FIELDS: Mapping[str, Field] = MappingProxyType(
    {field.name: replace(field, form=VALUE_FORMATS.get(field.name)) for field in _table()}
)
"""Every field that has a name of its own."""

CUSTOM = ("connection.custom.", "property.custom.", "custom.")
"""What the names of custom fields begin with."""


def field_named(name: str) -> Field | None:
    """The field of this name, custom fields included; None if there is none."""
    if name in FIELDS:
        return FIELDS[name]
    for prefix in CUSTOM:
        if name.startswith(prefix) and fold(name[len(prefix) :]):
            return _custom_field(prefix, fold(name[len(prefix) :]))
    return None


def is_custom(field: object) -> bool:
    """Whether it is a field whose value customers typed."""
    return isinstance(field, Field) and field.name.startswith(CUSTOM)


def _custom_field(prefix: str, name: str) -> Field:
    if prefix == "connection.custom.":
        kinds, custom = SHARES, Custom(_answers_at_connection, name_key(name))
    elif prefix == "property.custom.":
        kinds, custom = METERS, Custom(_answers_of_property, name_key(name))
    else:
        kinds, custom = ALL, Custom(_answers, name_key(name))

    def read(request: PendingRequest, facts: Facts) -> Fact[Value | None]:
        given = custom.among(request, facts)
        return given if isinstance(given, NotLearnt) else answer(custom.key, by_name(given), facts.defined)

    return Field(prefix + name, FieldType.TEXT, kinds, read, asks_who=True, custom=custom)


def _answers(request: PendingRequest, _: Facts) -> Fact[tuple[CustomField, ...]]:
    return request.custom


def _answers_at_connection(_: PendingRequest, facts: Facts) -> Fact[tuple[CustomField, ...]]:
    return facts.connection_custom


def _answers_of_property(_: PendingRequest, facts: Facts) -> Fact[tuple[CustomField, ...]]:
    return facts.property_custom
