"""What is fuzzed: any bytes go in; a value that keeps its promises comes out, or an error that is documented."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from pm_autoaccept import parse
from pm_autoaccept.decide import decide
from pm_autoaccept.errors import DocumentRefused, Fault, PolicyRefused
from pm_autoaccept.model import Kind, PendingList, PendingPage, ProviderAccount, Snapshot
from pm_autoaccept.parse.forbidden_characters import MARK
from pm_autoaccept.policy import Policy, load

BETWEEN_FILES, AFTER_A_NAME = b"\x0c", b"\x0b"
"""An input is one policy folder: files stand apart by a form feed, and a vertical tab ends a file's name.

Neither may stand in a policy, so that an input without them is one file, `policy.yaml`.
"""

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)

READERS: tuple[Callable[[bytes], object], ...] = (
    parse.parse_account,
    parse.parse_customer,
    parse.parse_customer_list,
    parse.parse_custom_field_links,
    parse.parse_custom_field_values,
    parse.parse_hierarchy,
    parse.parse_notifications,
    parse.parse_property_links,
    parse.parse_response,
    lambda body: parse.parse_custom_field(body, id=1),
)


def parse_documents(data: bytes) -> None:
    """Read the bytes as every document that there is; what cannot be read must be refused, in words."""
    for read in READERS:
        with suppress(DocumentRefused):
            read(data)
    for kind in Kind:
        try:
            page = parse.parse_pending_page(kind, data)
        except DocumentRefused as refusal:
            _can_be_shown(str(refusal))
        else:
            _is_sound(page)


def _is_sound(page: PendingPage) -> None:
    """What the rest of the program relies on: ids that a call may name, texts that a ledger can keep."""
    for request in page.requests:
        assert 0 < request.id < 2**63
        assert request.requested_at is None or request.requested_at.tzinfo is not None
        assert request.content_digest
        assert (request.garbled is not None) == (MARK.encode() in request.source)
        _can_be_shown(repr(request))
    for element in page.unreadable:
        _can_be_shown(element.why)


def load_policy(data: bytes) -> None:
    """Load the bytes as a policy folder; what loads must judge any request, what does not must say where and why."""
    files = folder(data)
    try:
        policy = load(files)
    except PolicyRefused as refusal:
        _say_where_and_why(refusal.faults)
    else:
        _judges(policy)


def _say_where_and_why(faults: Sequence[Fault]) -> None:
    assert faults
    for fault in faults:
        assert fault.message
        assert fault.line >= 0
        assert fault.column >= 0
        _can_be_shown(str(fault))


def _can_be_shown(text: str) -> None:
    """Half a character would end the program where it is printed."""
    assert text.encode()


def folder(data: bytes) -> dict[str, bytes]:
    """File name → contents."""
    files = {}
    for number, part in enumerate(data.split(BETWEEN_FILES)):
        name, told, contents = part.partition(AFTER_A_NAME)
        unnamed = f"policy{number or ''}.yaml"
        files[name.decode("utf-8", "replace") if told else unnamed] = contents if told else part
    return files


PENDING = b"""<pendingList>
<account><accountId>1</accountId><username>a</username><customFieldList>
<customField name="Utility Customer Number">0041-001-234</customField></customFieldList></account>
<property><propertyId>2</propertyId><accountId>1</accountId><accessLevel>Read</accessLevel><propertyInfo>
<name>Tower</name><grossFloorArea units="Square Feet"><value>10</value></grossFloorArea></propertyInfo></property>
<meter><meterId>3</meterId><propertyId>2</propertyId><accountId>1</accountId></meter></pendingList>"""
"""A little of everything, and most of what a policy may ask for missing."""


def _judges(policy: Policy) -> None:
    lists = {}
    for kind in Kind:
        requests = parse.parse_pending_page(kind, PENDING).requests
        lists[kind] = PendingList(kind=kind, requests=requests, begun=NOW, ended=NOW + timedelta(seconds=1))
    snapshot = Snapshot(
        provider=ProviderAccount(9, "provider"),
        connections=lists[Kind.CONNECTION],
        properties=lists[Kind.PROPERTY],
        meters=lists[Kind.METER],
        connected=frozenset(),
        ended=NOW + timedelta(seconds=1),
    )
    decisions = decide(snapshot, policy=policy, tables={}, now=NOW)
    assert len(decisions) == len(Kind)


TARGETS: Mapping[str, Callable[[bytes], None]] = MappingProxyType({"parse": parse_documents, "policy": load_policy})
