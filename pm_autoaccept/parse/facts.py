"""Parses accounts, customers, properties, custom fields, hierarchies and notifications.

Sources: docs/protocol.md#notifications, docs/protocol.md#other-services.

These documents contain facts, and a partly read fact would look complete. So an unreadable value refuses the document.
Only a notification without an id is skipped, because no decision depends on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pm_autoaccept.errors import DocumentRefused
from pm_autoaccept.model import AccountInfo, CustomField, CustomFieldDefinition, Notification, ProviderAccount
from pm_autoaccept.parse.document import Element, children, open_document, open_list
from pm_autoaccept.parse.element_reader import (
    ElementReader,
    UnreadableText,
    as_written,
    read_boolean,
    read_id,
    read_moment,
    read_positive_id,
)
from pm_autoaccept.parse.pending import read_account_info, read_custom_fields
from pm_autoaccept.parse.response_envelope import Link, read_response

_CUSTOMER = re.compile(r"/customer/([^/?#]+)/?")
_PROPERTY = re.compile(r"/(?:building|property)/([^/?#]+)/?")
_CUSTOM_FIELD = re.compile(r"/dataExchangeSettings/customField/([^/?#]+)/?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """The account and property above a property or meter that is shared or pending. None where absent."""

    account_id: int | None = None
    username: str | None = None
    property_id: int | None = None
    property_use_id: int | None = None
    meter_id: int | None = None


def parse_account(body: bytes) -> ProviderAccount:
    """Our own account, from GET /account."""
    faults: dict[str, str] = {}
    root = open_document(body, "account")
    reading = ElementReader(root, faults)
    identity = reading.value("id", "id", read_positive_id)
    username = reading.value("username", "username", as_written)
    _refuse(faults)
    if identity is None or username is None:
        raise DocumentRefused("an account without an id or a username")
    # An unreadable value is ignored, because it must not prevent signing in.
    searchable = ElementReader(root, {}).value("searchable", "searchable", read_boolean)
    return ProviderAccount(identity, username, searchable)


def parse_customer_list(body: bytes) -> frozenset[int]:
    """The ids of the accounts that are connected to us, from GET /customer/list."""
    return frozenset(_linked_id(link, _CUSTOMER) for link in _links(body))


def parse_property_links(body: bytes) -> frozenset[int]:
    """The ids of the properties that an account shares with us, from GET /account/{id}/property/list."""
    return frozenset(_linked_id(link, _PROPERTY) for link in _links(body))


def parse_custom_field_links(body: bytes) -> tuple[CustomFieldDefinition, ...]:
    """The custom fields that our account defines, with names only, from GET /dataExchangeSettings/customField/list."""
    return tuple(
        CustomFieldDefinition(id=_linked_id(link, _CUSTOM_FIELD), name=link.hint or "") for link in _links(body)
    )


def parse_customer(body: bytes) -> AccountInfo:
    """Who a connected customer is, from GET /customer/{id}."""
    faults: dict[str, str] = {}
    account = ElementReader(open_document(body, "customer"), faults).group("accountInfo")
    if not account.present():
        faults["account"] = "the document lacks accountInfo"
    info = read_account_info(account)
    _refuse(faults)
    return info


def parse_custom_field_values(body: bytes) -> tuple[CustomField, ...]:
    """What a customer answered when connecting, from GET /account/{id}/customFieldList."""
    faults: dict[str, str] = {}
    fields = read_custom_fields([open_document(body, "customFieldList")], faults)
    _refuse(faults)
    return fields


def parse_custom_field(body: bytes, *, id: int) -> CustomFieldDefinition:  # noqa: A002 - Portfolio Manager's own word
    """One custom field in full, from GET /dataExchangeSettings/customField/{id}, which does not repeat the id."""
    faults: dict[str, str] = {}
    reading = ElementReader(open_document(body, "customField"), faults)
    definition = CustomFieldDefinition(
        id=id,
        name=reading.attribute("name", "name", as_written) or "",
        required=reading.attribute("required", "required", read_boolean),
        valid_characters=reading.attribute("validCharacters", "validCharacters", as_written),
        when_to_prompt=reading.attribute("whenToPrompt", "whenToPrompt", as_written),
        min_chars=reading.value("minChars", "minChars", read_id),
        max_chars=reading.value("maxChars", "maxChars", read_id),
    )
    _refuse(faults)
    return definition


def parse_hierarchy(body: bytes) -> Hierarchy:
    """The account and property above a property or meter, from GET /idHierarchy/…."""
    faults: dict[str, str] = {}
    reading = ElementReader(open_document(body, "hierarchy"), faults)
    hierarchy = Hierarchy(
        account_id=reading.value("accountId", "accountId", read_id),
        username=reading.value("username", "username", as_written),
        property_id=reading.value("propertyId", "propertyId", read_id),
        property_use_id=reading.value("propertyUseId", "propertyUseId", read_id),
        meter_id=reading.value("meterId", "meterId", read_id),
    )
    _refuse(faults)
    return hierarchy


def parse_notifications(body: bytes) -> tuple[Notification, ...]:
    """Notifications in document order, from GET /notification/list."""
    root = open_list(body, "notificationList")
    read = (_notification(element) for element in children(root, "notification"))
    return tuple(notification for notification in read if notification is not None)


def _notification(element: Element) -> Notification | None:
    """One notification; unreadable values are None, and one without a readable id is skipped."""
    reading = ElementReader(element, {})
    identity = reading.value("notificationId", "id", read_id)
    if identity is None:
        return None
    return Notification(
        id=identity,
        type=reading.value("notificationTypeCode", "type", as_written) or "",
        description=reading.value("description", "description", as_written) or "",
        account_id=reading.value("accountId", "account_id", read_id),
        username=reading.value("username", "username", as_written),
        property_id=reading.value("propertyId", "property_id", read_id),
        meter_id=reading.value("meterId", "meter_id", read_id),
        created_at=reading.value("notificationCreatedDate", "created_at", read_moment),
        created_by=reading.value("notificationCreatedBy", "created_by", as_written),
        created_by_account_id=reading.value("notificationCreatedByAccountId", "created_by_account_id", as_written),
    )


def _links(body: bytes) -> tuple[Link, ...]:
    """The links of a list. A list with status Error or with more pages is refused, because it is incomplete."""
    response = read_response(open_list(body, "response"))
    if not response.ok:
        raise DocumentRefused("a response with status Error, where a list was expected")
    if any(link.is_next_page for link in response.links):
        raise DocumentRefused("a list with more pages, where the complete list was expected")
    return response.links


def _linked_id(link: Link, path: re.Pattern[str]) -> int:
    """The id in a link's URL or id attribute; two different ids are refused."""
    address = path.search(link.link or "")
    written = {text for text in (link.id, address and address[1]) if text}  # mostly the same text twice
    try:
        named = {read_positive_id(text) for text in written}
    except UnreadableText as error:
        raise DocumentRefused(f"a link whose id {error}") from error
    if len(named) != 1:
        raise DocumentRefused(f"a link that names {'two ids' if named else 'no id'}: {(link.link or '')[:80]!r}")
    return named.pop()


def _refuse(faults: dict[str, str]) -> None:
    """Refuse a document with an unreadable value."""
    for why in faults.values():
        raise DocumentRefused(why)
