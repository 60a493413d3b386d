"""Pending requests: connection, property share or meter share, with customer, property, meter and custom fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from pm_autoaccept.model.request_identity import request_digest

REPLACEMENT_CHARACTER = "\ufffd"
"""Replaces a character that XML forbids in a request's texts."""


class Kind(StrEnum):
    """The three kinds of pending request, in the order in which they are decided."""

    CONNECTION = "connection"
    PROPERTY = "property"
    METER = "meter"

    # As its text, which it also equals. `Enum` hashes the name, in Python, and kinds are part of every `RequestKey`.
    __hash__ = str.__hash__


class RequestKey(NamedTuple):
    """Identifies a request in a POST: its kind and Portfolio Manager's id of the account, property or meter."""

    kind: Kind
    id: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class CustomField:
    """One custom-field value as the customer typed it. `name` is empty if the document has none."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomFieldDefinition:
    """A custom field that our account asks its customers for. `id` is that of /dataExchangeSettings/customField/{id}.

    The fields after `name` are None if only the list of names was read.
    """

    id: int
    name: str
    required: bool | None = None
    valid_characters: str | None = None
    when_to_prompt: str | None = None
    min_chars: int | None = None
    max_chars: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address in EPA's eight attributes; None if absent."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    county: str | None = None
    postal_code: str | None = None
    state: str | None = None
    other_state: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountInfo:
    """Who a customer is, from `accountInfo`."""

    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    job_title: str | None = None
    organization: str | None = None
    address: Address = field(default_factory=Address)


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyInfo:
    """The property of a share. `gross_floor_area` is in square feet, `occupancy` in percent."""

    name: str | None = None
    primary_function: str | None = None
    construction_status: str | None = None
    gross_floor_area: Decimal | None = None
    year_built: int | None = None
    number_of_buildings: int | None = None
    occupancy: int | None = None
    is_federal: bool | None = None
    is_institutional: bool | None = None
    address: Address = field(default_factory=Address)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterInfo:
    """The meter of a share. `category` is `energy` (from meterInfo) or `waste` (from wasteMeterInfo)."""

    category: str | None = None
    name: str | None = None
    type: str | None = None
    unit: str | None = None
    metered: bool | None = None
    in_use: bool | None = None
    first_bill_date: date | None = None
    inactive_date: date | None = None
    aggregate: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRequest:
    """One pending connection, property share or meter share, as its XML element describes it.

    Attributes:
        kind: the list that contained it.
        id: the id for the POST: account id, property id or meter id.
        account_id: the owner (property data administrator); None if the document does not say.
        username: the owner's username.
        sender_id: who sent it, from the audit element's createdByAccountId; may be negative.
        sender_username: who sent it, from createdBy.
        requested_at: the audit element's createdDate, with its offset.
        access_level: `Read` or `Read Write` as written, shares only.
        custom: the custom-field values in document order, including repetitions.
        account_info: connections only.
        property_id: shares only; same as `id` for a property share.
        property_info: shares only.
        meter_info: meter shares only.
        garbled: where its element has a character that XML forbids; None if it has none. If set, its content is not
            certain.
        faults: policy field name (for example `property.year_built`) → why its element could not be read. Elements
            that are merely absent have no entry.
        source: the element's own bytes, so that people can look at a request that was not understood.
        content_digest: tells whether two pending elements are the same request (`request_identity`). It is made once,
            because each part of a cycle compares requests with the ledger's rows.
    """

    kind: Kind
    id: int
    account_id: int | None = None
    username: str | None = None
    sender_id: int | None = None
    sender_username: str | None = None
    requested_at: datetime | None = None
    access_level: str | None = None
    custom: tuple[CustomField, ...] = ()
    account_info: AccountInfo | None = None
    property_id: int | None = None
    property_info: PropertyInfo | None = None
    meter_info: MeterInfo | None = None
    garbled: str | None = None
    faults: Mapping[str, str] = field(default_factory=dict)
    source: bytes = b""
    content_digest: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the digest."""
        object.__setattr__(self, "content_digest", request_digest(self))

    @property
    def key(self) -> RequestKey:
        """The kind and id that identify it in a POST."""
        return RequestKey(self.kind, self.id)
