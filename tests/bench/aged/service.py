"""A stand-in for Portfolio Manager that agrees with an aged ledger: tens of thousands of customers, a list to switch.

    python -m tests.bench.aged.service [--requests 200000] [--pending 2000]

It is the simulator with a world of the pending requests only. Customers of the aged ledger stand in no world, because
looking through all of them for each call would take longer than what is measured: their list is one text, made once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from pm_autoaccept.model import Kind
from pm_autoaccept.simulator import Simulator, World
from pm_autoaccept.simulator.elements import link
from pm_autoaccept.simulator.response_bodies import ok
from pm_autoaccept.simulator.services import BASE
from pm_autoaccept.simulator.world import State
from pm_autoaccept.simulator.worldfile import load_world
from tests.bench.aged.ledgers import Aged, property_of

CUSTOMER = """\
  - username: newcomer_{0}
    connection: pending
    custom: {{Utility Customer Number: '{0}'}}
    properties:
      - {{name: Building {0}, share: pending, meters: [{{name: Main, share: pending}}, {{name: Gas, share: pending}}]}}
"""
"""Four requests: a connection, a property, and two meters."""

_SHARES = re.compile(f"{BASE}/account/([0-9]+)/property/list")


class AgedService(Simulator):
    """The simulator, with customers of whom it knows only the ids.

    Attributes:
        shown: `pending`, or `nothing`, or `answered`: what was pending at the beginning, whatever was answered since.
    """

    def __init__(self, connected: list[int], pending: int) -> None:
        super().__init__(_world(pending))
        self.shown = "nothing"
        self._others = {"nothing": Simulator(_world(0)), "answered": Simulator(_world(pending))}
        self._connected = frozenset(connected)
        self._customers = [_customer(owner) for owner in connected]
        self._list = (-1, b"")

    async def _route(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/shown/"):
            self.shown = request.path.removeprefix("/shown/")
            return web.Response()
        if request.path == f"{BASE}/customer/list":
            return _xml(self._customer_list())
        shares = _SHARES.fullmatch(request.path)
        if shares is not None and (owner := int(shares[1])) in self._connected:
            number = property_of(owner)
            return _xml(ok([link("GET this property", f"/building/{number}", id_=number, hint="Building")]))
        lists = request.path.endswith("/pending/list")
        served = self._others.get(self.shown, self) if lists else self
        return await Simulator._route(served, request)

    def _customer_list(self) -> bytes:
        """The customers of the ledger, and those who were accepted since."""
        if self._list[0] != self.world.changes:
            new = (_customer(tie.key.id) for tie in self.world.having(Kind.CONNECTION, State.ACTIVE))
            self._list = self.world.changes, ok([*self._customers, *new])
        return self._list[1]


def _customer(owner: int) -> object:
    return link("This is the GET url for this Customer.", f"/customer/{owner}", id_=owner, hint=f"Customer {owner}")


def _xml(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/xml")


def _world(pending: int) -> World:
    customers = "".join(CUSTOMER.format(number) for number in range(pending // 4))
    return load_world(f"customers:\n{customers}".encode() if pending else b"customers: []\n", now=datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Service:
    """A running stand-in."""

    url: str
    username: str
    password: str

    def show(self, what: str) -> None:
        """Switch what the pending lists show."""
        address = f"{self.url.removesuffix(BASE)}/shown/{what}"
        with urllib.request.urlopen(address, timeout=30):  # noqa: S310 — loopback
            pass


@contextmanager
def serving(requests: int, pending: int) -> Iterator[Service]:
    """Run a stand-in as a process of its own."""
    command = [sys.executable, "-m", __name__, "--requests", str(requests), "--pending", str(pending)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 — our own
        try:
            assert process.stdout is not None
            yield Service(**json.loads(process.stdout.readline()))
        finally:
            process.terminate()


async def _serve(requests: int, pending: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    connected = Aged(requests, datetime.now(UTC)).connected() if requests else []
    async with AgedService(connected, pending) as service:
        ready = {"url": service.url, "username": service.username, "password": service.password}
        print(json.dumps(ready), flush=True)  # noqa: T201 — read by who started it
        await stop.wait()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=200_000, help="of the aged ledger")
    parser.add_argument("--pending", type=int, default=2_000)
    said = parser.parse_args()
    asyncio.run(_serve(said.requests, said.pending))


if __name__ == "__main__":
    main()
