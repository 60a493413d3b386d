"""What stands after `request:` in a case: a request, by its fields' names or as Portfolio Manager sends it."""

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
"""Fields that are attributes of a request itself."""
DERIVED_FIELDS = {
    "account.email_domain": "`account.email`",
    "forwarded": "`account.id` and `sender.id`",
    "age": "`requested_at`, and `now` beside the request",
}
"""Fields that follow from others."""
FACT_FIELDS = (
    "account.connected",
    "held_for",
    "property.share",
    "property.verdict",
    "connection.custom.",
    "property.custom.",
)
"""What no request carries; a name that ends with a dot stands for all that begin so."""
_OF_EVERY_OWNER = ("account.id", "account.username")


def is_fact(name: str, kind: Kind) -> bool:
    """Whether a field of this kind of request stands under `facts:`, because the request itself does not carry it."""
    told_by_connection = kind is not Kind.CONNECTION and name.startswith("account.") and name not in _OF_EVERY_OWNER
    return name.startswith(FACT_FIELDS) or told_by_connection


def read_request(node: Node, files: Mapping[str, bytes], faults: list[Fault]) -> PendingRequest | None:
    """The request that a case says; None for what has faults.

    Args:
        node: what stands after `request:`.
        files: name → contents, of the files of the policy folder.
        faults: what is wrong is added here.
    """
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            example = "{kind: connection, account: {id: 410221, username: riverside}}"
            faults.append(node.place.fault(f"`request` is a mapping of fields, as {example}, or `xml: FILE`"))
        return None
    entries = {key.value: value for key, value in node.entries}
    if "xml" in entries:
        return _from_xml(node, entries, files, faults)
    kind = entries.get("kind")
    if not isinstance(kind, Text) or kind.value not in set(Kind):
        if not isinstance(kind, Broken):
            meant = perhaps(kind.value, Kind, synonyms.KIND) if isinstance(kind, Text) else ""
            faults.append((kind or node).place.fault(f"say of which `kind` the request is: {listed(Kind)}{meant}"))
        return None
    before = len(faults)
    said = read_case_values(node, kind=Kind(kind.value), faults=faults)
    _check(said, Kind(kind.value), node.place, faults)
    return build_request(Kind(kind.value), said) if len(faults) == before else None


def _check(said: CaseValues, kind: Kind, where: Place, faults: list[Fault]) -> None:
    for name, place in said.places.items():
        if name in DERIVED_FIELDS:
            faults.append(place.fault(f"`{name}` follows from {DERIVED_FIELDS[name]}; say that"))
        elif is_fact(name, kind):
            faults.append(place.fault(f"a {kind} request does not carry `{name}`; state it under `facts:`"))
    if "sender.id" in said.values and "account.id" not in said.values:
        faults.append(where.fault("say `account.id` too: whether the sender is the owner hangs on both"))
    category = said.values.get("meter.category")
    if category is not None and "meter.type" in said.values and category != _category(said.values):
        fault = f"a meter of this type is a meter of {_category(said.values)}; take `meter.category` out"
        faults.append(said.places["meter.category"].fault(fault))
    own = {Kind.CONNECTION: "account.id", Kind.PROPERTY: "property.id"}.get(kind)
    if own and said.values.get("id", said.values.get(own)) != said.values.get(own, said.values.get("id")):
        faults.append(said.places["id"].fault(f"the `id` of a {kind} request is its `{own}`; keep one of them"))


def build_request(kind: Kind, said: CaseValues) -> PendingRequest:
    """A request that carries what was said, and lacks all else."""
    values = dict(said.values)
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
        custom=said.custom.get("custom.", ()),
        account_info=None if share else account_info(values),
        property_info=PropertyInfo(**_within("property.", values)) if share else None,  # type: ignore[arg-type] # the table of fields has their types
        meter_info=MeterInfo(**_within("meter.", values)) if meter else None,  # type: ignore[arg-type] # likewise
        faults={} if id_ is not None else {"id": NOT_STATED},
        **carries,  # type: ignore[arg-type] # likewise
    )


def _category(values: Mapping[str, Value]) -> str:
    """In a document a meter's type stands within one of two elements, and that is its category."""
    return "energy" if values["meter.type"] in ENERGY_METER_TYPES else "waste"


def account_info(values: Mapping[str, Value]) -> AccountInfo:
    """Who the owner is, as far as it was said."""
    return AccountInfo(**_within("account.", values))  # type: ignore[arg-type] # the table of fields has their types


def _within(prefix: str, values: Mapping[str, Value]) -> dict[str, object]:
    """Attribute → value, of the fields whose names begin so; the address as one."""
    said = {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
    address = {name.removeprefix("address."): value for name, value in said.items() if name.startswith("address.")}
    attributes: dict[str, object] = {
        name: value
        for name, value in said.items()
        if not name.startswith("address.") and f"{prefix}{name}" not in {*_DIRECTLY, *FACT_FIELDS}
    }
    if address:
        attributes["address"] = Address(**address)  # type: ignore[arg-type] # an address is all text
    return attributes


def _from_xml(
    node: Entries, entries: Mapping[str, Node], files: Mapping[str, bytes], faults: list[Fault]
) -> PendingRequest | None:
    """`xml: FILE`, a pending list as Portfolio Manager sends it, and `id` where it holds several requests."""
    for key, _ in node.entries:
        if key.value not in {"xml", "id"}:
            faults.append(key.place.fault(f"the file says it all; take `{key.value}` out"))
            return None
    file = entries["xml"]
    if not isinstance(file, Text):
        faults.extend([] if isinstance(file, Broken) else [file.place.fault("one file stands here, as requests/x.xml")])
        return None
    if file.value not in files:
        known = [name for name in files if name.endswith(".xml")]
        there = f"; there are {some(known)}" if known else ""
        meant = perhaps(file.value, known)
        message = f"there is no file `{file.value}` in the policy's folder{meant}{there}"
        faults.append(file.place.fault(message))
        return None
    from pm_autoaccept.parse import parse_pending_page  # noqa: PLC0415 - few policies need lxml to be checked

    try:
        pages = [parse_pending_page(kind, files[file.value]) for kind in Kind]
    except DocumentRefused as error:
        faults.append(file.place.fault(f"{file.value} is no pending list: {error}"))
        return None
    requests = [request for page in pages for request in page.requests]
    return _the_one(requests, file, entries.get("id"), faults)


def _the_one(
    requests: list[PendingRequest], file: Text, wanted: Node | None, faults: list[Fault]
) -> PendingRequest | None:
    ids = some(str(request.id) for request in requests)
    if isinstance(wanted, Text):
        requests = [request for request in requests if str(request.id) == wanted.value]
    if len(requests) != 1:
        say = "say which one, as `id: 123`" if len(requests) > 1 else "write an id that stands there"
        told = f"{file.value} holds {len(requests)} such requests (ids: {ids})" if ids else f"{file.value} holds none"
        faults.append((wanted or file).place.fault(f"{told}; {say}"))
        return None
    request = requests[0]
    needed = {"account.id": request.account_id}
    if request.kind is not Kind.CONNECTION:
        needed["property.id"] = request.property_id
    if request.garbled is not None:
        faults.append(file.place.fault(f"no policy is asked of it: XML forbids a character in its {request.garbled}"))
        return None
    if lacking := [name for name, value in needed.items() if value is None]:
        why = request.faults.get(lacking[0], "the document lacks it")
        faults.append(file.place.fault(f"no policy is asked of it: its {lacking[0]} is not known ({why})"))
        return None
    return request
