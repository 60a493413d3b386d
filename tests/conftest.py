"""What all tests share: simulators that stop by themselves, and clients that never wait."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from pm_autoaccept.ledger import Database, sign_in_attempts
from pm_autoaccept.portfolio_manager import PortfolioManager, RateLimiter
from pm_autoaccept.simulator import Simulator, World, world_from_seed
from tests.faketime import FakeTime
from tests.new_ledgers import copied_tables, migrated
from tests.postgresql import PostgreSQL, postgresql
from tests.summary import lines

# A machine that is busy is slow, and that is no fault of what is tested.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the property tests met."""
    told = lines(terminalreporter)
    if told:
        terminalreporter.section("property tests")
    for line in told:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session", autouse=True)
def no_loop_but_a_tests_own() -> None:
    """Says once that there is no event loop: else pytest-asyncio makes one to restore later, and leaves it unclosed."""
    asyncio.set_event_loop(None)


@pytest.fixture(scope="session", autouse=True)
def new_ledgers_are_copied() -> Iterator[None]:
    """A new SQLite ledger is made in 2 ms instead of 100."""
    with copied_tables():
        yield


@pytest.fixture(scope="session", autouse=True)
def cost_of_a_digest() -> Iterator[int]:
    """Digests of passwords cost next to nothing in this process. The value is what they cost in the program."""
    with pytest.MonkeyPatch.context() as patch:
        real = sign_in_attempts.COST
        patch.setattr(sign_in_attempts, "COST", 2)
        yield real


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting stands in the environment by chance."""
    for name in [name for name in os.environ if name.startswith("PM_AUTOACCEPT_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def now() -> datetime:
    """The time of the test, the same on every day."""
    return datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def default_logging() -> Iterator[None]:
    """Undo what a test or its commands configured: a log level that stayed would hide events from later tests."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)


@pytest.fixture
async def until_the_end() -> AsyncIterator[AsyncExitStack]:
    """What is entered here is left when the test ends, the last first."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def simulate(until_the_end: AsyncExitStack, now: datetime) -> Callable[..., Any]:
    """Start a simulator over a world, or over one made of `seed` and `pending`; other arguments are Simulator's own."""

    async def start(world: World | None = None, *, seed: int = 7, pending: int = 30, **more: Any) -> Simulator:
        made = world or world_from_seed(seed=seed, pending=pending, now=now)
        return await until_the_end.enter_async_context(Simulator(made, **{"clock": lambda: now} | more))

    return start


@pytest.fixture
def sign_in(until_the_end: AsyncExitStack, now: datetime) -> Callable[..., Any]:
    """Open a client on a simulator, as its provider; unpaced, without waiting between attempts."""

    async def enter(simulator: Simulator, **more: Any) -> PortfolioManager:
        time = FakeTime()
        settings = {
            "base_url": simulator.url,
            "username": simulator.username,
            "password": simulator.password,
            "rate_limiter": RateLimiter(in_flight=8, rate=None, clock=time, sleep=time.sleep),
            "sleep": _at_once,
            "now": lambda: now,
        }
        return await until_the_end.enter_async_context(PortfolioManager(**settings | more))

    return enter


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    """A real PostgreSQL, one for the whole session."""
    with postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def empty_ledger() -> Callable[[str, Callable[[], str]], str]:
    """The address of a ledger of each kind that has its tables and no rows, made once, to be copied."""
    made: dict[str, str] = {}

    def ledger(kind: str, place: Callable[[], str]) -> str:
        if kind not in made:
            made[kind] = place()
            asyncio.run(_make(made[kind]))
        return made[kind]

    return ledger


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_address(
    request: pytest.FixtureRequest, tmp_path: Path, empty_ledger: Callable[[str, Callable[[], str]], str]
) -> str:
    """The address of a ledger of the test's own, on each database in turn; it has its tables and no rows."""
    if request.param == "sqlite":
        template = request.getfixturevalue("tmp_path_factory").getbasetemp() / "empty-ledger.db"
        empty_ledger("sqlite", lambda: f"sqlite:///{template}")
        shutil.copy(template, tmp_path / "ledger.db")
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server: PostgreSQL = request.getfixturevalue("postgres")
    return server.database(like=empty_ledger("postgresql", server.database))


async def _make(address: str) -> None:
    await (await Database.open(address, prepare=migrated)).close()


async def _at_once(_seconds: float) -> None:
    """Wait for nothing."""
