"""The password is nowhere: not in the log at debug level, in metrics, probes, ledger or commands, under no fault."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress
from dataclasses import replace

import pytest
from click.testing import CliRunner
from prometheus_client import generate_latest

from pm_autoaccept.cli import cli
from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import load_accounts
from pm_autoaccept.daemon import Stop, run
from pm_autoaccept.errors import PmAutoacceptError
from pm_autoaccept.model import Kind
from pm_autoaccept.simulator import Fault, FaultKind, State, world_from_seed
from pm_autoaccept.telemetry.health import ready
from pm_autoaccept.telemetry.logs import LogFormat, LogLevel, configure_logs
from pm_autoaccept.telemetry.telemetry import Telemetry
from tests.secrets import forms, kept_in
from tests.stops import Rounds

PASSWORD = "Sécret/& +<42>"
"""It looks different in each of its forms."""

POLICY = """
version: 1
rules:
  - {id: turn-away, on: [connection, property, meter], when: always, then: reject, note: Please ask us first.}
"""

FAULTS = {
    "none": None,
    "wrong password": Fault(kind=FaultKind.STATUS, status=401),
    "refused": Fault(kind=FaultKind.STATUS, status=400),
    "not ours": Fault(kind=FaultKind.STATUS, status=403),
    "too fast": Fault(kind=FaultKind.STATUS, status=429, headers=(("Retry-After", "3600"),)),
    "broken": Fault(kind=FaultKind.STATUS, status=500),
    "redirected": Fault(kind=FaultKind.STATUS, status=302, headers=(("Location", "http://127.0.0.1:1/"),)),
    "a page": Fault(kind=FaultKind.HTML, status=200),
    "not XML": Fault(kind=FaultKind.STATUS, status=200, body="{}"),
    "reset": Fault(kind=FaultKind.RESET),
    "truncated": Fault(kind=FaultKind.TRUNCATED),
}


COMMANDS = (
    *("once --mode observe", "doctor", "check --live", "data", "pending", "explain {pending}"),
    *("decisions --every --output json", "account list --output json", "account notifications"),
    *("pause --why audit", "once", "resume", "resume --limit accept --until 23:59", "once"),
    *("account unshare {shared} --yes --note gone", "account disconnect {connected} --keep-shares --yes"),
    "account notifications --clear --yes",
)
"""In an order in which each has something to do."""


@pytest.fixture
def world(now):
    """A world whose provider has the password."""
    made = world_from_seed(seed=7, pending=12, now=now)
    made.accounts[made.provider.id] = made.provider = replace(made.provider, password=PASSWORD)
    return made


@pytest.fixture
async def simulator(simulate, world):
    """A simulator of that world."""
    return await simulate(world, clock=utc_now)


@pytest.fixture
def said(simulator, said_of, tmp_path):
    """The settings of a program that answers it."""
    (tmp_path / "policy" / "policy.yaml").write_text(POLICY)
    return said_of(simulator, mode="enforce")


@pytest.mark.parametrize("service", ["GET", "POST"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_the_password_is_nowhere_under_any_fault(fault, service, simulator, said, capsys):
    """Plain, escaped, URL-encoded or in base64: it is searched in all that the program writes, byte by byte."""
    if (happens := FAULTS[fault]) is not None:
        simulator.faults.add(replace(happens, service=service))
    configure_logs(LogLevel.DEBUG, LogFormat.TEXT if service == "GET" else LogFormat.JSON)
    telemetry, program = Telemetry(version="1"), load_accounts(**said)
    told = [repr(program), str(program)]
    with suppress(PmAutoacceptError):
        await run(program, stop=Rounds(after=2), telemetry=telemetry)
    logged = capsys.readouterr()
    told += [logged.err, logged.out, str(ready(telemetry.accounts, now=telemetry.now()).body)]
    written = kept_in(program.ledger)
    everything = b"".join([*(each.encode() for each in told), generate_latest(telemetry.registry), written])
    assert written
    assert "call_made" in logged.err
    assert [form for form in forms(simulator.username, PASSWORD) if form in everything] == []


@pytest.fixture
def command(said, ledger_address, monkeypatch, world):
    """What a command says, its log at debug level and its error included, on a ledger of each kind; its exit code."""
    for name, value in (said | {"ledger": ledger_address, "log_level": "debug"}).items():
        monkeypatch.setenv(f"PM_AUTOACCEPT_{name.upper()}", str(value))
    monkeypatch.setattr(Stop, "on_signals", lambda _stop: nullcontext())  # they come to a main thread only
    shared = next(world.having(Kind.PROPERTY, "pending"))
    world.ties[shared.key] = replace(shared, state=State.ACTIVE)
    keys = {
        "pending": next(world.having(Kind.CONNECTION, "pending")).key,
        "connected": next(world.having(Kind.CONNECTION, "active")).key.id,
        "shared": shared.key,
    }

    async def give(words: str) -> tuple[str, int]:
        called = words.format(**keys).split()
        result = await asyncio.to_thread(CliRunner().invoke, cli, called, standalone_mode=False)
        error = result.exception
        assert error is None or isinstance(error, PmAutoacceptError), result.output
        code = result.return_value if error is None else error.exit_code
        return f"{words}: {result.output}\n{error!r}\n{error}", code

    return give


@pytest.mark.parametrize("fault", ["none", "wrong password", "not ours"])
async def test_no_command_tells_the_password(fault, simulator, command, ledger_address):
    """Nor does the ledger keep it that they write, whatever comes of them."""
    told = [await command(COMMANDS[0])]
    if (happens := FAULTS[fault]) is not None:
        simulator.faults.add(happens)
    told += [await command(words) for words in COMMANDS[1:]]
    bad = [text for text, code in told if code != 0]
    assert bool(bad) is (fault != "none"), bad
    kept = kept_in(ledger_address)
    assert b"audit" in kept
    everything = b"".join([*(text.encode() for text, _ in told), kept])
    assert [form for form in forms(simulator.username, PASSWORD) if form in everything] == []
