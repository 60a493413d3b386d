"""Reading a list of 1,000 pages: the program beside a script that follows the next links one after the other.

    python -m tests.bench.reading [--pages 1000] [--latency 100] [--rounds 3] [--in-flight 16]

Both read the same list of one simulator, a process that answers after so many milliseconds, and each runs in a fresh
process. The program reads and understands all that a cycle needs (three lists, notifications, customers); the script,
on `requests`, takes only ids from the one list. They take turns within one run; what counts is the median of the ratios
of neighbours. How many pages beyond the last were asked for in vain is told too.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from pm_autoaccept.clock import utc_now
from pm_autoaccept.poll import Poller
from pm_autoaccept.portfolio_manager import CallMade, Pace, PortfolioManager
from tests.acceptance.processes import Served, simulating
from tests.bench.opponents import one_by_one

PAGE = 20


def program(served: Served, in_flight: int) -> tuple[float, int]:
    """Seconds to read all, and how many pages of connections were asked for."""
    return asyncio.run(_program(served, in_flight))


async def _program(served: Served, in_flight: int) -> tuple[float, int]:
    calls = Counter[str]()

    def on_call(made: CallMade) -> None:
        calls[made.service] += 1

    async with PortfolioManager(
        base_url=served.url,
        username=served.username,
        password=served.password,
        pace=Pace(in_flight, rate=None),
        on_call=on_call,
    ) as pm:
        poller = Poller(pm=pm, provider=await pm.account(), needs=frozenset(), now=utc_now)
        begun = time.perf_counter()
        snapshot = await poller.poll()
        seconds = time.perf_counter() - begun
    assert snapshot.connections.whole
    assert len({request.key for request in snapshot.connections.requests}) == served.pending["connection"]
    return seconds, calls["pending_connections"]


def script(served: Served, _: int) -> tuple[float, int]:
    """Seconds to follow the next links, and how many pages were asked for."""
    return one_by_one(served, ["connect/account"], answer=False)


def measure(served: Served, *, pages: int, rounds: int, in_flight: int) -> None:
    """Take turns, and print each round and the median."""
    ratios = []
    for number in range(rounds):
        took = {}
        for side in (program, script) if number % 2 else (script, program):
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
                took[side] = fresh.submit(side, served, in_flight).result()
        (ours, asked), (links, followed) = took[program], took[script]
        assert followed == pages
        ratios.append(links / ours)
        told = f"program {ours:.2f} s ({asked - pages} pages too many)   next links {links:.2f} s"
        click.echo(f"round {number + 1}: {told}   ratio {links / ours:.2f}")
    click.echo(f"median of {rounds}, {pages} pages, {in_flight} in flight: ratio {statistics.median(ratios):.2f}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--latency", type=int, default=100, help="milliseconds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=16)
    said = parser.parse_args()
    with TemporaryDirectory() as folder:
        world = Path(folder) / "world.yaml"
        asking = (f"  - {{username: customer_{number}, connection: pending}}\n" for number in range(said.pages * PAGE))
        world.write_text("customers:\n" + "".join(asking))
        with simulating("--world", str(world), "--latency", str(said.latency)) as served:
            measure(served, pages=said.pages, rounds=said.rounds, in_flight=said.in_flight)


if __name__ == "__main__":
    main()
