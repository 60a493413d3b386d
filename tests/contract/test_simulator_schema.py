"""Everything that the simulator sends is valid by EPA's schema."""

from __future__ import annotations

from datetime import UTC, datetime

import aiohttp
import pytest

from pm_autoaccept.model import CustomField, Kind, RequestKey
from pm_autoaccept.simulator import Simulator, State, World, world_from_seed
from tests.epa import faults_by_epa, needs_epa

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
ACCEPT = b"<sharingResponse><action>Accept</action></sharingResponse>"

pytestmark = needs_epa


async def _everything(simulator: Simulator, world: World) -> list[tuple[str, int, bytes]]:
    """Every kind of document that this world makes, by what was asked."""
    came: list[tuple[str, int, bytes]] = []
    auth = aiohttp.encode_basic_auth(simulator.username, simulator.password)
    async with aiohttp.ClientSession(headers={"Authorization": auth}) as session:

        async def ask(method: str, path: str, body: bytes | None = None) -> bytes:
            headers = {} if body is None else {"Content-Type": "application/xml"}
            async with session.request(method, simulator.url + path, data=body, headers=headers) as answer:
                came.append((f"{method} {path}", answer.status, await answer.read()))
                return came[-1][2]

        for path in ("/connect/account", "/share/property", "/share/meter"):
            page = 1
            while b"next page" in await ask("GET", f"{path}/pending/list?page={page}"):
                page += 1
        connected = [tie.key.id for tie in world.having(Kind.CONNECTION, State.ACTIVE)]
        for kind in ("property", "meter"):
            shown = [tie.key.id for tie in world.having(Kind(kind), State.ACTIVE, State.PENDING)][:3]
            for id_ in shown:
                await ask("GET", f"/idHierarchy/{kind}/{id_}")
                await ask("GET", f"/{kind}/{id_}/customFieldList")
                await ask("POST", f"/share/{kind}/{id_}", ACCEPT)
                await ask("POST", f"/share/{kind}/{id_}", b"<nonsense/>")
        for id_ in connected[:3]:
            await ask("GET", f"/customer/{id_}")
            await ask("GET", f"/account/{id_}/property/list")
            await ask("GET", f"/account/{id_}/customFieldList")
            simulator.act("disconnect", account=id_)
        for definition in world.custom_fields:
            await ask("GET", f"/dataExchangeSettings/customField/{definition.id}")
        for path in (
            "/account",
            "/customer/list",
            "/notification/list",
            "/notification/list",
            "/dataExchangeSettings",
            "/dataExchangeSettings/customField/list",
            "/nowhere",
            "/customer/1",
        ):
            await ask("GET", path)
    return came


@pytest.mark.parametrize("seed", range(7, 13))
async def test_every_document_is_valid(seed: int) -> None:
    """Lists, notifications, errors and all else of several seeded worlds fit EPA's schema."""
    world = world_from_seed(seed=seed, pending=120, now=NOW)
    async with Simulator(world, clock=lambda: NOW) as simulator:
        came = await _everything(simulator, world)
    assert {status for _, status, _ in came} == {200, 400, 403, 404}
    assert {each: faults for each, _, body in came if (faults := faults_by_epa(body))} == {}


async def test_hostile_text_stays_valid() -> None:
    """Characters that XML cannot carry, and markup, never spoil a document."""
    world = world_from_seed(seed=1, pending=40, now=NOW)
    hostile = CustomField("Utility Customer Number", "\x00<b>&\ud800\ufffe ]]>\x0b 🏢")
    for tie in world.having(Kind.CONNECTION, State.PENDING):
        world.answers[RequestKey(Kind.CONNECTION, tie.key.id)] = (hostile,)
    async with Simulator(world) as simulator:
        came = await _everything(simulator, world)
    assert {each: faults for each, _, body in came if (faults := faults_by_epa(body))} == {}
    assert "&lt;b&gt;&amp; ]]&gt; 🏢".encode() in came[0][2]


@pytest.mark.parametrize("supported", [(), ("Electric", "Disposed - Trash")])
async def test_settings_are_valid(supported: tuple[str, ...]) -> None:
    """The settings fit the schema with and without terms and supported meter types."""
    world = world_from_seed(seed=1, pending=0, now=NOW)
    world.meter_types = supported
    world.terms_url = None
    async with Simulator(world) as simulator:
        came = await _everything(simulator, world)
    assert {each: faults for each, _, body in came if (faults := faults_by_epa(body))} == {}
