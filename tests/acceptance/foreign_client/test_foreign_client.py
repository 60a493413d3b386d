"""Another author's client, the npm package portfolio-manager, lists, accepts and rejects against the simulator.

Client and simulator of this project could share a misreading of Portfolio Manager; this client cannot share it. Its
author tests it nightly against the real test environment. It is fetched from the registry when the test runs; nothing
of it is kept here.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pm_autoaccept.model import Kind
from pm_autoaccept.simulator import Simulator, world_from_seed
from tests.once import once_per_run

PACKAGE = "portfolio-manager@2.0.0"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
UNREACHABLE = (
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ENETUNREACH",
    "ENOTCACHED",
    "ENOTFOUND",
    "ETIMEDOUT",
    "ERR_SOCKET_TIMEOUT",
)

LISTS = {
    Kind.CONNECTION: ("getPendingConnections", "accountId"),
    Kind.PROPERTY: ("getPendingPropertyShares", "id"),
    Kind.METER: ("getPendingMeterShares", "id"),
}
SHOWN_AS = {Kind.CONNECTION: "connections", Kind.PROPERTY: "properties", Kind.METER: "meters"}
ACCEPT = {Kind.CONNECTION: "acceptConnection", Kind.PROPERTY: "acceptPropertyShare", Kind.METER: "acceptMeterShare"}
REJECT = {Kind.CONNECTION: "rejectConnection", Kind.PROPERTY: "rejectPropertyShare", Kind.METER: "rejectMeterShare"}

Outcome = dict[str, Any]
Drive = Callable[..., Awaitable[list[Outcome]]]


@pytest.fixture(scope="session")
def foreign_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script that drives the foreign client, beside the installed package."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("needs a client from npm; install Node.js and npm to run it")
    flags = ("--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--engine-strict=false")

    def install(folder: Path) -> None:
        installed = subprocess.run(  # noqa: S603 - nothing in the command comes from outside
            (npm, "install", "--prefix", folder, *flags, PACKAGE),
            capture_output=True,
            text=True,
            check=False,
        )
        if any(code in installed.stderr for code in UNREACHABLE):
            pytest.skip(f"needs {PACKAGE} from the npm registry, which cannot be reached from here")
        assert installed.returncode == 0, installed.stderr
        shutil.copy(Path(__file__).with_name("drive.mjs"), folder)

    return once_per_run(tmp_path_factory, "foreign-client", install) / "drive.mjs"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A simulated Portfolio Manager in which each kind of request fills more than one page of 20."""
    async with Simulator(world_from_seed(seed=5, pending=150, now=NOW)) as simulator:
        yield simulator


@pytest.fixture
def drive(foreign_client: Path) -> Drive:
    """Calls methods of the foreign client against a simulator and gives their outcomes, in order."""

    async def drive(simulator: Simulator, *calls: tuple[str | int, ...]) -> list[Outcome]:
        node = await asyncio.create_subprocess_exec(
            "node", foreign_client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        who = {"url": simulator.url, "username": simulator.username, "password": simulator.password}
        out, err = await node.communicate(json.dumps({**who, "calls": calls}).encode())
        assert node.returncode == 0, err.decode()
        outcomes: list[Outcome] = json.loads(out)
        return outcomes

    return drive


async def switchboard(simulator: Simulator, page: str) -> Any:
    """What a page of the simulator's switchboard shows."""
    async with aiohttp.ClientSession() as session, session.get(f"{simulator.root_url}/simulator/{page}") as response:
        assert response.status == 200
        return await response.json()


async def states(simulator: Simulator) -> dict[Kind, dict[int, str]]:
    """How every connection and share of the simulated world stands, by kind and id."""
    world = await switchboard(simulator, "world")
    return {kind: {tie["id"]: tie["state"] for tie in world[name]} for kind, name in SHOWN_AS.items()}


def pending(world: dict[Kind, dict[int, str]]) -> dict[Kind, list[int]]:
    """The ids of what pends, by kind."""
    return {kind: sorted(id_ for id_, state in ties.items() if state == "pending") for kind, ties in world.items()}


async def listed(simulator: Simulator, drive: Drive) -> dict[Kind, list[int]]:
    """The ids of what pends, by kind, as the foreign client reads it."""
    outcomes = await drive(simulator, *((method,) for method, _ in LISTS.values()))
    return {
        kind: sorted(request[id_name] for request in outcome["answer"])
        for (kind, (_, id_name)), outcome in zip(LISTS.items(), outcomes, strict=True)
    }


async def test_it_reads_every_pending_request_through_all_pages(simulator: Simulator, drive: Drive) -> None:
    """The foreign client, which follows next-page links, reads exactly what pends, of each kind more than a page."""
    expected = pending(await states(simulator))

    assert all(len(ids) > 20 for ids in expected.values())
    assert await listed(simulator, drive) == expected


async def test_it_reads_an_empty_list_as_empty(drive: Drive) -> None:
    """Lists in which nothing pends (docs/protocol.md#empty-list) are empty to the foreign client."""
    async with Simulator(world_from_seed(seed=5, pending=0, now=NOW)) as simulator:
        assert await listed(simulator, drive) == {kind: [] for kind in Kind}


@pytest.mark.parametrize("note", [(), ("Thank you & welcome: <ready>",)], ids=["without a note", "with a note"])
@pytest.mark.parametrize("kind", Kind)
async def test_its_accept_and_its_reject_take_effect(
    simulator: Simulator, drive: Drive, kind: Kind, note: tuple[str, ...]
) -> None:
    """What the foreign client accepts becomes active, what it rejects is rejected, and neither pends any more."""
    first, *_, last = pending(await states(simulator))[kind]

    assert await drive(simulator, (ACCEPT[kind], first, *note), (REJECT[kind], last, *note)) == [{"answer": None}] * 2

    after = (await states(simulator))[kind]
    assert (after[first], after[last]) == ("active", "rejected")
    assert not {first, last} & set((await listed(simulator, drive))[kind])


async def test_it_is_told_that_a_request_was_answered_before(simulator: Simulator, drive: Drive) -> None:
    """A second answer to one request comes back as Portfolio Manager's own refusal, and changes nothing."""
    first = pending(await states(simulator))[Kind.CONNECTION][0]

    _, again = await drive(simulator, (ACCEPT[Kind.CONNECTION], first), (REJECT[Kind.CONNECTION], first))

    assert again["refused"] == 400
    assert "The pending request doesn't exist or has been fulfilled" in again["text"]
    assert (await states(simulator))[Kind.CONNECTION][first] == "active"


async def test_it_finds_whom_it_accepted_among_its_customers(simulator: Simulator, drive: Drive) -> None:
    """An accepted account, and no other newcomer, joins the list of customers that the foreign client reads."""
    first = pending(await states(simulator))[Kind.CONNECTION][0]

    before, _, after = await drive(
        simulator, ("getCustomerList",), (ACCEPT[Kind.CONNECTION], first), ("getCustomerList",)
    )

    newcomers = {each["id"] for each in after["answer"]} - {each["id"] for each in before["answer"]}
    assert newcomers == {first}
