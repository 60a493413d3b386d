"""The services over real HTTP, as anybody's client meets them."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from pm_autoaccept.model import Kind, RequestKey
from pm_autoaccept.simulator import SERVICES, Inferred, State, World, world_from_seed
from pm_autoaccept.simulator.read_services import reading
from pm_autoaccept.simulator.write_services import changing
from tests.unit.simulator.small_world import ACCEPT, NOW, REJECT, TERMINATE, Serve, put, states

RIVERSIDE = ("riverside", "Sim-riverside-1")
PROLOG = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
FULFILLED = ("-200", "The pending request doesn't exist or has been fulfilled")

# The services of docs/protocol.md, typed out here a second time, so that a slip in the table shows.
WRITTEN_OUT = """
GET /connect/account/pending/list?page - pendingList
POST /connect/account/{accountId} sharingResponse response
POST /disconnect/account/{accountId}?keepShares terminateSharingResponse response
GET /share/property/pending/list?page - pendingList
POST /share/property/{propertyId} sharingResponse response
GET /share/meter/pending/list?page - pendingList
POST /share/meter/{meterId} sharingResponse response
POST /unshare/meter/{meterId} terminateSharingResponse response
POST /unshare/property/{propertyId} terminateSharingResponse response
GET /notification/list?clear - notificationList
GET /account - account
GET /customer/list - response
GET /customer/{accountId} - customer
GET /account/{accountId}/property/list - response
GET /account/{accountId}/customFieldList - customFieldList
GET /property/{propertyId}/customFieldList - customFieldList
GET /meter/{meterId}/customFieldList - customFieldList
GET /dataExchangeSettings - dataExchangeSettings
GET /dataExchangeSettings/customField/list - response
GET /dataExchangeSettings/customField/{customFieldId} - customField
GET /idHierarchy/property/{propertyId} - hierarchy
GET /idHierarchy/meter/{meterId} - hierarchy
POST /invite/account/{dxAccountId} - response
POST /invite/account/{dxAccountId}/property/{propertyId}?accessLevel - response
POST /invite/account/{dxAccountId}/meter/{meterId}?accessLevel - response
PUT /account/customFieldList/recipient/{dxAccountId} customFieldList response
PUT /property/{propertyId}/customFieldList/recipient/{dxAccountId} customFieldList response
PUT /meter/{meterId}/customFieldList/recipient/{dxAccountId} customFieldList response
"""


def test_table_is_the_reference() -> None:
    """The table of services is the protocol page's list, and each service has somebody who answers it."""
    shown = [
        f"{each.method} {each.path}{''.join(f'?{name}' for name in each.query)} {each.receives or '-'} {each.answers}"
        for each in SERVICES
    ]
    assert shown == WRITTEN_OUT.strip().splitlines()
    assert {each.name for each in SERVICES} == {*reading(), *changing()}


@pytest.mark.parametrize(
    "user",
    [None, ("prairie_power", "wrong"), ("nobody", "Sim-nobody-1"), ("riverside", "Sim-lakeview-1"), ("", "")],
)
async def test_wrong_credentials(serve: Serve, world: World, user: tuple[str, str] | None) -> None:
    """Whoever does not sign in is answered 401, whatever the path, and changes nothing."""
    put(world, "connection", 1, State.PENDING)
    simulator, ask = await serve(world)
    came = await ask("POST", "/connect/account/1", ACCEPT, user=user)
    assert came.status == 401
    assert came.headers["WWW-Authenticate"].startswith("Basic")
    assert states(world) == {"connection:1": "pending"}
    assert [(call.caller, call.status, call.effects) for call in simulator.log.calls] == [(None, 401, ())]


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Bearer abc", "Basic " + "A" * 2000, "basic YTpi"])
async def test_broken_authorization(serve: Serve, world: World, header: str) -> None:
    """An Authorization header of any other form is answered 401."""
    _, ask = await serve(world)
    assert (await ask("GET", "/account", user=None, headers={"Authorization": header})).status == 401


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_password_beyond_ascii(serve: Serve, world: World, encoding: str) -> None:
    """A password beyond ASCII signs in, whether the header is UTF-8 or Latin-1."""
    world.provider = replace(world.provider, password="Zählerstand-1")
    _, ask = await serve(world)
    header = base64.b64encode("prairie_power:Zählerstand-1".encode(encoding)).decode()
    assert (await ask("GET", "/account", user=None, headers={"Authorization": f"Basic {header}"})).status == 200


async def test_account_is_the_callers(serve: Serve, world: World) -> None:
    """GET /account says who signs in, with the password masked."""
    _, ask = await serve(world)
    assert (await ask("GET", "/account")).xml.findtext("id") == "87267"
    own = await ask("GET", "/account", user=RIVERSIDE)
    assert (own.xml.findtext("username"), own.xml.findtext("password")) == ("riverside", "********")


async def test_every_answer_begins_with_the_prolog(serve: Serve, world: World) -> None:
    """Answers and errors alike begin with exactly EPA's prolog and are application/xml."""
    _, ask = await serve(world)
    for path in ("/share/meter/pending/list", "/customer/list", "/customer/1", "/nowhere"):
        came = await ask("GET", path)
        assert came.body.startswith(PROLOG + b"<"), path
        assert came.headers["Content-Type"] == "application/xml"


@pytest.mark.parametrize(
    ("path", "kind"), [("/connect/account", "connection"), ("/share/property", "property"), ("/share/meter", "meter")]
)
@pytest.mark.parametrize(("body", "after"), [(ACCEPT, "active"), (REJECT, "rejected")])
async def test_answer(serve: Serve, world: World, *, path: str, kind: str, body: bytes, after: str) -> None:
    """Each kind of request stands in its list, is answered once, and is refused the second time."""
    put(world, "connection", 1, State.ACTIVE)
    id_ = {"connection": 2, "property": 10, "meter": 100}[kind]
    put(world, "property", 10, State.ACTIVE)
    put(world, kind, id_, State.PENDING)
    simulator, ask = await serve(world)
    assert (await ask("GET", f"{path}/pending/list")).ids == [id_]
    came = await ask("POST", f"{path}/{id_}", body)
    assert (came.status, came.body) == (200, PROLOG + b'<response status="Ok"/>')
    assert states(world)[f"{kind}:{id_}"] == after
    again = await ask("POST", f"{path}/{id_}", body)
    assert (again.status, again.error) == (400, FULFILLED)
    assert (await ask("GET", f"{path}/pending/list")).ids == []
    assert [len(call.effects) for call in simulator.log.calls] == [0, 1, 0, 0]


async def test_pages(serve: Serve) -> None:
    """Pages hold 20, link to the next relative to the base, and together show each request once."""
    world = world_from_seed(seed=7, pending=300, now=NOW)
    waiting = world.pending()[Kind.METER]
    _, ask = await serve(world)
    path, seen, pages = "/share/meter/pending/list", [], 0
    while path:
        came = await ask("GET", path)
        seen += came.ids
        pages += 1
        nexts = [each.get("link") for each in came.xml.iter("link") if each.get("linkDescription") == "next page"]
        assert len(came.ids) == 20 or not nexts
        path = nexts[0] if nexts else ""
    assert (len(seen), len(set(seen)), pages) == (waiting, waiting, -(-waiting // 20))


@pytest.mark.parametrize("count", [20, 21, 40])
async def test_last_page_has_no_next_link(serve: Serve, world: World, count: int) -> None:
    """The last page has no next link, also where it is just full; a single page has no links at all."""
    for id_ in range(1000, 1000 + count):
        world.meters[id_] = world.meters[100]
        put(world, "meter", id_, State.PENDING)
    _, ask = await serve(world)
    last = await ask("GET", f"/share/meter/pending/list?page={-(-count // 20)}")
    found = [each.get("linkDescription") for each in last.xml.iter("link")]
    assert found == ([] if count == 20 else ["previous page"])


@pytest.mark.parametrize(
    ("query", "inferred", "status", "ids"),
    [
        ("?page=9", Inferred(), 200, []),
        ("?page=9", Inferred(page_beyond_the_end="not_found"), 404, None),
        ("?page=0", Inferred(), 200, [1]),
        ("?page=-3", Inferred(), 200, [1]),
        ("?page=0", Inferred(page_below_one="not_found"), 404, None),
        ("?page=x", Inferred(), 404, None),
        ("?page=99999999999999", Inferred(), 404, None),
        ("?page=", Inferred(), 404, None),
    ],
)
async def test_odd_pages(
    serve: Serve, world: World, *, query: str, inferred: Inferred, status: int, ids: list[int] | None
) -> None:
    """Pages that do not exist are empty, the first one, or 404, as switched."""
    put(world, "connection", 1, State.PENDING)
    _, ask = await serve(world, inferred=inferred)
    came = await ask("GET", f"/connect/account/pending/list{query}")
    assert came.status == status
    assert ids is None or came.ids == ids


@pytest.mark.parametrize(
    ("switch", "body"), [(False, b"<pendingList/>"), (True, b"<pendingList><links/></pendingList>")]
)
async def test_empty_list(serve: Serve, world: World, switch: bool, body: bytes) -> None:  # noqa: FBT001 - a case
    """An empty list is a 200 with an empty pendingList, by switch with empty links."""
    _, ask = await serve(world, inferred=Inferred(empty_list_has_links=switch))
    assert (await ask("GET", "/share/meter/pending/list")).body == PROLOG + body


@pytest.mark.parametrize(("order", "ids"), [("oldest_first", [2, 1]), ("newest_first", [1, 2]), ("by_id", [1, 2])])
async def test_order(serve: Serve, world: World, order: str, ids: list[int]) -> None:
    """Lists are in the order that was switched on."""
    put(world, "connection", 1, State.PENDING)
    put(world, "connection", 2, State.PENDING)
    key = RequestKey(Kind.CONNECTION, 2)
    world.ties[key] = replace(world.ties[key], asked_at=NOW.replace(hour=3))
    _, ask = await serve(world, inferred=Inferred(order=order))
    assert (await ask("GET", "/connect/account/pending/list")).ids == ids


async def test_forwarded_shares_can_be_hidden(serve: Serve, world: World) -> None:
    """By switch, shares of owners who are not connected do not stand in the lists."""
    put(world, "property", 10, State.PENDING)
    _, shown = await serve(world)
    _, hidden = await serve(world, inferred=Inferred(forwarded_shares_listed_when_unconnected=False))
    assert (await shown("GET", "/share/property/pending/list")).ids == [10]
    assert (await hidden("GET", "/share/property/pending/list")).ids == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/customer/abc", 404),
        ("POST", "/share/meter/12x", 404),
        ("POST", "/share/meter/99999999999999999999", 404),
        ("DELETE", "/share/meter/100", 405),
        ("GET", "/share/meter/100", 405),
        ("GET", "//share//meter/pending/list/", 200),
        ("GET", "/customer/1", 403),
        ("GET", "/account/1/property/list", 403),
        ("GET", "/property/10/customFieldList", 403),
        ("GET", "/idHierarchy/meter/100", 403),
        ("GET", "/dataExchangeSettings/customField/1", 404),
        ("POST", "/unshare/meter/100", 403),
        ("POST", "/disconnect/account/1", 400),
        ("POST", "/share/meter/999", 400),
        ("POST", "/invite/account/87267", 403),
    ],
)
async def test_status_of_wrong_calls(serve: Serve, world: World, method: str, path: str, status: int) -> None:
    """A call to what is not there, or not ours, is refused by its own status."""
    _, ask = await serve(world)
    body = None if method == "GET" else TERMINATE if "share/meter/999" not in path else ACCEPT
    assert (await ask(method, path, body)).status == status


@pytest.mark.parametrize("content_type", ["text/xml", "application/json", "application/octet-stream", ""])
async def test_content_type(serve: Serve, world: World, content_type: str) -> None:
    """A body that is not said to be application/xml is answered 415; a charset is allowed."""
    put(world, "connection", 1, State.PENDING)
    _, ask = await serve(world)
    refused = await ask("POST", "/connect/account/1", ACCEPT, headers={"Content-Type": content_type})
    assert refused.status == 415
    taken = await ask("POST", "/connect/account/1", ACCEPT, headers={"Content-Type": "application/xml;charset=UTF-8"})
    assert taken.status == 200


async def test_accept_header(serve: Serve, world: World) -> None:
    """Whoever accepts no XML is answered 406."""
    _, ask = await serve(world)
    assert (await ask("GET", "/account", headers={"Accept": "application/json"})).status == 406
    assert (await ask("GET", "/account", headers={"Accept": "application/xml, text/xml"})).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"<sharingResponse><action>accept</action></sharingResponse>",
        b"<sharingResponse><action>Accept</action><note></note></sharingResponse>",
        b"<sharingResponse><note>order reversed</note><action>Accept</action></sharingResponse>",
        b"",
        b"not xml",
        b"<sharingResponse/>",
        b"<sharingResponse>Accept</sharingResponse>",
        b"<sharingResponse><action> Accept</action></sharingResponse>",
        b"<sharingResponse><action>Accept</action><note>a</note><note>b</note></sharingResponse>",
        b"<sharingResponse><action>Accept</action><because>b</because></sharingResponse>",
        b"<sharingResponse><action>Accept</action><note>" + b"x" * 1001 + b"</note></sharingResponse>",
        b"<sharingResponse><action><b>Accept</b></action></sharingResponse>",
        b"<sharingResponse x='1'><action>Accept</action></sharingResponse>",
        b"<terminateSharingResponse/>",
        b"<a:sharingResponse xmlns:a='urn:a'><a:action>Accept</a:action></a:sharingResponse>",
        b"<!DOCTYPE s [<!ENTITY a 'Accept'>]><sharingResponse><action>&a;</action></sharingResponse>",
        b"<!DOCTYPE s><sharingResponse><action>Accept</action></sharingResponse>",
    ],
)
async def test_invalid_bodies(serve: Serve, world: World, body: bytes) -> None:
    """A body that EPA's schema would refuse is answered 400/-100 with a reason, and changes nothing."""
    put(world, "connection", 1, State.PENDING)
    _, ask = await serve(world)
    came = await ask("POST", "/connect/account/1", body)
    assert (came.status, came.error[0]) == (400, "-100")
    assert came.error[1]
    assert states(world) == {"connection:1": "pending"}


@pytest.mark.parametrize(
    "body",
    [
        b"<sharingResponse><action>Accept</action><note> </note></sharingResponse>",
        b"<?xml version='1.0'?>\n<sharingResponse>\n <action>Accept</action> <!-- yes -->\n</sharingResponse>",
        b"<sharingResponse><action>Accept</action><note>" + "ü".encode() * 1000 + b"</note></sharingResponse>",
    ],
)
async def test_valid_bodies(serve: Serve, world: World, body: bytes) -> None:
    """Whatever EPA's schema allows is taken."""
    put(world, "connection", 1, State.PENDING)
    _, ask = await serve(world)
    assert (await ask("POST", "/connect/account/1", body)).status == 200


async def test_large_body(serve: Serve, world: World) -> None:
    """A body of more than a megabyte is refused unread."""
    _, ask = await serve(world)
    assert (await ask("POST", "/connect/account/1", b"x" * 1_000_001)).status == 413


async def test_notifications(serve: Serve, world: World) -> None:
    """clear=false shows notifications again; without it they are shown once and never again."""
    put(world, "connection", 1, State.ACTIVE)
    simulator, ask = await serve(world)
    simulator.act("disconnect", account=1)
    for query, count in (("?clear=false", 1), ("?clear=false", 1), ("", 1), ("?clear=true", 0), ("?clear=false", 0)):
        assert len((await ask("GET", f"/notification/list{query}")).xml) == count, query
    assert [len(call.effects) for call in simulator.log.calls] == [2, 0, 0, 1, 0, 0]


async def test_what_stands_beside(serve: Serve, world: World) -> None:
    """Customers, their properties, values and hierarchy are shown as the protocol page says."""
    put(world, "connection", 1, State.ACTIVE)
    put(world, "property", 10, State.ACTIVE)
    put(world, "meter", 100, State.PENDING)
    _, ask = await serve(world)
    values = b'<customFieldList><customField name="Parcel">R-1</customField></customFieldList>'
    await ask("PUT", "/property/10/customFieldList/recipient/87267", values, user=RIVERSIDE)
    customers = (await ask("GET", "/customer/list")).xml.findall("links/link")
    assert [(each.get("id"), each.get("link")) for each in customers] == [("1", "/customer/1"), ("9", "/customer/9")]
    assert (await ask("GET", "/customer/1")).xml.findtext("accountInfo/email") == "riverside@riverside.example"
    homes = (await ask("GET", "/account/1/property/list")).xml.findall("links/link")
    assert [(each.get("id"), each.get("hint"), each.get("link")) for each in homes] == [
        ("10", "Tower 10", "/building/10")
    ]
    assert (await ask("GET", "/account/9/property/list")).body.endswith(b'<response status="Ok"><links/></response>')
    assert (await ask("GET", "/property/10/customFieldList")).body == PROLOG + values
    assert (await ask("GET", "/account/1/customFieldList")).body == PROLOG + b"<customFieldList/>"
    assert (await ask("GET", "/meter/100/customFieldList")).status == 403
    hierarchy = (await ask("GET", "/idHierarchy/meter/100")).xml
    assert [child.text for child in hierarchy] == ["1", "riverside", "10", "100"]
    fields = (await ask("GET", "/dataExchangeSettings/customField/list")).xml.findall("links/link")
    assert [each.get("hint") for each in fields] == ["Utility Customer Number", "Parcel", "Service Point ID"]
    assert (await ask("GET", fields[1].get("link"))).xml.get("whenToPrompt") == "Property"


async def test_unshare_and_disconnect(serve: Serve, world: World) -> None:
    """Shares are given back and the connection ended, over the wire."""
    put(world, "connection", 1, State.ACTIVE)
    put(world, "property", 10, State.ACTIVE)
    put(world, "meter", 100, State.ACTIVE)
    _, ask = await serve(world)
    assert (await ask("POST", "/unshare/meter/100", TERMINATE)).status == 200
    assert (await ask("POST", "/disconnect/account/1?keepShares=true", TERMINATE)).status == 200
    assert states(world) == {"connection:1": "ended", "property:10": "active", "meter:100": "ended"}
    assert (await ask("POST", "/unshare/property/10", TERMINATE)).status == 200
    again = await ask("POST", "/disconnect/account/1", TERMINATE)
    assert (again.status, again.error) == (400, ("-200", "You are not connected to this account"))


async def test_customer_makes_requests(serve: Serve, world: World) -> None:
    """A customer answers the custom fields, invites, and the provider sees it all in the lists."""
    simulator, ask = await serve(world)
    number = b'<customFieldList><customField name="Utility Customer Number">0041</customField></customFieldList>'
    for method, path, body in (
        ("PUT", "/account/customFieldList/recipient/87267", number),
        ("POST", "/invite/account/87267", None),
        ("POST", "/invite/account/87267/property/10?accessLevel=READ", None),
        ("POST", "/invite/account/87267/meter/100", None),
    ):
        assert (await ask(method, path, body, user=RIVERSIDE)).body == PROLOG + b'<response status="Ok"/>', path
    connection = (await ask("GET", "/connect/account/pending/list")).xml[0]
    assert connection.findtext("customFieldList/customField") == "0041"
    assert (await ask("GET", "/share/property/pending/list")).xml.findtext("property/accessLevel") == "Read"
    meter = (await ask("GET", "/share/meter/pending/list")).xml[0]
    assert (meter.findtext("accessLevel"), meter.findtext("shareAudit/createdBy")) == ("Read Write", "riverside")
    assert [call.caller for call in simulator.log.calls[:4]] == ["riverside"] * 4


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/invite/account/1", 404),
        ("/invite/account/87267/meter/100?accessLevel=Read", 400),
        ("/invite/account/87267/meter/200", 403),
        ("/invite/account/87267/meter/999", 404),
        ("/invite/account/87267/meter/100", 400),
        ("/connect/account/9", 403),
    ],
)
async def test_customer_asks_wrongly(serve: Serve, world: World, path: str, status: int) -> None:
    """A customer who names another provider, a wrong level, or what is not theirs is refused."""
    _, ask = await serve(world)
    assert (await ask("POST", path, ACCEPT, user=RIVERSIDE)).status == status


@pytest.mark.parametrize("form", ["html", "xml", "empty"])
async def test_body_of_401(serve: Serve, world: World, form: str) -> None:
    """The body of a 401 is a page, XML, or nothing, as switched."""
    _, ask = await serve(world, inferred=Inferred(unauthorised_body=form))
    body = (await ask("GET", "/account", user=None)).body
    assert (b"<html>" in body, body.startswith(PROLOG), body == b"") == (form == "html", form == "xml", form == "empty")
