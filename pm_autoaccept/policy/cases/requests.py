"""Parse `request` in a test case: by field names, or from an xml file as Portfolio Manager sends it."""

from __future__ import annotations

from collections.abc import Mapping

from pm_autoaccept.errors import DocumentRefused, Fault
from pm_autoaccept.model import AccountInfo, Address, Kind, MeterInfo, PendingRequest, PropertyInfo
from pm_autoaccept.policy import synonyms
from pm_autoaccept.policy.cases.case import NOT_STATED
from pm_autoaccept.policy.cases.values import CaseValues, read_case_values
from pm_autoaccept.policy.enumerations import ENERGY_METER_TYPES
from pm_autoaccept.policy.messages import listed, perhaps, some
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Node, Place, Text
from pm_autoaccept.policy.values import Value

_DIRECTLY = {
    "account.id": "account_id",
    "account.username": "username",
    "sender.id": "sender_id",
    "sender.username": "sender_username",
    "requested_at": "requested_at",
    "access_level": "access_level",
    "property.id": "property_id",
}
"""Field → attribute of a request."""
DERIVED_FIELDS = {
    "account.email_domain": "`account.email`",
    "forwarded": "`account.id` and `sender.id`",
    "age": "`requested_at`, and `now` next to `request`",
}
"""Field → the fields from which it is derived."""
FACT_FIELDS = (
    "account.connected",
    "held_for",
    "property.share",
    "property.verdict",
    "connection.custom.",
    "property.custom.",
)
"""Fields that no request carries; a name that ends with a dot is a prefix."""
_OF_EVERY_OWNER = ("account.id", "account.username")


def is_fact(name: str, kind: Kind) -> bool:
    """Whether a field belongs under `facts:`, because this kind of request does not carry it."""
    from_connection = kind is not Kind.CONNECTION and name.startswith("account.") and name not in _OF_EVERY_OWNER
    return name.startswith(FACT_FIELDS) or from_connection


def read_request(node: Node, files: Mapping[str, bytes], faults: list[Fault]) -> PendingRequest | None:
    """Parse the request of a case; None if it has errors.

    Args:
        node: the value of `request`.
        files: name → contents, of the files in the policy folder.
        faults: errors are added here.
    """
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            example = "{kind: connection, account: {id: 410221, username: riverside}}"
            faults.append(
                node.place.fault(f"`request` must be a mapping of fields, for example {example}, or `xml: FILE`")
            )
        return None
    entries = {key.value: value for key, value in node.entries}
    if "xml" in entries:
        return _from_xml(node, entries, files, faults)
    kind = entries.get("kind")
    if not isinstance(kind, Text) or kind.value not in set(Kind):
        if not isinstance(kind, Broken):
            meant = perhaps(kind.value, Kind, synonyms.KIND) if isinstance(kind, Text) else ""
            faults.append((kind or node).place.fault(f"missing or unknown `kind`{meant}; use {listed(Kind)}"))
        return None
    before = len(faults)
    stated = read_case_values(node, kind=Kind(kind.value), faults=faults)
    _check(stated, Kind(kind.value), node.place, faults)
    return build_request(Kind(kind.value), stated) if len(faults) == before else None


def _check(stated: CaseValues, kind: Kind, where: Place, faults: list[Fault]) -> None:
    for name, place in stated.places.items():
        if name in DERIVED_FIELDS:
            faults.append(place.fault(f"`{name}` is derived; give {DERIVED_FIELDS[name]} instead"))
        elif is_fact(name, kind):
            faults.append(place.fault(f"a {kind} request does not carry `{name}`; move it to `facts:`"))
    if "sender.id" in stated.values and "account.id" not in stated.values:
        faults.append(where.fault("missing `account.id`; with `sender.id` both are needed to tell whether they differ"))
    category = stated.values.get("meter.category")
    if category is not None and "meter.type" in stated.values and category != _category(stated.values):
        fault = f"this `meter.type` has the category {_category(stated.values)}; remove `meter.category`"
        faults.append(stated.places["meter.category"].fault(fault))
    own = {Kind.CONNECTION: "account.id", Kind.PROPERTY: "property.id"}.get(kind)
    if own and stated.values.get("id", stated.values.get(own)) != stated.values.get(own, stated.values.get("id")):
        faults.append(stated.places["id"].fault(f"the `id` of a {kind} request is its `{own}`; keep one of them"))


def build_request(kind: Kind, stated: CaseValues) -> PendingRequest:
    """A request that carries the given values and nothing else."""
    values = dict(stated.values)
    own = {Kind.CONNECTION: "account.id", Kind.PROPERTY: "property.id"}.get(kind)
    id_ = values.get("id", values.get(own or "id"))
    if own and id_ is not None:
        values[own] = id_
    carries = {attribute: values[name] for name, attribute in _DIRECTLY.items() if name in values}
    share, meter = kind is not Kind.CONNECTION, kind is Kind.METER
    if "meter.type" in values:
        values.setdefault("meter.category", _category(values))
    return PendingRequest(
        kind=kind,
        id=int(str(id_ or 0)),
        custom=stated.custom.get("custom.", ()),
        account_info=None if share else account_info(values),
        property_info=PropertyInfo(**_within("property.", values)) if share else None,  # type: ignore[arg-type] # the table of fields has their types
        meter_info=MeterInfo(**_within("meter.", values)) if meter else None,  # type: ignore[arg-type] # likewise
        faults={} if id_ is not None else {"id": NOT_STATED},
        **carries,  # type: ignore[arg-type] # likewise
    )


def _category(values: Mapping[str, Value]) -> str:
    """The category of the meter: in a document, it is the element that contains the meter's type."""
    return "energy" if values["meter.type"] in ENERGY_METER_TYPES else "waste"


def account_info(values: Mapping[str, Value]) -> AccountInfo:
    """What the case states about the owner."""
    return AccountInfo(**_within("account.", values))  # type: ignore[arg-type] # the table of fields has their types


def _within(prefix: str, values: Mapping[str, Value]) -> dict[str, object]:
    """Attribute → value, of the fields with this prefix; the address as one attribute."""
    stated = {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
    address = {name.removeprefix("address."): value for name, value in stated.items() if name.startswith("address.")}
    attributes: dict[str, object] = {
        name: value
        for name, value in stated.items()
        if not name.startswith("address.") and f"{prefix}{name}" not in {*_DIRECTLY, *FACT_FIELDS}
    }
    if address:
        attributes["address"] = Address(**address)  # type: ignore[arg-type] # an address is all text
    return attributes


def _from_xml(
    node: Entries, entries: Mapping[str, Node], files: Mapping[str, bytes], faults: list[Fault]
) -> PendingRequest | None:
    """Parse `xml: FILE`, a pending list from Portfolio Manager, and `id` if it contains several requests."""
    for key, _ in node.entries:
        if key.value not in {"xml", "id"}:
            faults.append(key.place.fault(f"`{key.value}` is not allowed with `xml`, which has all fields; remove it"))
            return None
    file = entries["xml"]
    if not isinstance(file, Text):
        expected = "expected one file, for example requests/x.xml"
        faults.extend([] if isinstance(file, Broken) else [file.place.fault(expected)])
        return None
    if file.value not in files:
        known = [name for name in files if name.endswith(".xml")]
        there = f"; it has {some(known)}" if known else ""
        meant = perhaps(file.value, known)
        message = f"file `{file.value}` not found in the policy folder{meant}{there}"
        faults.append(file.place.fault(message))
        return None
    from pm_autoaccept.parse import parse_pending_page  # noqa: PLC0415 - few policies need lxml to be checked

    try:
        pages = [parse_pending_page(kind, files[file.value]) for kind in Kind]
    except DocumentRefused as error:
        faults.append(file.place.fault(f"{file.value} is not a valid pending list: {error}"))
        return None
    requests = [request for page in pages for request in page.requests]
    return _single_request(requests, file, entries.get("id"), faults)


def _single_request(
    requests: list[PendingRequest], file: Text, wanted: Node | None, faults: list[Fault]
) -> PendingRequest | None:
    ids = some(str(request.id) for request in requests)
    if isinstance(wanted, Text):
        requests = [request for request in requests if str(request.id) == wanted.value]
    if len(requests) != 1:
        advice = "choose one, for example `id: 123`" if len(requests) > 1 else "use an id from this file"
        found = f"{len(requests)} such requests (ids: {ids})" if ids else "no requests"
        faults.append((wanted or file).place.fault(f"{found} in {file.value}; {advice}"))
        return None
    request = requests[0]
    needed = {"account.id": request.account_id}
    if request.kind is not Kind.CONNECTION:
        needed["property.id"] = request.property_id
    if request.garbled is not None:
        message = f"this request would never reach a policy: XML does not allow a character in its {request.garbled}"
        faults.append(file.place.fault(message))
        return None
    if lacking := [name for name, value in needed.items() if value is None]:
        why = request.faults.get(lacking[0], "the document lacks it")
        faults.append(file.place.fault(f"this request would never reach a policy: its {lacking[0]} is unknown ({why})"))
        return None
    return request
