"""What a policy calls private is nowhere: not in the log at debug level, metrics, the ledger, nor in any command."""

from __future__ import annotations

import asyncio

import pytest
from click.testing import CliRunner
from prometheus_client import generate_latest

from pm_autoaccept.cli import cli
from pm_autoaccept.config import load_accounts
from pm_autoaccept.daemon import run
from pm_autoaccept.model import CustomField, Kind
from pm_autoaccept.simulator import State, world_from_seed
from pm_autoaccept.simulator.story import CUSTOMER_NUMBER
from pm_autoaccept.telemetry.health import readiness
from pm_autoaccept.telemetry.logs import LogFormat, LogLevel, configure_logs
from pm_autoaccept.telemetry.telemetry import Telemetry
from tests.commands import told_by
from tests.secrets import forms, kept_in
from tests.stops import Rounds

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
def program(simulator, said_of, ledger_address, tmp_path, monkeypatch):
    """The settings of a program that answers it, for the daemon and for commands."""
    (tmp_path / "policy" / "policy.yaml").write_text(POLICY, encoding="utf-8")
    for name, value in said_of(simulator, ledger=ledger_address, mode="enforce").items():
        monkeypatch.setenv(f"PM_AUTOACCEPT_{name.upper()}", str(value))
    return load_accounts()


async def output_of(command: str) -> str:
    """What a command of the program prints that comes to a good end."""
    printed, code = await told_by(command)
    assert code == 0, printed
    return printed


async def test_a_private_value_is_nowhere(simulator, program, capsys, world):
    """Of what is accepted, held, rejected; plain, escaped, URL-encoded, in base64: it is searched byte by byte."""
    configure_logs(LogLevel.DEBUG, LogFormat.JSON)
    telemetry = Telemetry(version="1")
    await run(program, stop=Rounds(after=2), telemetry=telemetry)
    told = capsys.readouterr()
    assert {"notify_group", "request_accepted", "call_made"} <= {
        line.partition('"event": "')[2].partition('"')[0] for line in told.err.splitlines()
    }
    said = [told.err, told.out, str(readiness(telemetry.accounts, now=telemetry.now()).body)]
    held = next(key for key, tie in world.ties.items() if tie.state is State.PENDING and key in world.answers)
    async with asyncio.TaskGroup() as together:
        outputs = [together.create_task(output_of(command.format(key=held))) for command in OF_WHAT_PENDS]
    said += [output.result() for output in outputs]
    for command in OF_THE_LEDGER:
        result = await asyncio.to_thread(CliRunner().invoke, cli, command.split(), standalone_mode=False)
        assert result.return_value == 0, result.output
        said.append(result.output)
    written = kept_in(program.ledger)
    everything = b"".join([*(each.encode() for each in said), generate_latest(telemetry.registry), written])
    assert b"with-token" in everything
    assert b"digest:" in written
    assert [form for form in forms(simulator.username, SECRET) if form in everything] == []
