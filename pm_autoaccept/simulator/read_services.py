"""Read-only services: pending lists, notifications, accounts, custom fields (docs/protocol.md#services)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from lxml import etree

from pm_autoaccept.model import Kind, RequestKey
from pm_autoaccept.simulator import elements, response_bodies
from pm_autoaccept.simulator.error_answers import access_denied, not_found, not_shared
from pm_autoaccept.simulator.pending_lists import Lists
from pm_autoaccept.simulator.service_call import Answer, ServiceCall
from pm_autoaccept.simulator.world import Effect, State, World


def _pending(lists: Lists, kind: Kind, path: str, asked: ServiceCall) -> Answer:
    number, inferred = _page(asked), asked.inferred
    page = lists.page(asked.world, kind, number, inferred=inferred, now=asked.now)
    if number > 1 and not page.listed and inferred.page_beyond_the_end == "not_found":
        raise not_found()
    links = []
    if page.more:
        links.append(elements.link("next page", f"{path}?page={number + 1}"))
    if number > 1 and inferred.previous_links:
        links.append(elements.link("previous page", f"{path}?page={number - 1}"))
    empty_links = inferred.empty_list_has_links
    return Answer(response_bodies.pending_list(asked.world, page.listed, links, empty_links=empty_links))


def _page(asked: ServiceCall) -> int:
    written = asked.query.get("page", "1")
    digits = written.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):  # noqa: PLR2004 - xs:int has ten digits
        raise not_found()
    page = int(written)
    if page < 1 and asked.inferred.page_below_one == "not_found":
        raise not_found()
    return max(page, 1)


def _notifications(asked: ServiceCall) -> Answer:
    world = asked.world
    shown = [each for each in world.notifications if asked.inferred.cleared_shown_again or each.id not in world.read]
    if asked.query.get("clear", "true").lower() != "true":
        return Answer(response_bodies.notification_list(shown))
    cleared = tuple(
        Effect(kind="notification", id=each.id, before="unread", after="read", what="notification")
        for each in shown
        if each.id not in world.read
    )
    world.read.update(each.id for each in shown)
    return Answer(response_bodies.notification_list(shown), cleared)


def _account(asked: ServiceCall) -> Answer:
    return Answer(response_bodies.account(asked.caller))


def _customers(asked: ServiceCall) -> Answer:
    world = asked.world
    accounts = [world.account(tie.key.id) for tie in world.having(Kind.CONNECTION, State.ACTIVE)]
    return Answer(
        response_bodies.ok(
            elements.link(
                "This is the GET url for this Customer.",
                f"/customer/{each.id}",
                id_=each.id,
                hint=each.info.organization,
            )
            for each in sorted(accounts, key=lambda account: account.id)
        )
    )


def _customer(asked: ServiceCall) -> Answer:
    account_id = asked.ids["accountId"]
    if not asked.world.connected(account_id):
        raise access_denied()
    return Answer(response_bodies.customer(asked.world.account(account_id)))


def _properties(asked: ServiceCall) -> Answer:
    world, account_id = asked.world, asked.ids["accountId"]
    shared = [
        world.properties[tie.key.id]
        for tie in world.having(Kind.PROPERTY, State.ACTIVE)
        if account_id in {world.owner_of(tie.key), tie.sender}  # of, or through, that account
    ]
    if not shared and not world.connected(account_id):
        raise access_denied()
    return Answer(
        response_bodies.ok(_property_link(each.id, each.name) for each in sorted(shared, key=lambda each: each.id))
    )


def _property_link(id_: int, name: str) -> etree._Element:
    # the link really is /building/{id}, not /property/{id} (docs/protocol.md#shared-properties)
    return elements.link("This is the GET url for this Property.", f"/building/{id_}", id_=id_, hint=name)


def _values(kind: Kind, id_name: str, asked: ServiceCall) -> Answer:
    key = RequestKey(kind, asked.ids[id_name])
    _require(asked, key, pending_too=asked.inferred.values_readable_while_pending)
    return Answer(response_bodies.custom_field_list(asked.world.answers.get(key, ())))


def _hierarchy(kind: Kind, id_name: str, asked: ServiceCall) -> Answer:
    key = RequestKey(kind, asked.ids[id_name])
    _require(asked, key, pending_too=True)  # the only look-up that works before acceptance (docs/protocol.md#hierarchy)
    home = asked.world.property_of(key)
    owner = asked.world.account(home.owner)
    meter_id = key.id if kind is Kind.METER else None
    return Answer(response_bodies.hierarchy(owner=owner, property_id=home.id, meter_id=meter_id))


def _require(asked: ServiceCall, key: RequestKey, *, pending_too: bool) -> None:
    allowed = {State.ACTIVE, State.PENDING} if pending_too else {State.ACTIVE}
    if asked.world.state(key.kind, key.id) not in allowed:
        raise not_shared(asked.inferred)


def _settings(asked: ServiceCall) -> Answer:
    return Answer(response_bodies.settings(meter_types=asked.world.meter_types, terms_url=asked.world.terms_url))


def _custom_fields(asked: ServiceCall) -> Answer:
    return Answer(response_bodies.ok(_custom_field_links(asked.world)))


def _custom_field_links(world: World) -> Iterable[etree._Element]:
    # without an id attribute: EPA's own answer has none (docs/protocol.md#custom-field-list)
    for each in world.custom_fields:
        path = f"/dataExchangeSettings/customField/{each.id}"
        yield elements.link("This is the GET url for this Custom Field.", path, hint=each.name)


def _custom_field(asked: ServiceCall) -> Answer:
    for definition in asked.world.custom_fields:
        if definition.id == asked.ids["customFieldId"]:
            return Answer(response_bodies.custom_field(definition))
    raise not_found()


def read_handlers() -> dict[str, Callable[[ServiceCall], Answer]]:
    """The handler of each read-only service, by service name."""
    lists = Lists()
    return {
        "list_pending_connections": partial(_pending, lists, Kind.CONNECTION, "/connect/account/pending/list"),
        "list_pending_properties": partial(_pending, lists, Kind.PROPERTY, "/share/property/pending/list"),
        "list_pending_meters": partial(_pending, lists, Kind.METER, "/share/meter/pending/list"),
        "list_notifications": _notifications,
        "get_account": _account,
        "list_customers": _customers,
        "get_customer": _customer,
        "list_properties": _properties,
        "get_account_values": partial(_values, Kind.CONNECTION, "accountId"),
        "get_property_values": partial(_values, Kind.PROPERTY, "propertyId"),
        "get_meter_values": partial(_values, Kind.METER, "meterId"),
        "get_settings": _settings,
        "list_custom_fields": _custom_fields,
        "get_custom_field": _custom_field,
        "get_property_hierarchy": partial(_hierarchy, Kind.PROPERTY, "propertyId"),
        "get_meter_hierarchy": partial(_hierarchy, Kind.METER, "meterId"),
    }
