"""Things that go wrong on purpose, as a client meets them."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from pm_autoaccept.simulator import Call, Fault, FaultKind, Faults, Inferred, State, World
from tests.unit.simulator.small_world import ACCEPT, Ask, Came, Serve, put, states


@pytest.fixture
def asking(world: World) -> World:
    """Owner 1 asks for a connection."""
    put(world, "connection", 1, State.PENDING)
    return world


async def accept(ask: Ask) -> Came:
    """Accept owner 1's connection."""
    return await ask("POST", "/connect/account/1", ACCEPT)


@pytest.mark.parametrize(
    ("kind", "size"), [(FaultKind.MISLABELLED, 1), (FaultKind.GZIP, 1), (FaultKind.GZIP_BOMB, 60_000_000)]
)
async def test_a_whole_answer_in_another_form(serve: Serve, asking: World, kind: FaultKind, size: int) -> None:
    """What reads on comes to the same document; the call was processed."""
    simulator, ask = await serve(asking)
    simulator.faults.add(Fault(kind=kind, content_type="text/html"))
    came = await accept(ask)
    assert came.headers["Content-Type"] == ("text/html" if kind is FaultKind.MISLABELLED else "application/xml")
    assert came.body.rstrip().endswith(b'<response status="Ok"/>')
    assert len(came.body) > size
    assert states(asking) == {"connection:1": "active"}


@pytest.mark.parametrize("kind", [FaultKind.BROKEN_GZIP, FaultKind.OVERLONG])
async def test_an_answer_that_contradicts_itself(serve: Serve, asking: World, kind: FaultKind) -> None:
    """It cannot be unpacked, or is longer than it says; the call was processed."""
    simulator, ask = await serve(asking)
    simulator.faults.add(Fault(kind=kind))
    with pytest.raises(aiohttp.ClientError):
        await accept(ask)
    assert states(asking) == {"connection:1": "active"}


async def test_too_large(serve: Serve, asking: World) -> None:
    """Megabytes of nothing follow the document."""
    simulator, ask = await serve(asking)
    simulator.faults.add(Fault(kind=FaultKind.TOO_LARGE))
    assert len((await accept(ask)).body) > 12_000_000


async def test_trickled_until_released(serve: Serve, asking: World) -> None:
    """Blanks come after the body, and no end until it is released."""
    simulator, ask = await serve(asking)
    simulator.faults.add(Fault(kind=FaultKind.TRICKLE, seconds=0.001))
    waiting = asyncio.create_task(accept(ask))
    await simulator.faults.until_withheld(1)
    assert not waiting.done()
    simulator.faults.clear()
    assert b"<response" in (await asyncio.wait_for(waiting, 60)).body


async def test_headers_may_stand_twice(serve: Serve, asking: World) -> None:
    """A proxy adds its own Retry-After to the service's."""
    simulator, _ = await serve(asking)
    headers = (("Retry-After", "5"), ("retry-after", "7"), ("Content-Type", "text/plain"))
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=429, headers=headers))
    async with aiohttp.ClientSession() as session, session.get(simulator.url + "/account") as came:
        assert came.headers.getall("Retry-After") == ["5", "7"]
        assert came.headers.getall("Content-Type") == ["text/plain"]


@pytest.mark.parametrize(("after", "state"), [(False, "pending"), (True, "active")])
async def test_reset(serve: Serve, asking: World, *, after: bool, state: str) -> None:
    """The connection is reset before or after the call was processed; the log knows which."""
    simulator, ask = await serve(asking)
    simulator.faults.add(Fault(kind=FaultKind.RESET, after=after, times=1))
    with pytest.raises(aiohttp.ClientConnectionError):
        await accept(ask)
    assert states(asking) == {"connection:1": state}
    call = simulator.log.calls[0]
    assert (call.status, call.fault, len(call.effects)) == (None, "reset", int(after))


@pytest.mark.parametrize("status", [202, 302, 404, 429, 500, 502])
@pytest.mark.parametrize(("after", "state"), [(False, "pending"), (True, "active")])
async def test_status(serve: Serve, asking: World, *, status: int, after: bool, state: str) -> None:
    """Another status instead of the answer, with an XML error as its body; processed or not."""
    simulator, ask = await serve(asking)
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=status, after=after))
    came = await accept(ask)
    assert (came.status, came.error[0]) == (status, "-200")
    assert states(asking) == {"connection:1": state}


async def test_status_with_anything(serve: Serve, asking: World) -> None:
    """A status fault can say anything: a body, a content type, headers."""
    simulator, ask = await serve(asking)
    body = '<!DOCTYPE x><response status="Ok"/>'
    headers = (("Location", "/elsewhere"),)
    simulator.faults.add(
        Fault(kind=FaultKind.STATUS, status=200, body=body, content_type="text/plain", headers=headers)
    )
    came = await accept(ask)
    assert (came.status, came.body.decode(), came.headers["Location"]) == (200, body, "/elsewhere")
    assert came.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("seconds", [None, 7])
async def test_retry_after_as_switched(serve: Serve, asking: World, seconds: int | None) -> None:
    """A 429 says Retry-After if that is switched on."""
    simulator, ask = await serve(asking, inferred=Inferred(retry_after=seconds))
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=429))
    assert (await accept(ask)).headers.get("Retry-After") == (None if seconds is None else "7")


async def test_html(serve: Serve, asking: World) -> None:
    """A page for people comes instead of XML."""
    simulator, ask = await serve(asking)
    simulator.faults.add(Fault(kind=FaultKind.HTML, status=200))
    came = await accept(ask)
    assert came.headers["Content-Type"].startswith("text/html")
    assert b"<html>" in came.body
    assert states(asking) == {"connection:1": "pending"}


async def test_truncated(serve: Serve, asking: World) -> None:
    """The body stops half-way although the call was processed."""
    simulator, ask = await serve(asking)
    simulator.faults.add(Fault(kind=FaultKind.TRUNCATED))
    with pytest.raises(aiohttp.ClientPayloadError):
        await accept(ask)
    assert states(asking) == {"connection:1": "active"}


@pytest.mark.parametrize(("after", "state"), [(False, "pending"), (True, "active")])
async def test_withheld_until_released(serve: Serve, asking: World, *, after: bool, state: str) -> None:
    """An answer is withheld before or after it was processed, until it is released."""
    simulator, ask = await serve(asking)
    simulator.faults.add(Fault(kind=FaultKind.DELAY, after=after))
    waiting = asyncio.create_task(accept(ask))
    await simulator.faults.until_withheld(1)
    assert not waiting.done()
    assert states(asking) == {"connection:1": state}
    simulator.faults.release()
    assert (await waiting).status == 200
    assert states(asking) == {"connection:1": "active"}


async def test_delay_ends_by_itself(serve: Serve, asking: World) -> None:
    """A delay of some seconds ends after them."""
    simulator, ask = await serve(asking)
    simulator.faults.add(Fault(kind=FaultKind.DELAY, seconds=0.01))
    assert (await accept(ask)).status == 200


async def test_stopping_lets_go(serve: Serve, asking: World) -> None:
    """A simulator that stops lets the withheld answers go first."""
    simulator, ask = await serve(asking)
    simulator.faults.add(Fault(kind=FaultKind.DELAY, after=True))
    waiting = asyncio.create_task(accept(ask))
    await simulator.faults.until_withheld(1)
    await simulator.stop()
    assert (await waiting).status == 200


def test_times_service_and_method() -> None:
    """A fault happens as often as it says, to the service or method that it names."""
    faults = Faults()
    faults.add(Fault(kind=FaultKind.RESET, service="answer_meter", times=2))
    faults.add(Fault(kind=FaultKind.HTML, service="GET"))
    seen = [
        faults.befall(service=service, method=method)
        for service, method in (
            ("answer_meter", "POST"),
            ("answer_property", "POST"),
            ("get_account", "GET"),
            ("answer_meter", "POST"),
            ("answer_meter", "POST"),
        )
    ]
    assert [fault and fault.kind.value for fault in seen] == ["reset", None, "html", "reset", None]


def test_rate_is_seeded() -> None:
    """A fault at a rate befalls about that share of calls, the same ones for the same seed."""

    def dice(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add(Fault(kind=FaultKind.RESET, rate=0.3))
        return [faults.befall(service=None, method="GET") is not None for _ in range(1000)]

    assert dice(1) == dice(1)
    assert dice(1) != dice(2)
    assert 250 < sum(dice(1)) < 350


async def test_customers_act_right_before_a_call(serve: Serve, asking: World) -> None:
    """Through the hook a customer acts between our read and our POST, and the POST is refused."""
    simulator, ask = await serve(asking)

    def interfere(call: Call) -> None:
        if call.service == "answer_connection":
            simulator.act("withdraw", account=call.ids["accountId"])

    simulator.before_processing = interfere
    assert (await accept(ask)).status == 400
    assert [(call.method, call.path, len(call.effects)) for call in simulator.log.calls] == [
        ("POST", "/wstest/connect/account/1", 0),
        ("ACT", "withdraw", 1),
    ]


async def test_switchboard_faults(serve: Serve, asking: World) -> None:
    """Faults are put in force, listed and taken away through the switchboard."""
    _, ask = await serve(asking)
    fault = {"kind": "status", "status": 503, "times": 1, "service": "POST", "headers": {"X-A": "b"}}
    added = await ask("POST", "/simulator/faults", json.dumps(fault).encode())
    assert (added.status, json.loads(added.body)) == (201, {"number": 1})
    listed = json.loads((await ask("GET", "/simulator/faults")).body)
    assert [(each["number"], each["kind"], each["left"]) for each in listed] == [(1, "status", 1)]
    came = await accept(ask)
    assert (came.status, came.headers["X-A"]) == (503, "b")
    assert json.loads((await ask("GET", "/simulator/faults")).body) == []
    await ask("POST", "/simulator/faults", b'{"kind": "html"}')
    assert (await ask("DELETE", "/simulator/faults/2")).status == 200
    assert (await ask("DELETE", "/simulator/faults/2")).status == 404
    assert (await ask("DELETE", "/simulator/faults")).status == 200
    assert (await accept(ask)).status == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "JSON object"),
        (b"[]", "JSON object"),
        (b"{}", "kind must be one of"),
        (b'{"kind": "boom"}', "kind must be one of delay"),
        (b'{"kind": "html", "often": 1}', "unknown key often"),
        (b'{"kind": "html", "service": "answer_metre"}', "unknown service 'answer_metre'"),
        (b'{"kind": "html", "status": "500"}', "status must be int"),
        (b'{"kind": ["html"]}', "kind must be one of"),
    ],
)
async def test_switchboard_refuses_nonsense(serve: Serve, asking: World, body: bytes, said: str) -> None:
    """A fault that cannot be is refused with what it may be."""
    _, ask = await serve(asking)
    came = await ask("POST", "/simulator/faults", body)
    assert came.status == 400
    assert said in json.loads(came.body)["error"]
