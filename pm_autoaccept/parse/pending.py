"""One page of a pending list: each element on its own, never by position (docs/protocol.md#lenient-reading)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType

from pm_autoaccept.model import (
    AccountInfo,
    Address,
    CustomField,
    Kind,
    MeterInfo,
    PendingPage,
    PendingRequest,
    PropertyInfo,
    Unreadable,
)
from pm_autoaccept.parse.document import (
    Element,
    attribute,
    children,
    local_name,
    open_list,
    own_bytes,
    parsed,
    where_marked,
)
from pm_autoaccept.parse.element_reader import (
    ElementReader,
    UnreadableText,
    as_written,
    own_text,
    read_access_level,
    read_boolean,
    read_day,
    read_decimal,
    read_id,
    read_moment,
    read_positive_id,
)
from pm_autoaccept.parse.forbidden_characters import MARK, is_marked
from pm_autoaccept.parse.response_envelope import read_links

_ELEMENTS: Mapping[str, Kind] = MappingProxyType(
    {"account": Kind.CONNECTION, "property": Kind.PROPERTY, "meter": Kind.METER}
)
_ID: Mapping[Kind, str] = MappingProxyType(
    {Kind.CONNECTION: "accountId", Kind.PROPERTY: "propertyId", Kind.METER: "meterId"}
)
_ID_FIELD: Mapping[Kind, str] = MappingProxyType(
    {Kind.CONNECTION: "account.id", Kind.PROPERTY: "property.id", Kind.METER: "id"}
)
_SQUARE_FEET: Mapping[str | None, Decimal] = MappingProxyType(
    {"Square Feet": Decimal(1), "Square Meters": Decimal("10.7639104167")}
)


def parse_pending_page(kind: Kind, body: bytes) -> PendingPage:
    """Parse one page of the pending list of this kind.

    An element without a usable id becomes an `Unreadable`, and so does a request of another kind. Neither affects the
    other elements.

    Raises:
        DocumentRefused: the document is not a `pendingList`, or cannot be trusted as a whole.
    """
    root = open_list(body, "pendingList")
    read = [_request(kind, element) for element in root if local_name(element) in _ELEMENTS]
    return PendingPage(
        requests=tuple(request for request in read if isinstance(request, PendingRequest)),
        unreadable=tuple(request for request in read if isinstance(request, Unreadable)),
        has_next=any(link.is_next_page for link in read_links(root)),
    )


def read_account_info(info: ElementReader) -> AccountInfo:
    """Who a customer is, from `accountInfo`."""
    return AccountInfo(
        first_name=info.value("firstName", "account.first_name", as_written),
        last_name=info.value("lastName", "account.last_name", as_written),
        email=info.value("email", "account.email", as_written),
        phone=info.value("phone", "account.phone", as_written),
        job_title=info.value("jobTitle", "account.job_title", as_written),
        organization=info.value("organization", "account.organization", as_written),
        address=_address(info.group("address"), "account.address"),
    )


def read_custom_fields(lists: list[Element], faults: dict[str, str]) -> tuple[CustomField, ...]:
    """The values of `customFieldList` elements in document order, including repetitions."""
    fields = []
    for element in (field for each in lists for field in children(each, "customField")):
        name = attribute(element, "name") or ""
        if MARK in element.get("name", ""):
            faults.setdefault("custom.", f"a customField has the name {name!r}")
        try:
            fields.append(CustomField(name, own_text(element)))
        except UnreadableText as error:
            faults.setdefault(f"custom.{name}", f"customField {error}")
    return tuple(fields)


def replace_answers(source: bytes, instead: Callable[[str, str], str | None]) -> bytes:
    """The bytes of one request with replaced custom field values, for masking.

    Args:
        source: as in `PendingRequest.source` or `Unreadable.source`.
        instead: called with the name and text of each custom field; returns the new text, or None to keep it.

    Raises:
        DocumentRefused: the bytes are not a well-formed element.
    """
    element = parsed(source)
    changed = False
    for field in [each for each in element.iter() if local_name(each) == "customField"]:
        name = attribute(field, "name") or ""
        text = instead(name, "".join(map(str, field.itertext())))
        if text is not None:
            tail = field.tail
            field.clear()
            field.text, field.tail = text, tail
            field.set("name", name)
            changed = True
    return own_bytes(element) if changed else source


def _request(kind: Kind, element: Element) -> PendingRequest | Unreadable:
    """One request, or why it can never be answered."""
    source = own_bytes(element)
    if _ELEMENTS[local_name(element)] is not kind:
        return Unreadable(kind, f"a {local_name(element)} element in the {kind} list", source)
    faults: dict[str, str] = {}
    reading = ElementReader(element, faults)
    identity = reading.value(_ID[kind], _ID_FIELD[kind], read_positive_id)
    if identity is None:
        return Unreadable(kind, faults.get(_ID_FIELD[kind], f"it has no {_ID[kind]}"), source)
    share = kind is not Kind.CONNECTION
    account, property_ = reading.group("accountInfo"), reading.group("propertyInfo")
    audit = reading.group("shareAudit" if share else "connectionAudit")
    return PendingRequest(
        kind=kind,
        id=identity,
        account_id=reading.value("accountId", "account.id", read_positive_id),
        username=reading.value("username", "account.username", as_written),
        sender_id=audit.value("createdByAccountId", "sender.id", read_id),
        sender_username=audit.value("createdBy", "sender.username", as_written),
        requested_at=audit.value("createdDate", "requested_at", read_moment),
        access_level=reading.value("accessLevel", "access_level", read_access_level) if share else None,
        custom=read_custom_fields(reading.all("customFieldList"), faults),
        account_info=None if share or not account.present() else read_account_info(account),
        property_id=reading.value("propertyId", "property.id", read_positive_id) if share else None,
        property_info=_property_info(property_) if share and property_.present() else None,
        meter_info=_meter_info(reading) if kind is Kind.METER else None,
        garbled=where_marked(element) if is_marked(source) else None,
        faults=faults,
        source=source,
    )


def _property_info(info: ElementReader) -> PropertyInfo:
    return PropertyInfo(
        name=info.value("name", "property.name", as_written),
        primary_function=info.value("primaryFunction", "property.primary_function", as_written),
        construction_status=info.value("constructionStatus", "property.construction_status", as_written),
        gross_floor_area=_floor_area(info.group("grossFloorArea"), "property.gross_floor_area"),
        year_built=info.value("yearBuilt", "property.year_built", read_id),
        number_of_buildings=info.value("numberOfBuildings", "property.number_of_buildings", read_id),
        occupancy=info.value("occupancyPercentage", "property.occupancy", read_id),
        is_federal=info.value("isFederalProperty", "property.is_federal", read_boolean),
        is_institutional=info.value("isInstitutionalProperty", "property.is_institutional", read_boolean),
        address=_address(info.group("address"), "property.address"),
    )


def _floor_area(area: ElementReader, field: str) -> Decimal | None:
    """The floor area in square feet. A value without a known unit counts as unreadable."""
    if not area.present():
        return None
    value = area.value("value", field, read_decimal)
    units = area.attribute("units", field, as_written)
    if value is None or units not in _SQUARE_FEET:
        area.note(field, f"grossFloorArea has units {units!r}" if value is not None else "grossFloorArea has no value")
        return None
    return value * _SQUARE_FEET[units]


def _meter_info(meter: ElementReader) -> MeterInfo:
    """A meter has either meterInfo or wasteMeterInfo; with both or neither, everything about it is in doubt."""
    energy, waste = meter.group("meterInfo"), meter.group("wasteMeterInfo")
    info, category = (energy, "energy") if energy.present() else (waste, "waste")
    if energy.present() == waste.present():
        which = "both meterInfo and wasteMeterInfo" if energy.present() else "neither meterInfo nor wasteMeterInfo"
        info = ElementReader(None, meter.faults, doubt=f"the meter has {which}")
        info.note("meter.category", f"the meter has {which}")
    return MeterInfo(
        category=None if "meter.category" in meter.faults else category,
        name=info.value("name", "meter.name", as_written),
        type=info.value("type", "meter.type", as_written),
        unit=info.value("unitOfMeasure", "meter.unit", as_written),
        metered=info.value("metered", "meter.metered", read_boolean),
        in_use=info.value("inUse", "meter.in_use", read_boolean),
        first_bill_date=info.value("firstBillDate", "meter.first_bill_date", read_day),
        inactive_date=info.value("inactiveDate", "meter.inactive_date", read_day),
        aggregate=info.value("aggregateMeter", "meter.aggregate", read_boolean),
    )


def _address(address: ElementReader, field: str) -> Address:
    return Address(
        line1=address.attribute("address1", f"{field}.line1", as_written),
        line2=address.attribute("address2", f"{field}.line2", as_written),
        city=address.attribute("city", f"{field}.city", as_written),
        county=address.attribute("county", f"{field}.county", as_written),
        postal_code=address.attribute("postalCode", f"{field}.postal_code", as_written),
        state=address.attribute("state", f"{field}.state", as_written),
        other_state=address.attribute("otherState", f"{field}.other_state", as_written),
        country=address.attribute("country", f"{field}.country", as_written),
    )
