"""The password is nowhere: not in the log at debug level, not in metrics, probes or the ledger, under no fault."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from prometheus_client import generate_latest

from pm_autoaccept.config import load_accounts
from pm_autoaccept.daemon import Stop, run
from pm_autoaccept.errors import PmAutoacceptError
from pm_autoaccept.simulator import Fault, FaultKind, world_from_seed
from pm_autoaccept.telemetry.health import ready
from pm_autoaccept.telemetry.logs import LogFormat, LogLevel, configure_logs
from pm_autoaccept.telemetry.telemetry import Telemetry
from tests.secrets import forms

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


class Twice(Stop):
    """A stop that never really waits, and asks to stop after the second wait between cycles."""

    waits = 0

    async def wait(self, at_most: timedelta) -> None:
        """Let others have a turn."""
        assert at_most is not None
        self.waits += 1
        if self.waits >= 2:
            self.asked.set()
        await asyncio.sleep(0)


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
    """A world whose provider has the password."""
    made = world_from_seed(seed=7, pending=12, now=now)
    made.accounts[made.provider.id] = made.provider = replace(made.provider, password=PASSWORD)
    return made


@pytest.fixture
async def simulator(simulate, world):
    """A simulator of that world."""
    return await simulate(world)


@pytest.fixture
def program(simulator, tmp_path):
    """The settings of a program that answers it."""
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "policy.yaml").write_text(POLICY)
    return load_accounts(
        service=simulator.url,
        username=simulator.username,
        password=PASSWORD,
        policy=folder,
        ledger=f"sqlite:///{tmp_path / 'ledger.db'}",
        rate="none",
        mode="enforce",
    )


@pytest.mark.parametrize("service", ["GET", "POST"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_the_password_is_nowhere_under_any_fault(fault, service, simulator, program, capsys):
    """Plain, escaped, URL-encoded or in base64: it is searched in all that the program writes, byte by byte."""
    if (happens := FAULTS[fault]) is not None:
        simulator.faults.add(replace(happens, service=service))
    configure_logs(LogLevel.DEBUG, LogFormat.TEXT if service == "GET" else LogFormat.JSON)
    telemetry = Telemetry(version="1")
    said = [repr(program), str(program)]
    with suppress(PmAutoacceptError):
        await run(program, stop=Twice(), telemetry=telemetry)
    told = capsys.readouterr()
    said += [told.err, told.out, str(ready(telemetry.accounts, now=telemetry.now()).body)]
    ledger = Path(program.ledger.removeprefix("sqlite:///"))
    written = [path.read_bytes() for path in ledger.parent.glob("ledger.db*")]
    everything = b"".join([*(each.encode() for each in said), generate_latest(telemetry.registry), *written])
    assert written
    assert "call_made" in told.err
    assert [form for form in forms(simulator.username, PASSWORD) if form in everything] == []
