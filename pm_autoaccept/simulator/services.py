"""Table of the simulator's services: method, path, bodies; written from docs/protocol.md#services."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

BASE = "/wstest"
"""The base path of the services, as in EPA's test environment (docs/protocol.md#environments)."""


class Caller(StrEnum):
    """Who may call a service."""

    PROVIDER = "provider"
    CUSTOMER = "customer"
    ANYBODY = "anybody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service.

    Attributes:
        name: its name in faults and in the log.
        path: relative to the base, with ids in braces.
        query: the names of its query parameters, all optional.
        receives: the root element of the request body, None for no body.
        answers: the root element of the response body.
    """

    name: str
    method: str
    path: str
    query: tuple[str, ...] = ()
    receives: str | None = None
    answers: str = "response"
    caller: Caller = Caller.PROVIDER


def _get(name: str, path: str, answers: str, *query: str, caller: Caller = Caller.PROVIDER) -> Service:
    return Service(name=name, method="GET", path=path, query=query, answers=answers, caller=caller)


def _post(name: str, path: str, receives: str, *query: str) -> Service:
    return Service(name=name, method="POST", path=path, query=query, receives=receives)


def _invite(name: str, path: str, *query: str) -> Service:
    return Service(name=name, method="POST", path=path, query=query, caller=Caller.CUSTOMER)


def _put_values(name: str, path: str) -> Service:
    return Service(name=name, method="PUT", path=path, receives="customFieldList", caller=Caller.CUSTOMER)


SERVICES: tuple[Service, ...] = (
    # The ten Connection/Share services (docs/protocol.md#services)
    _get("list_pending_connections", "/connect/account/pending/list", "pendingList", "page"),
    _post("answer_connection", "/connect/account/{accountId}", "sharingResponse"),
    _post("disconnect", "/disconnect/account/{accountId}", "terminateSharingResponse", "keepShares"),
    _get("list_pending_properties", "/share/property/pending/list", "pendingList", "page"),
    _post("answer_property", "/share/property/{propertyId}", "sharingResponse"),
    _get("list_pending_meters", "/share/meter/pending/list", "pendingList", "page"),
    _post("answer_meter", "/share/meter/{meterId}", "sharingResponse"),
    _post("unshare_meter", "/unshare/meter/{meterId}", "terminateSharingResponse"),
    _post("unshare_property", "/unshare/property/{propertyId}", "terminateSharingResponse"),
    _get("list_notifications", "/notification/list", "notificationList", "clear"),
    # Other services that a provider may call (docs/protocol.md#other-services)
    _get("get_account", "/account", "account", caller=Caller.ANYBODY),
    _get("list_customers", "/customer/list", "response"),
    _get("get_customer", "/customer/{accountId}", "customer"),
    _get("list_properties", "/account/{accountId}/property/list", "response"),
    _get("get_account_values", "/account/{accountId}/customFieldList", "customFieldList"),
    _get("get_property_values", "/property/{propertyId}/customFieldList", "customFieldList"),
    _get("get_meter_values", "/meter/{meterId}/customFieldList", "customFieldList"),
    _get("get_settings", "/dataExchangeSettings", "dataExchangeSettings"),
    _get("list_custom_fields", "/dataExchangeSettings/customField/list", "response"),
    _get("get_custom_field", "/dataExchangeSettings/customField/{customFieldId}", "customField"),
    _get("get_property_hierarchy", "/idHierarchy/property/{propertyId}", "hierarchy"),
    _get("get_meter_hierarchy", "/idHierarchy/meter/{meterId}", "hierarchy"),
    # How customers made requests in the test environment (docs/protocol.md#customer-services)
    _invite("invite_account", "/invite/account/{dxAccountId}"),
    _invite("invite_property", "/invite/account/{dxAccountId}/property/{propertyId}", "accessLevel"),
    _invite("invite_meter", "/invite/account/{dxAccountId}/meter/{meterId}", "accessLevel"),
    _put_values("put_account_values", "/account/customFieldList/recipient/{dxAccountId}"),
    _put_values("put_property_values", "/property/{propertyId}/customFieldList/recipient/{dxAccountId}"),
    _put_values("put_meter_values", "/meter/{meterId}/customFieldList/recipient/{dxAccountId}"),
)


@dataclass(frozen=True, slots=True)
class Match:
    """A service that matches a path, and the ids in the path."""

    service: Service
    ids: dict[str, int]


_ID = re.compile(r"-?[0-9]{1,18}", re.ASCII)


def matches(path: str) -> list[Match]:
    """The services with this path, for any method.

    A double or trailing slash is tolerated; a path with an invalid number does not match: docs/protocol.md#paths.
    """
    parts = [part for part in path.split("/") if part]
    return [match for service in SERVICES if (match := _match(service, parts)) is not None]


def _match(service: Service, parts: list[str]) -> Match | None:
    template = service.path.strip("/").split("/")
    if len(template) != len(parts):
        return None
    ids: dict[str, int] = {}
    for expected, found in zip(template, parts, strict=True):
        if expected.startswith("{"):
            if not _ID.fullmatch(found):
                return None
            ids[expected.strip("{}")] = int(found)
        elif expected != found:
            return None
    return Match(service, ids)
