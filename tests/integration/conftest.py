"""What the tests of the daemon and of commands share: the settings with which a simulator is answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pm_autoaccept.cycle import Cycle
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import Mode
from pm_autoaccept.policy import load
from pm_autoaccept.simulator import Simulator
from tests.integration.clocks import CONNECTIONS, Ground, Time


@pytest.fixture
def said_of(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """What is said of a simulator as settings: by a policy in `policy`, on a SQLite file; more as a test says."""
    (tmp_path / "policy").mkdir(exist_ok=True)

    def say(simulator: Simulator, **more: Any) -> dict[str, Any]:
        return {
            "service": simulator.url,
            "username": simulator.username,
            "password": simulator.password,
            "policy": tmp_path / "policy",
            "ledger": f"sqlite:///{tmp_path / 'ledger.db'}",
            "rate": "none",
        } | more

    return say


@pytest.fixture
def ground(simulate, sign_in, now, until_the_end):
    """Make the ground; of `no_date` the service never says what time it is."""

    async def make(policy: bytes = CONNECTIONS, *, no_date: bool = False) -> Ground:
        time = Time(now)
        simulator = await simulate(pending=12, clock=time.service)
        ledger = await SqlLedger.open("sqlite://")
        until_the_end.push_async_callback(ledger.close)
        pm = await sign_in(simulator, now=time.ours, attempts=1)
        provider = await pm.account()
        await ledger.claim(service=simulator.url, provider=provider, at=time.ours())
        policy_ = load({"policy.yaml": policy})
        if no_date:
            exchange = pm._transport.exchange

            async def without_a_date(*args: Any) -> Any:
                reply = await exchange(*args)
                kept = {name: value for name, value in reply.headers.items() if name.casefold() != "date"}
                return type(reply)(reply.status, kept, reply.body, reply.cut)

            pm._sender.transport = type("Undated", (), {"exchange": staticmethod(without_a_date)})()
        cycle = Cycle(
            pm=pm, provider=provider, ledger=ledger, policy=policy_, tables={}, mode=Mode.ENFORCE, now=time.ours
        )
        return Ground(simulator, cycle, time)

    return make
