"""The password is in no error, no traceback with its variables, no debug line of a library, and no command's output."""

from __future__ import annotations

import asyncio
import base64
import logging
import traceback
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from pm_autoaccept.data_sources import example_policy
from pm_autoaccept.errors import PortfolioManagerError
from pm_autoaccept.model import Action, Kind
from pm_autoaccept.portfolio_manager import PortfolioManager
from pm_autoaccept.simulator import Fault, FaultKind, world_from_seed
from tests.acceptance.processes import run, simulating
from tests.secrets import forms, in_base64

PASSWORD = "Sécret/& +<42>"
"""It looks different in each of its forms."""

STATUSES = (202, 302, 400, 401, 403, 404, 415, 429, 500, 503)
FAULTS = {
    **{kind.value: Fault(kind=kind) for kind in FaultKind if kind is not FaultKind.STATUS},
    **{f"status {code}": Fault(kind=FaultKind.STATUS, status=code) for code in STATUSES},
    "sign-in page": Fault(kind=FaultKind.HTML, status=200),
    "endless head": Fault(kind=FaultKind.STATUS, headers=(("X", "y" * 70_000),)),
}
CALLS = ("account", "customers", "answer")

WORLD = f"""
provider: {{username: prairie_power, password: "{PASSWORD}"}}
customers:
  - {{username: riverside_props, id: 410221, connection: pending}}
"""
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("pending",),
    ("pending", "--output", "json"),
    ("explain", "connection:410221"),
    ("once", "--mode", "enforce"),
    ("once", "--output", "json"),
    ("decisions", "--output", "json"),
    ("doctor",),
    ("doctor", "--output", "json"),
    ("doctor", "--notify"),
    ("notices", "list", "--output", "json"),
    ("migrate",),
)
"""Whatever is a command's own comes to this list."""


def call(pm: PortfolioManager, name: str) -> Awaitable[object]:
    """One of the calls."""
    return answer(pm) if name == "answer" else getattr(pm, name)()


async def answer(pm: PortfolioManager) -> None:
    """An answer, in its turn."""
    async with pm.turn():
        await pm.answer(Kind.METER, 1, Action.ACCEPT, None, blocked_reason=lambda: None)


async def error_of(pm: PortfolioManager, name: str) -> PortfolioManagerError | None:
    """What is raised; its traceback begins here, where no variable holds the password."""
    try:
        await call(pm, name)
    except PortfolioManagerError as error:
        return error
    return None


def told_of(error: BaseException) -> list[str]:
    """All that is ever shown of an error, and what other programs would show."""
    found = (type(error), error, error.__traceback__)
    with_variables = structlog.tracebacks.ExceptionDictTransformer(show_locals=True, locals_max_string=10_000)
    return [
        repr(error),
        str(error),
        "".join(traceback.format_exception(error)),
        "".join(traceback.TracebackException(*found, capture_locals=True).format()),
        repr(with_variables(found)),
    ]


@pytest.fixture
async def simulator(simulate, now):
    """A simulator whose provider has the password."""
    world = world_from_seed(seed=7, pending=12, now=now)
    world.accounts[world.provider.id] = world.provider = replace(world.provider, password=PASSWORD)
    return await simulate(world)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_error_and_no_variable_in_its_traceback_tells(
    fault: str, name: str, simulator, sign_in, caplog: pytest.LogCaptureFixture
) -> None:
    """Under each fault, with every library's debug lines, and with its variables shown."""
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    pm = await sign_in(simulator, attempts=2, timeout=1.0)
    simulator.faults.add(FAULTS[fault])
    error = await error_of(pm, name)
    said = [repr(pm), str(pm), caplog.text, *(told_of(error) if error else ())]
    everything = "\n".join(said).encode()
    assert [form for form in forms(simulator.username, PASSWORD) if form in everything] == []
    simulator.faults.clear()


def test_every_fault_that_the_simulator_knows_stands_here() -> None:
    """A new kind of fault is searched as soon as there is one."""
    assert {fault.kind for fault in FAULTS.values()} == set(FaultKind)


@pytest.mark.parametrize("password", [PASSWORD, PASSWORD + "!"], ids=["right", "wrong"])
def test_no_command_tells(password: str, tmp_path: Path) -> None:
    """Neither on stdout nor on stderr nor in the ledger's files, with the right password and with a wrong one."""
    (tmp_path / "world.yaml").write_text(WORLD, encoding="utf-8")
    everything: dict[str, bytes] = {}
    with simulating("--world", str(tmp_path / "world.yaml")) as served:
        settings = served.settings | {"PM_AUTOACCEPT_PASSWORD": password, "PM_AUTOACCEPT_LOG_LEVEL": "debug"}
        for arguments in COMMANDS:
            policy = (
                ()
                if arguments[0] in ("decisions", "migrate", "notices")
                else ("--policy", str(example_policy("utility")))
            )
            done = run(*arguments, *policy, cwd=tmp_path, **settings)
            assert done.returncode != 2, done.stderr
            everything[" ".join(arguments)] = (done.stdout + done.stderr).encode()
    everything |= {path.name: path.read_bytes() for path in tmp_path.glob("*.db*")}
    assert any(name.endswith(".db") for name in everything)
    searched = [form for each in {PASSWORD, password} for form in forms("prairie_power", each)]
    assert {name: form for name, text in everything.items() for form in searched if form in text} == {}


def test_what_is_searched_would_be_found() -> None:
    """Wherever in a longer text it begins, some form of it is found in the text's base64."""
    for before in range(7):
        for after in range(7):
            whole = base64.b64encode(b"x" * before + PASSWORD.encode() + b"y" * after)
            assert any(piece in whole for piece in in_base64(PASSWORD.encode()))
    assert f"prairie_power:{PASSWORD}".encode() not in forms("prairie_power", PASSWORD)
