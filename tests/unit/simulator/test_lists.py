"""Lists of several pages that shift while they are read, lag, flap, repeat, and show one id with two contents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import aiohttp
import pytest

from pm_autoaccept.model import Kind, RequestKey
from pm_autoaccept.simulator import Call, Inferred, Simulator, State, World
from tests.unit.simulator.small_world import ACCEPT, NOW, Came, Serve, account, put

METERS = "/share/meter/pending/list"
CONNECTIONS = "/connect/account/pending/list"
Read = Callable[[str], Awaitable[list[list[int]]]]


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        """The time that was set."""
        return self.now


@pytest.fixture
async def lists(world: World):
    """Four accounts ask for connections. Start a simulator over that; get it, its clock, and how to read a list."""
    for id_ in (3, 4):
        world.accounts[id_] = account(id_, f"owner_{id_}")
    for id_ in (1, 2, 3, 4):
        put(world, "connection", id_, State.PENDING)
    clock = Clock()
    running: list[Simulator] = []
    async with aiohttp.ClientSession() as session:

        async def start(**switches: object) -> tuple[Simulator, Clock, Read]:
            simulator = Simulator(world, inferred=Inferred(**switches), clock=clock)
            await simulator.start()
            running.append(simulator)
            auth = aiohttp.encode_basic_auth(simulator.username, simulator.password)

            async def read(path: str) -> list[list[int]]:
                pages: list[list[int]] = []
                while True:
                    url = f"{simulator.url}{path}?page={len(pages) + 1}"
                    async with session.get(url, headers={"Authorization": auth}) as answer:
                        came = Came(answer.status, await answer.read(), {})
                    pages.append(came.ids)
                    if not any(each.get("linkDescription") == "next page" for each in came.xml.iter("link")):
                        return pages

            return simulator, clock, read

        yield start
        for simulator in running:
            await simulator.stop()


def before_page(simulator: Simulator, number: int, act: Callable[[], object]) -> None:
    """Let somebody act right before this page of a list is made."""

    def in_between(call: Call) -> None:
        if call.path.endswith(f"?page={number}"):
            act()

    simulator.before_processing = in_between


async def test_a_page_has_the_size_that_is_switched_on(lists) -> None:
    """A small world has several pages, and a test sees what a page is about to show."""
    simulator, _, read = await lists(page_size=3)
    assert await read(CONNECTIONS) == [[1, 2, 3], [4]]
    page = simulator.page(Kind.CONNECTION)
    assert ([each.tie.key.id for each in page.listed], page.more) == ([1, 2, 3], True)


async def test_a_list_shifts_between_its_pages(lists) -> None:
    """What pends moves up when somebody withdraws between two pages, and stands on neither."""
    simulator, _, read = await lists(page_size=2)
    before_page(simulator, 2, lambda: simulator.act("withdraw", account=1))
    assert await read(CONNECTIONS) == [[1, 2], [4]]


async def test_a_list_with_the_newest_first_shows_one_twice(lists) -> None:
    """What pends moves down when somebody asks between two pages, and stands on both."""
    simulator, clock, read = await lists(page_size=2, order="newest_first")
    clock.now += timedelta(minutes=1)
    before_page(simulator, 2, lambda: simulator.act("connect", account=5))
    simulator.world.accounts[5] = account(5, "owner_5")
    assert await read(CONNECTIONS) == [[4, 3], [3, 2], [1]]


async def test_a_list_lags(lists) -> None:
    """What was answered, or withdrawn, stands in its list for as long as is switched on."""
    simulator, clock, read = await lists(lag=60)
    simulator.act("answer_in_pages", account=1, action="Accept")
    simulator.act("withdraw", account=2)
    assert await read(CONNECTIONS) == [[1, 2, 3, 4]]
    clock.now += timedelta(seconds=59)
    assert await read(CONNECTIONS) == [[1, 2, 3, 4]]
    clock.now += timedelta(seconds=1)
    assert await read(CONNECTIONS) == [[3, 4]]


async def test_an_answer_of_the_client_lags_too(serve: Serve, world: World) -> None:
    """What came by the service itself lags as what people did."""
    put(world, "connection", 1, State.PENDING)
    _, ask = await serve(world, inferred=Inferred(lag=60))
    await ask("POST", "/connect/account/1", ACCEPT)
    assert (await ask("GET", CONNECTIONS)).ids == [1]


@pytest.mark.parametrize(
    ("keeps", "order", "shown"),
    [
        (False, "oldest_first", ["Read Write", "Read"]),
        (False, "newest_first", ["Read", "Read Write"]),
        (True, "oldest_first", ["Read", "Read Write"]),
    ],
)
async def test_what_is_asked_again_while_the_list_lags_stands_there_twice(
    serve: Serve, world: World, *, keeps: bool, order: str, shown: list[str]
) -> None:
    """A list that lags shows one id with two contents: what was answered, and what is asked again."""
    put(world, "meter", 100, State.PENDING)
    put(world, "connection", 1, State.ACTIVE)
    simulator, ask = await serve(world, inferred=Inferred(lag=60, asked_again_keeps_date=keeps, order=order))
    simulator._clock = lambda: NOW + timedelta(seconds=1)
    simulator.act("withdraw", meter=100)
    simulator.act("share", meter=100, access="Read")
    came = await ask("GET", METERS)
    assert came.ids == [100, 100]
    assert [each.text for each in came.xml.iter("accessLevel")] == shown


async def test_what_is_asked_again_just_so_stands_there_once(lists) -> None:
    """Where nothing differs, not even the date, a list that lags cannot show two."""
    simulator, _, read = await lists(lag=60, asked_again_keeps_date=True)
    simulator.act("withdraw", account=1)
    simulator.act("connect", account=1)
    assert await read(CONNECTIONS) == [[1, 2, 3, 4]]


@pytest.mark.parametrize("keeps", [False, True])
async def test_what_is_asked_again_has_a_new_date_or_its_old_one(lists, *, keeps: bool) -> None:
    """By switch, a request that comes back has the createdDate that it had."""
    simulator, clock, _ = await lists(asked_again_keeps_date=keeps)
    clock.now += timedelta(hours=1)
    simulator.act("withdraw", account=1)
    simulator.act("connect", account=1)
    assert simulator.world.ties[RequestKey(Kind.CONNECTION, 1)].asked_at == (NOW if keeps else clock.now)


async def test_a_list_flaps(lists) -> None:
    """What pends is hidden for a while, or until it is shown again; so is what lags."""
    simulator, clock, read = await lists(page_size=3, lag=600)
    simulator.act("withdraw", account=1)
    for account_id in (1, 2):
        (effect,) = simulator.act("hide", account=account_id, seconds=60)
        assert (effect.what, effect.after) == ("listing", "hidden")
    assert await read(CONNECTIONS) == [[3, 4]]
    simulator.act("hide", account=1, seconds=0)
    assert await read(CONNECTIONS) == [[1, 3, 4]]
    clock.now += timedelta(seconds=60)
    assert await read(CONNECTIONS) == [[1, 2, 3], [4]]


async def test_a_list_repeats(lists) -> None:
    """One request stands on two pages of one read, for a while."""
    simulator, clock, read = await lists(page_size=2)
    simulator.act("repeat", account=1, seconds=60)
    assert await read(CONNECTIONS) == [[1, 2], [1, 3], [4]]
    clock.now += timedelta(seconds=60)
    assert await read(CONNECTIONS) == [[1, 2], [3, 4]]


async def test_a_world_says_how_its_simulator_behaves(world: World) -> None:
    """Unless a simulator is told otherwise, it behaves as its world says."""
    world.inferred = Inferred(page_size=1)
    for id_ in (1, 2):
        put(world, "connection", id_, State.PENDING)
    assert Simulator(world).page(Kind.CONNECTION).more
    assert not Simulator(world, inferred=Inferred()).page(Kind.CONNECTION).more
