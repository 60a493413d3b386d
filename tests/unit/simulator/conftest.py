"""A small world, and a running simulator with a client that signs in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from pm_autoaccept.simulator import Inferred, Simulator, State, World, story
from pm_autoaccept.simulator.world import Meter, Property
from tests.unit.simulator.small_world import NOW, Ask, Came, Serve, account, put


@pytest.fixture(scope="session", autouse=True)
def no_stray_event_loop() -> None:
    """Keep pytest-asyncio from making an event loop at its first look for one, which nobody would close."""
    asyncio.set_event_loop(None)


@pytest.fixture
def world() -> World:
    """Owner 1 with property 10 and meters 100, 101; owner 2 with property 20 and meter 200; consultant 9 may forward.

    Nothing has been asked for; only the consultant is connected.
    """
    made = World(provider=account(87267, "prairie_power"), custom_fields=story.CUSTOM_FIELDS)
    for id_, username in ((1, "riverside"), (2, "lakeview"), (9, "green_consult")):
        made.accounts[id_] = account(id_, username)
    for id_, owner in ((10, 1), (20, 2)):
        made.properties[id_] = Property(id=id_, owner=owner, name=f"Tower {id_}", forwarders=frozenset({9}))
    for id_, home in ((100, 10), (101, 10), (200, 20)):
        made.meters[id_] = Meter(
            id=id_, property_id=home, name=f"Main {id_}", type="Electric", unit="kWh (thousand Watt-hours)"
        )
    put(made, "connection", 9, State.ACTIVE)
    return made


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a simulator over a world; get it and a function that calls it, by default as the provider."""
    running: list[Simulator] = []
    async with aiohttp.ClientSession() as session:

        async def start(world: World, *, inferred: Inferred | None = None, **more: object) -> tuple[Simulator, Ask]:
            simulator = Simulator(world, inferred=inferred, clock=lambda: NOW, **more)
            await simulator.start()
            running.append(simulator)

            async def ask(
                method: str,
                path: str,
                body: bytes | None = None,
                *,
                user: tuple[str, str] | None = (simulator.username, simulator.password),
                headers: dict[str, str] | None = None,
            ) -> Came:
                sent = {"Content-Type": "application/xml"} if body is not None else {}
                if user is not None:
                    sent["Authorization"] = aiohttp.encode_basic_auth(*user)
                base = simulator.root_url if path.startswith("/simulator") else simulator.url
                async with session.request(method, base + path, data=body, headers=sent | (headers or {})) as answer:
                    return Came(answer.status, await answer.read(), dict(answer.headers))

            return simulator, ask

        yield start
        for simulator in running:
            await simulator.stop()
