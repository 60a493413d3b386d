"""What a policy calls private is nowhere: not in the log at debug level, metrics, the ledger, nor in any command."""

from __future__ import annotations

import asyncio
import logging
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner
from prometheus_client import generate_latest

from pm_autoaccept.cli import cli
from pm_autoaccept.config import load_accounts
from pm_autoaccept.daemon import run
from pm_autoaccept.model import CustomField, Kind
from pm_autoaccept.simulator import State, world_from_seed
from pm_autoaccept.simulator.story import CUSTOMER_NUMBER
from pm_autoaccept.telemetry.health import ready
from pm_autoaccept.telemetry.logs import LogFormat, LogLevel, configure_logs
from pm_autoaccept.telemetry.telemetry import Telemetry
from tests.integration.test_secrets import Twice
from tests.secrets import forms

SECRET = "Töken/& +<42>"
"""It looks different in each of its forms."""

POLICY = f"""
version: 1
private: [custom.{CUSTOMER_NUMBER}]
data:
  tokens: {{values: ['{SECRET} 0', '{SECRET} 1']}}
rules:
  - id: tried
    on: [connection, property, meter]
    when: {{custom.{CUSTOMER_NUMBER}: {{contains: '{SECRET}'}}}}
    then: hold
    enforce: false
  - id: with-token
    on: connection
    when:
      any:
        - {{custom.{CUSTOMER_NUMBER}: '{SECRET} 2'}}
        - {{custom.{CUSTOMER_NUMBER}: {{in: tokens}}}}
    then: accept
    tell: supervisors
  - id: of-a-customer
    on: [property, meter]
    when: {{connection.custom.{CUSTOMER_NUMBER}: {{matches: '{SECRET.replace("+", "[+]")} [0-2]'}}}}
    then: accept
  - id: waits
    on: connection
    when: {{custom.{CUSTOMER_NUMBER}: {{present: true}}}}
    then: hold
  - id: the-rest
    on: [property, meter]
    when: {{account.connected: true}}
    then: reject
"""

OF_THE_LEDGER = (
    "decisions --every --output text",
    "decisions --every --output json",
    "decisions --accepted --output csv",
    "account list --output json",
)
OF_WHAT_PENDS = ("pending --output json", "explain {key} --output text", "explain {key} --output json")


@pytest.fixture(autouse=True)
def _as_before():
    """Leave structlog and the standard library as other tests expect them."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def world(now):
    """A world in which every customer typed a token of its own into the private field."""
    made = world_from_seed(seed=7, pending=30, now=now)
    connections = sorted(key for key in made.answers if key.kind is Kind.CONNECTION)
    for number, key in enumerate(connections):
        made.answers[key] = (CustomField(CUSTOMER_NUMBER, f"{SECRET} {number}"),)
    return made


@pytest.fixture
async def simulator(simulate, world):
    """A simulator of that world."""
    return await simulate(world)


@pytest.fixture
def program(simulator, tmp_path, monkeypatch):
    """The settings of a program that answers it, for the daemon and for commands."""
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "policy.yaml").write_text(POLICY, encoding="utf-8")
    settings = {
        "service": simulator.url,
        "username": simulator.username,
        "password": simulator.password,
        "policy": str(folder),
        "ledger": f"sqlite:///{tmp_path / 'ledger.db'}",
        "rate": "none",
        "mode": "enforce",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"PM_AUTOACCEPT_{name.upper()}", value)
    return load_accounts()


async def output_of(command: str) -> str:
    """What a command of the program prints, as a process of its own."""
    begun = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pm_autoaccept", *command.split(), stdout=PIPE, stderr=STDOUT
    )
    printed, _ = await begun.communicate()
    assert begun.returncode == 0, printed.decode()
    return printed.decode()


async def test_a_private_value_is_nowhere(simulator, program, capsys, world):
    """Of what is accepted, held, rejected; plain, escaped, URL-encoded, in base64: it is searched byte by byte."""
    configure_logs(LogLevel.DEBUG, LogFormat.JSON)
    telemetry = Telemetry(version="1")
    await run(program, stop=Twice(), telemetry=telemetry)
    told = capsys.readouterr()
    assert {"people_told", "request_accepted", "call_made"} <= {
        line.partition('"event": "')[2].partition('"')[0] for line in told.err.splitlines()
    }
    said = [told.err, told.out, str(ready(telemetry.accounts, now=telemetry.now()).body)]
    held = next(key for key, tie in world.ties.items() if tie.state is State.PENDING and key in world.answers)
    said += await asyncio.gather(*(output_of(command.format(key=held)) for command in OF_WHAT_PENDS))
    for command in OF_THE_LEDGER:
        result = await asyncio.to_thread(CliRunner().invoke, cli, command.split(), standalone_mode=False)
        assert result.return_value == 0, result.output
        said.append(result.output)
    ledger = Path(program.ledger.removeprefix("sqlite:///"))
    written = [path.read_bytes() for path in ledger.parent.glob("ledger.db*")]
    everything = b"".join([*(each.encode() for each in said), generate_latest(telemetry.registry), *written])
    assert b"with-token" in everything
    assert b"digest:" in b"".join(written)
    assert [form for form in forms(simulator.username, SECRET) if form in everything] == []
