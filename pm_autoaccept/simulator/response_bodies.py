"""What the simulator sends, as bytes: valid by EPA's schema, without indentation, with EPA's own first line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from lxml import etree

from pm_autoaccept.model import CustomField, CustomFieldDefinition, Kind, Notification
from pm_autoaccept.simulator import elements
from pm_autoaccept.simulator.elements import add
from pm_autoaccept.simulator.error_answers import Refusal
from pm_autoaccept.simulator.world import Account, Listed, Tie, World

PROLOG = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
"""The exact beginning of each body (docs/protocol.md#encoding)."""


def _bytes(root: etree._Element) -> bytes:
    return PROLOG + etree.tostring(root, encoding="UTF-8", xml_declaration=False)


def ok(links: Iterable[etree._Element] | None = None) -> bytes:
    """A response that all went well, with links where the service answers with links (docs/protocol.md#response)."""
    root = elements.element("response", status="Ok")
    if links is not None:
        root.append(elements.links(links))
    return _bytes(root)


def error(refusal: Refusal) -> bytes:
    """A response that says no (docs/protocol.md#errors)."""
    root = elements.element("response", status="Error")
    errors = etree.SubElement(root, "errors")
    errors.append(elements.element("error", errorNumber=str(refusal.number), errorDescription=refusal.text))
    return _bytes(root)


def pending_list(
    world: World, listed: Sequence[Listed], links: Sequence[etree._Element], *, empty_links: bool
) -> bytes:
    """One page of a pending list (docs/protocol.md#pending-list)."""
    root = etree.Element("pendingList")
    for each in listed:
        root.append(_PENDING[each.tie.key.kind](world, each.tie, each.values))
    if links or (empty_links and not listed):
        root.append(elements.links(links))
    return _bytes(root)


_Values: TypeAlias = tuple[CustomField, ...] | None


def _values(values: _Values) -> list[etree._Element]:
    return [] if values is None else [elements.custom_field_list(values)]


def _pending_account(world: World, tie: Tie, values: _Values) -> etree._Element:
    account = world.account(tie.key.id)
    made = etree.Element("account")
    add(made, "accountId", account.id)
    add(made, "username", account.username)
    made.extend(_values(values))
    made.append(elements.account_info(account.info))
    made.append(elements.audit("connectionAudit", by=world.account(tie.sender), at=tie.asked_at))
    return made


def _pending_property(world: World, tie: Tie, values: _Values) -> etree._Element:
    home = world.properties[tie.key.id]
    owner = world.account(home.owner)
    made = etree.Element("property")
    add(made, "propertyId", home.id)
    made.extend(_values(values))
    add(made, "accessLevel", tie.access)
    add(made, "accountId", owner.id)
    add(made, "username", owner.username)
    made.append(elements.property_info(home, owner))
    made.append(elements.audit("shareAudit", by=world.account(tie.sender), at=tie.asked_at))
    return made


def _pending_meter(world: World, tie: Tie, values: _Values) -> etree._Element:
    meter = world.meters[tie.key.id]
    home = world.properties[meter.property_id]
    owner = world.account(home.owner)
    made = etree.Element("meter")
    add(made, "meterId", meter.id)
    add(made, "propertyId", home.id)
    add(made, "accountId", owner.id)
    add(made, "username", owner.username)
    made.extend(_values(values))
    add(made, "accessLevel", tie.access)
    made.append(elements.property_info(home, owner))
    made.append(elements.meter_info(meter))
    made.append(elements.audit("shareAudit", by=world.account(tie.sender), at=tie.asked_at))
    return made


_PENDING = {Kind.CONNECTION: _pending_account, Kind.PROPERTY: _pending_property, Kind.METER: _pending_meter}


def notification_list(notifications: Iterable[Notification]) -> bytes:
    """All notifications at once: there is no paging (docs/protocol.md#notifications)."""
    root = etree.Element("notificationList")
    for each in notifications:
        made = etree.SubElement(root, "notification")
        add(made, "notificationTypeCode", each.type)
        add(made, "notificationId", each.id)
        add(made, "description", each.description)
        add(made, "accountId", each.account_id)
        add(made, "username", each.username or "")
        add(made, "propertyId", each.property_id)
        add(made, "meterId", each.meter_id)
        if each.created_at is not None:
            add(made, "notificationCreatedDate", elements.timestamp(each.created_at))
        add(made, "notificationCreatedBy", each.created_by)
        add(made, "notificationCreatedByAccountId", each.created_by_account_id)
    return _bytes(root)


def account(value: Account) -> bytes:
    """The caller's own account, its password masked (docs/protocol.md#account)."""
    info = value.info
    root = etree.Element("account")
    add(root, "id", value.id)
    add(root, "username", value.username)
    add(root, "password", "********")
    add(root, "webserviceUser", True)  # noqa: FBT003 - the text of an element
    add(root, "searchable", True)  # noqa: FBT003 - the text of an element
    contact = etree.SubElement(root, "contact")
    contact.append(elements.address("address", info.address))
    for tag, text in (
        ("email", info.email),
        ("firstName", info.first_name),
        ("phone", info.phone),
        ("lastName", info.last_name),
        ("jobTitle", info.job_title),
    ):
        add(contact, tag, text or "-")
    organization = elements.element("organization", name=info.organization)
    add(organization, "primaryBusiness", value.primary_business)
    add(organization, "energyStarPartner", False)  # noqa: FBT003 - the text of an element
    root.append(organization)
    return _bytes(root)


def customer(value: Account) -> bytes:
    """A connected customer (docs/protocol.md#customer)."""
    root = etree.Element("customer")
    add(root, "username", value.username)
    root.append(elements.account_info(value.info))
    return _bytes(root)


def custom_field_list(values: Iterable[CustomField]) -> bytes:
    """What a customer answered (docs/protocol.md#custom-field-values)."""
    return _bytes(elements.custom_field_list(values))


def custom_field(definition: CustomFieldDefinition) -> bytes:
    """A custom field that the provider defines (docs/protocol.md#custom-field)."""
    root = elements.element(
        "customField",
        name=definition.name,
        required=elements.flag(bool(definition.required)),
        validCharacters=definition.valid_characters or "Any",
        whenToPrompt=definition.when_to_prompt or "Once",
    )
    add(root, "minChars", definition.min_chars)
    add(root, "maxChars", definition.max_chars)
    return _bytes(root)


def settings(*, meter_types: Sequence[str], terms_url: str | None) -> bytes:
    """The provider's data exchange settings; no meter types where all are supported.

    See docs/protocol.md#data-exchange-settings.
    """
    root = etree.Element("dataExchangeSettings")
    terms = etree.SubElement(root, "termsOfUse")
    add(terms, "none" if terms_url is None else "url", terms_url or "")
    if meter_types:
        supported = etree.SubElement(root, "supportedMeterTypes")
        for each in meter_types:
            add(supported, "meterType", each)
    return _bytes(root)


def hierarchy(*, owner: Account, property_id: int, meter_id: int | None = None) -> bytes:
    """Whose a property or meter is (docs/protocol.md#hierarchy)."""
    root = etree.Element("hierarchy")
    add(root, "accountId", owner.id)
    add(root, "username", owner.username)
    add(root, "propertyId", property_id)
    add(root, "meterId", meter_id)
    return _bytes(root)
