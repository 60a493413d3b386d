"""The services that we call, in one table: method, path, parameters, what is sent and what comes back.

Written from docs/protocol.md#services; a test compares it, and the simulator's own, with EPA's list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from pm_autoaccept.model import Kind


class Body(StrEnum):
    """The two documents that are sent: their root elements."""

    SHARING_RESPONSE = "sharingResponse"
    TERMINATE_SHARING_RESPONSE = "terminateSharingResponse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service.

    Attributes:
        name: ours, for metrics and tests; lower-case words joined by underscores.
        path: below the base URL; `{id}` is the id of the account, property, meter or custom field.
        parameters: what may stand in the query.
        sends: the root element of the body, None where there is none.
        receives: the root element of a successful answer.
        source: the section of the protocol page that describes it.
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    parameters: tuple[str, ...] = ()
    sends: Body | None = None
    receives: str
    source: str

    def call(self, id: int | None = None, **query: str) -> Call:  # noqa: A002 - Portfolio Manager's own word
        """One call of this service, for that id and with that query.

        Raises:
            ValueError: the id is missing, not wanted or not above 0, or a parameter is none of the service's.
        """
        if (id is not None) != ("{id}" in self.path) or (id is not None and id <= 0):
            raise ValueError(f"{self.name} cannot be called for id {id}")
        if not set(query) <= set(self.parameters):
            raise ValueError(f"{self.name} takes only {self.parameters}, not {sorted(query)}")
        return Call(self, self.path.format(id=id), MappingProxyType(query))


@dataclass(frozen=True, slots=True)
class Call:
    """A service to be called: the path with its id, and the query."""

    service: Service
    path: str
    query: Mapping[str, str]

    def __str__(self) -> str:
        """Method, path and query, as errors and logs name it."""
        query = "&".join(f"{name}={value}" for name, value in self.query.items())
        return f"{self.service.method} {self.path}" + (f"?{query}" if query else "")


_PAGE = "docs/protocol.md#"


def _pending_list(name: str, path: str, section: str) -> Service:
    return Service(
        name=name, method="GET", path=path, parameters=("page",), receives="pendingList", source=_PAGE + section
    )


def _answer(name: str, path: str, section: str) -> Service:
    return Service(
        name=name,
        method="POST",
        path=path,
        sends=Body.SHARING_RESPONSE,
        receives="response",
        source=_PAGE + section,
    )


def _end(name: str, path: str, section: str, parameters: tuple[str, ...] = ()) -> Service:
    return Service(
        name=name,
        method="POST",
        path=path,
        parameters=parameters,
        sends=Body.TERMINATE_SHARING_RESPONSE,
        receives="response",
        source=_PAGE + section,
    )


def _read(name: str, path: str, receives: str, section: str) -> Service:
    return Service(name=name, method="GET", path=path, receives=receives, source=_PAGE + section)


PENDING: Mapping[Kind, Service] = MappingProxyType(
    {
        Kind.CONNECTION: _pending_list("pending_connections", "/connect/account/pending/list", "pending-connections"),
        Kind.PROPERTY: _pending_list("pending_properties", "/share/property/pending/list", "pending-properties"),
        Kind.METER: _pending_list("pending_meters", "/share/meter/pending/list", "pending-meters"),
    }
)
ANSWER: Mapping[Kind, Service] = MappingProxyType(
    {
        Kind.CONNECTION: _answer("answer_connection", "/connect/account/{id}", "answer-connection"),
        Kind.PROPERTY: _answer("answer_property", "/share/property/{id}", "answer-property"),
        Kind.METER: _answer("answer_meter", "/share/meter/{id}", "answer-meter"),
    }
)
DISCONNECT = _end("disconnect", "/disconnect/account/{id}", "disconnect", ("keepShares",))
UNSHARE: Mapping[Kind, Service] = MappingProxyType(
    {
        Kind.METER: _end("unshare_meter", "/unshare/meter/{id}", "unshare-meter"),
        Kind.PROPERTY: _end("unshare_property", "/unshare/property/{id}", "unshare-property"),
    }
)
NOTIFICATIONS = Service(
    name="notifications",
    method="GET",
    path="/notification/list",
    parameters=("clear",),
    receives="notificationList",
    source="docs/protocol.md#notifications",
)

ACCOUNT = _read("account", "/account", "account", "account")
CUSTOMERS = _read("customers", "/customer/list", "response", "customer-list")
CUSTOMER = _read("customer", "/customer/{id}", "customer", "customer")
SHARED_PROPERTIES = _read("shared_properties", "/account/{id}/property/list", "response", "shared-properties")
ANSWERS_AT_CONNECTION = _read(
    "answers_at_connection", "/account/{id}/customFieldList", "customFieldList", "custom-field-values"
)
CUSTOM_FIELDS = _read("custom_fields", "/dataExchangeSettings/customField/list", "response", "custom-field-list")
CUSTOM_FIELD = _read("custom_field", "/dataExchangeSettings/customField/{id}", "customField", "custom-field")
HIERARCHY: Mapping[Kind, Service] = MappingProxyType(
    {
        Kind.PROPERTY: _read("property_hierarchy", "/idHierarchy/property/{id}", "hierarchy", "hierarchy"),
        Kind.METER: _read("meter_hierarchy", "/idHierarchy/meter/{id}", "hierarchy", "hierarchy"),
    }
)

SERVICES: tuple[Service, ...] = (
    *PENDING.values(),
    *ANSWER.values(),
    DISCONNECT,
    *UNSHARE.values(),
    NOTIFICATIONS,
    ACCOUNT,
    CUSTOMERS,
    CUSTOMER,
    SHARED_PROPERTIES,
    ANSWERS_AT_CONNECTION,
    CUSTOM_FIELDS,
    CUSTOM_FIELD,
    *HIERARCHY.values(),
)
"""Every service that we call: EPA's ten Connection/Share services first, then what is needed beside them."""
