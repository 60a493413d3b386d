"""The elements that documents are made of, each as EPA's schema wants it (docs/protocol.md#documents)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

from lxml import etree

from pm_autoaccept.model import AccountInfo, Address, CustomField
from pm_autoaccept.simulator.world import Account, Meter, Property

EASTERN = timezone(timedelta(hours=-5))
"""Portfolio Manager says its times "in EST" (docs/protocol.md#dates)."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """The text without the characters that XML 1.0 cannot carry."""
    return _NOT_XML.sub("", text)


def timestamp(moment: datetime) -> str:
    """A moment as Portfolio Manager writes it: milliseconds and the offset of EST."""
    return moment.astimezone(EASTERN).isoformat(timespec="milliseconds")


def flag(value: bool) -> str:  # noqa: FBT001 - it turns just this value into text
    """`true` or `false`."""
    return "true" if value else "false"


def element(tag: str, text: object = None, **attributes: str | None) -> etree._Element:
    """An element with text and attributes; attributes that are None are left out."""
    made = etree.Element(tag, {name: clean(value) for name, value in attributes.items() if value is not None})
    if text is not None:
        made.text = clean(str(text))
    return made


def add(parent: etree._Element, tag: str, text: object) -> None:
    """Append a child with this text; None appends nothing, a boolean is written in lower case."""
    if text is not None:
        parent.append(element(tag, flag(text) if isinstance(text, bool) else text))


def address(tag: str, value: Address) -> etree._Element:
    """An address: eight attributes."""
    return element(
        tag,
        address1=value.line1,
        address2=value.line2,
        city=value.city,
        county=value.county,
        postalCode=value.postal_code,
        state=value.state,
        otherState=value.other_state,
        country=value.country,
    )


def account_info(info: AccountInfo) -> etree._Element:
    """Who a customer is, its children in the order of real documents (docs/protocol.md#account-info)."""
    made = etree.Element("accountInfo")
    made.append(address("address", info.address))
    add(made, "email", info.email or "")
    add(made, "firstName", info.first_name or "")
    add(made, "phone", info.phone or "")
    add(made, "lastName", info.last_name or "")
    add(made, "jobTitle", info.job_title or "")
    add(made, "organization", info.organization)
    return made


def custom_field_list(values: Iterable[CustomField]) -> etree._Element:
    """Custom-field values, in order."""
    made = etree.Element("customFieldList")
    made.extend([element("customField", value.value, name=value.name) for value in values])
    return made


def audit(tag: str, *, by: Account, at: datetime) -> etree._Element:
    """Who asked, and when (connectionAudit, shareAudit, audit)."""
    made = etree.Element(tag)
    for verb in ("created", "lastUpdated"):
        add(made, f"{verb}By", by.username)
        add(made, f"{verb}ByAccountId", by.id)
        add(made, f"{verb}Date", timestamp(at))
    return made


def property_info(value: Property, owner: Account) -> etree._Element:
    """What a share says of its property; there is no id in it (docs/protocol.md#property-info)."""
    made = etree.Element("propertyInfo")
    add(made, "name", value.name)
    if value.address is not None:
        made.append(address("address", value.address))
    add(made, "numberOfBuildings", value.number_of_buildings)
    add(made, "constructionStatus", value.construction_status)
    add(made, "primaryFunction", value.primary_function)
    add(made, "yearBuilt", value.year_built)
    if value.floor_area is not None:
        area = element("grossFloorArea", units=value.floor_area_units, temporary="false", default="N/A")
        add(area, "value", value.floor_area)
        made.append(area)
    add(made, "occupancyPercentage", value.occupancy)
    add(made, "isFederalProperty", value.is_federal)
    add(made, "isInstitutionalProperty", value.is_institutional)
    if value.created_at is not None:
        made.append(audit("audit", by=owner, at=value.created_at))
    return made


def meter_info(value: Meter) -> etree._Element:
    """What a share says of its meter: `meterInfo`, or `wasteMeterInfo` for waste (docs/protocol.md#meter-info)."""
    waste = value.category == "waste"
    made = etree.Element("wasteMeterInfo" if waste else "meterInfo")
    add(made, "id", value.id)
    add(made, "name", value.name)
    if not waste:
        add(made, "metered", value.metered)
    add(made, "type", value.type)
    add(made, "unitOfMeasure", value.unit)
    if waste:
        add(made, "dataEntryMethod", value.data_entry_method)
        add(made, "containerSize", value.container_size)
    add(made, "firstBillDate", value.first_bill_date)
    add(made, "inUse", value.in_use)
    add(made, "inactiveDate", value.inactive_date)
    if not waste:
        add(made, "aggregateMeter", value.aggregate)
    return made


def link(
    description: str, path: str, *, id_: int | None = None, hint: str | None = None, method: str = "GET"
) -> etree._Element:
    """A link, relative to the base, with a leading slash (docs/protocol.md#paging)."""
    number = None if id_ is None else str(id_)
    return element("link", id=number, linkDescription=description, link=path, httpMethod=method, hint=hint)


def links(each: Iterable[etree._Element]) -> etree._Element:
    """Several links, or none."""
    made = etree.Element("links")
    made.extend(list(each))
    return made
