"""The switchboard and the running simulator."""

from __future__ import annotations

import asyncio
import json
from dataclasses import fields
from pathlib import Path

import pytest

from pm_autoaccept.simulator import Fault, FaultKind, Simulator, State, World, actions, ready_line, world_from_seed
from pm_autoaccept.simulator import serve as run
from tests.unit.simulator.small_world import ACCEPT, NOW, Serve, put, states


async def test_world(serve: Serve, world: World) -> None:
    """GET /simulator/world lists every connection, property share and meter share, and customers with passwords."""
    put(world, "connection", 1, State.PENDING)
    put(world, "meter", 100, State.REJECTED)
    _, ask = await serve(world)
    shown = json.loads((await ask("GET", "/simulator/world", user=None)).body)
    assert [(each["id"], each["state"]) for each in shown["connections"]] == [(9, "active"), (1, "pending")]
    assert shown["properties"] == []
    assert shown["meters"] == [
        {
            "id": 100,
            "state": "rejected",
            "owner": 1,
            "username": "riverside",
            "sender": 1,
            "asked_at": NOW.isoformat(),
            "custom": [],
            "access": "Read Write",
            "property": 10,
        }
    ]
    assert {"id": 1, "username": "riverside", "password": "Sim-riverside-1", "organization": "Riverside"} in shown[
        "customers"
    ]


async def test_log(serve: Serve, world: World) -> None:
    """GET /simulator/log lists every call in order with its effects, cascades marked."""
    put(world, "connection", 1, State.PENDING)
    put(world, "property", 10, State.PENDING)
    put(world, "meter", 100, State.PENDING)
    _, ask = await serve(world)
    await ask("GET", "/share/meter/pending/list?page=1")
    await ask("POST", "/share/meter/100", ACCEPT)
    await ask("POST", "/share/meter/100", ACCEPT)
    log = json.loads((await ask("GET", "/simulator/log", user=None)).body)
    assert [(each["method"], each["path"], each["status"], each["caller"]) for each in log] == [
        ("GET", "/wstest/share/meter/pending/list?page=1", 200, "prairie_power"),
        ("POST", "/wstest/share/meter/100", 200, "prairie_power"),
        ("POST", "/wstest/share/meter/100", 400, "prairie_power"),
    ]
    assert [(each["kind"], each["id"], each["from"], each["to"], each["cascade"]) for each in log[1]["effect"]] == [
        ("meter", 100, "pending", "active", False),
        ("property", 10, "pending", "active", True),
        ("connection", 1, "pending", "active", True),
    ]
    assert log[2]["effect"] == []
    assert "fulfilled" in log[2]["error"]


async def test_the_end_of_the_log(serve: Serve, world: World) -> None:
    """`after` names the last call that is known, `last` how many; each says if and in which order it was processed."""
    put(world, "connection", 1, State.PENDING)
    simulator, ask = await serve(world)
    simulator.faults.add(Fault(kind=FaultKind.STATUS, times=1))
    await ask("GET", "/account")
    await ask("GET", "/account")
    simulator.act("withdraw", account=1)
    log = json.loads((await ask("GET", "/simulator/log?after=0", user=None)).body)
    assert [(each["number"], each["processed"]) for each in log] == [(1, None), (2, 1), (3, 2)]
    assert json.loads((await ask("GET", "/simulator/log?after=2", user=None)).body) == log[2:]
    assert json.loads((await ask("GET", "/simulator/log?last=1", user=None)).body) == log[2:]
    assert (await ask("GET", "/simulator/log?after=-1", user=None)).status == 400


async def test_every_act(serve: Serve, world: World) -> None:
    """Customers connect, share, change, transfer, add, answer and take back through the switchboard."""
    simulator, ask = await serve(world)
    for act in (
        {"act": "answer_custom_fields", "account": 1, "values": {"Utility Customer Number": "0041"}},
        {"act": "connect", "account": 1},
        {"act": "share", "property": 10, "access": "Read"},
        {"act": "share", "meter": 100},
        {"act": "withdraw", "meter": 100},
        {"act": "share", "meter": 100},
        {"act": "share", "meter": 200, "sender": 9},
    ):
        assert (await ask("POST", "/simulator/act", json.dumps(act).encode())).status == 200, act
    for what in ("/connect/account/1", "/share/meter/100"):
        await ask("POST", what, ACCEPT)
    for act in (
        {"act": "change_access", "meter": 100, "access": "Read"},
        {"act": "add_meter", "property": 10, "meter": 555, "name": "New", "type": "Electric", "unit": "kBtu"},
        {"act": "transfer", "property": 10, "new_owner": 2, "keep_access": True},
        {"act": "unshare", "property": 10},
        {"act": "disconnect", "account": 1},
    ):
        assert (await ask("POST", "/simulator/act", json.dumps(act).encode())).status == 200, act
    assert states(world) == {
        "connection:1": "ended",
        "property:10": "ended",
        "meter:100": "ended",
        "connection:2": "pending",
        "meter:200": "pending",
        "meter:555": "pending",
    }
    assert [call.path for call in simulator.log.calls if call.method == "ACT"][:2] == [
        "answer_custom_fields",
        "connect",
    ]
    assert [each.type for each in world.notifications] == [
        "SHAREUPDATE",
        "TRANSFERPROPERTY",
        "UNSHARE",
        "UNSHARE",
        "DISCONNECT",
    ]


@pytest.mark.parametrize(
    ("act", "status", "said"),
    [
        ({}, 400, "there is no act"),
        ({"act": "dance"}, 400, "the acts are connect"),
        ({"act": "connect"}, 400, "account is missing"),
        ({"act": "connect", "account": "1"}, 400, "must be a whole number"),
        ({"act": "connect", "account": 77}, 400, "not known"),
        ({"act": "share", "meter": 100, "access": "READ"}, 400, "Read or Read Write"),
        ({"act": "share", "meter": 100}, 400, "not connected"),
        ({"act": "unshare", "meter": 100}, 403, "Access Denied"),
        ({"act": "answer_custom_fields", "account": 1, "values": {"A": 1}}, 400, "names and texts"),
    ],
)
async def test_act_refused(serve: Serve, world: World, act: dict[str, object], status: int, said: str) -> None:
    """An act that cannot be is refused with the reason, and is not in the log."""
    simulator, ask = await serve(world)
    came = await ask("POST", "/simulator/act", json.dumps(act).encode())
    assert came.status == status
    assert said in json.loads(came.body)["error"]
    assert simulator.log.calls == []


async def test_elsewhere(serve: Serve, world: World) -> None:
    """A path outside of the services and the switchboard says where they are."""
    _, ask = await serve(world)
    assert b"/wstest" in (await ask("GET", "/simulator/nothing")).body


async def test_context_manager_and_ready_line() -> None:
    """The simulator runs for the length of a block, and says how to reach it and how much pends."""
    world = world_from_seed(seed=1, pending=50, now=NOW)
    async with Simulator(world, latency=0.001) as simulator:
        line = ready_line(simulator)
        assert line["url"] == simulator.url == f"{simulator.root_url}/wstest"
        assert (line["username"], line["password"]) == ("prairie_power", "Simulated-Meter-42")
        assert sum(line["pending"].values()) == 50
        assert list(line["pending"]) == ["connection", "property", "meter"]
        with pytest.raises(OSError, match="address already in use"):
            await Simulator(world, port=int(simulator.root_url.rpartition(":")[2])).start()


async def test_serve_until_told_to_stop(world: World) -> None:
    """What the command runs: it tells that it is ready, and returns when it is told to stop."""
    stop, lines = asyncio.Event(), []
    stop.set()
    await run(Simulator(world), ready=lines.append, stop=stop)
    assert [line["pending"] for line in lines] == [{"connection": 0, "property": 0, "meter": 0}]


def test_guide_names_everything() -> None:
    """docs/simulator.md names every act, every kind and every key of a fault."""
    guide = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")
    names = [*actions.table(), *FaultKind, *(each.name for each in fields(Fault))]
    assert [name for name in names if f"`{name}`" not in guide] == []
