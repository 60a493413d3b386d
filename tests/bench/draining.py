"""Draining a full list: the program's cycle beside a bare aiohttp loop, and beside a script that goes one by one.

    python -m tests.bench.draining [--pending 2000] [--latency 0] [--rounds 5] [--in-flight 16] [--folder /var/tmp]

All three accept the same requests of the same world: each against a simulator of its own, a process that answers after
so many milliseconds, and each in a fresh process. The program signs in, reads all that it must know, decides by a
policy with a table, and answers with its ledger on the disk (`enforce`, WAL, synchronous FULL, no limits, no rate). The
loop reads the three lists, several pages at once, and posts as many accepts at once; the script, on `requests`, follows
the next links and posts one accept after the other. Neither decides, checks, remembers or repeats anything.

The command `once`, from its start to its end, and both on uvloop can be measured beside them (`--sides`).

They take turns within one run, so that a busy machine slows all; what counts is the median of the ratios of neighbours.
At 0 ms the simulator itself is what the loop waits for: the loop's own figure is the simulator's ceiling.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from pydantic import SecretStr

from pm_autoaccept.account import ActivePolicy, build_cycle
from pm_autoaccept.cli.support.garbage_collection import collect_less_often
from pm_autoaccept.config import Settings
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import Mode, Outcome
from pm_autoaccept.sign_in import sign_in
from tests.acceptance.processes import Served, simulating
from tests.bench.opponents import bare_loop, one_by_one

POLICY = """\
version: 1
limits: {accept: none, reject: none}
data:
  customers: {csv: customers.csv, key: username}
rules:
  - id: customers
    on: [connection, property, meter]
    when:
      account.username: {in: customers}
    then: accept
    note: Welcome! We matched your account.
"""

CUSTOMER = """\
  - username: customer_{0}
    connection: pending
    properties:
      - {{name: Building {0}, share: pending, meters: [{{name: Main, share: pending}}, {{name: Gas, share: pending}}]}}
"""
"""Four requests: a connection, a property, and two meters."""


def prepare(folder: Path, pending: int) -> Path:
    """A world in which so many requests pend, and a policy that knows all who ask. Returns the world's file."""
    customers = range(pending // 4)
    world = folder / "world.yaml"
    world.write_text("customers:\n" + "".join(CUSTOMER.format(number) for number in customers))
    policy = folder / "policy"
    policy.mkdir()
    (policy / "policy.yaml").write_text(POLICY)
    (policy / "customers.csv").write_text("username\n" + "".join(f"customer_{number}\n" for number in customers))
    return world


@dataclass(frozen=True, slots=True)
class Turn:
    """How one of them did: seconds by the clock, seconds of its own processor time, and calls that it made."""

    seconds: float
    processor: float
    calls: int


def program(served: Served, folder: Path, in_flight: int) -> Turn:
    """One cycle, with sign-in; the ledger is made and the policy loaded before."""
    collect_less_often()  # as the program's own entry point does
    return asyncio.run(_program(served, folder, in_flight))


def program_with_uvloop(served: Served, folder: Path, in_flight: int) -> Turn:
    """The same, on uvloop."""
    import uvloop  # noqa: PLC0415 — an extra

    collect_less_often()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_program(served, folder, in_flight))


def once(served: Served, folder: Path, in_flight: int, *, event_loop: str = "asyncio") -> Turn:
    """The command `once` from its start to its end: a new ledger, the policy loaded, and all answered."""
    with TemporaryDirectory(dir=folder) as here:
        said = {
            "SERVICE": served.url,
            "USERNAME": served.username,
            "PASSWORD": served.password,
            "POLICY": str(folder / "policy"),
            "LEDGER": f"sqlite:///{here}/ledger.db",
            "MODE": "enforce",
            "IN_FLIGHT": str(in_flight),
            "RATE": "none",
            "EVENT_LOOP": event_loop,
        }
        environment = os.environ | {f"PM_AUTOACCEPT_{name}": value for name, value in said.items()}
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "pm_autoaccept", "once"]
        subprocess.run(command, env=environment, check=True, capture_output=True)  # noqa: S603 — our own program
        seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Turn(seconds, processor, sum(served.pending.values()))


def once_with_uvloop(served: Served, folder: Path, in_flight: int) -> Turn:
    """The same, on uvloop."""
    return once(served, folder, in_flight, event_loop="uvloop")


async def _program(served: Served, folder: Path, in_flight: int) -> Turn:
    calls = 0

    def on_call(_made: object) -> None:
        nonlocal calls
        calls += 1

    with TemporaryDirectory(dir=folder) as here:
        settings = Settings(
            service=served.url,
            username=served.username,
            password=SecretStr(served.password),
            policy=folder / "policy",
            ledger=f"sqlite:///{here}/ledger.db",
            mode=Mode.ENFORCE,
            in_flight=in_flight,
            rate=None,
        )
        in_force = await ActivePolicy.load(settings)
        ledger = await SqlLedger.open(settings.ledger)
        begun, processor = time.perf_counter(), time.process_time()
        async with sign_in(settings, ledger, on_call=on_call) as session:
            cycle = build_cycle(session, settings, in_force)
            await cycle.answer(await cycle.look())
        turn = Turn(time.perf_counter() - begun, time.process_time() - processor, calls)
        rows = await ledger.decisions()
        await ledger.close()
    assert len(rows) == sum(served.pending.values())
    assert {row.outcome for row in rows} == {Outcome.DONE}
    return turn


def loop(served: Served, _: Path, in_flight: int) -> Turn:
    """The bare aiohttp loop."""
    processor = time.process_time()
    seconds, calls = asyncio.run(bare_loop(served, in_flight))
    return Turn(seconds, time.process_time() - processor, calls)


def script(served: Served, _: Path, __: int) -> Turn:
    """The `requests` script."""
    processor = time.process_time()
    seconds, calls = one_by_one(served)
    return Turn(seconds, time.process_time() - processor, calls)


OURS: dict[str, Callable[[Served, Path, int], Turn]] = {
    "program": program,
    "program-uvloop": program_with_uvloop,
    "once": once,
    "once-uvloop": once_with_uvloop,
}
SIDES = OURS | {"loop": loop, "script": script}


def take_turn(side: str, *, world: Path, latency: int, in_flight: int) -> Turn:
    """Let one of them drain the world, and see that nothing pends any more."""
    with simulating("--world", str(world), "--latency", str(latency)) as served:
        processes = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=processes) as fresh:
            turn = fresh.submit(SIDES[side], served, world.parent, in_flight).result()
        shown = served.switchboard("world")
        accepted = [tie for kind in ("connections", "properties", "meters") for tie in shown[kind]]
        assert len(accepted) == sum(served.pending.values())
        assert {tie["state"] for tie in accepted} == {"active"}
        assert len(served.posts()) == len(accepted)
    return turn


def measure(world: Path, *, pending: int, latency: int, rounds: int, in_flight: int, sides: list[str]) -> None:
    """Take turns, and print each round and the medians."""
    turns: dict[str, list[Turn]] = {side: [] for side in sides}
    for number in range(rounds):
        for side in sides if number % 2 else reversed(sides):
            turns[side].append(take_turn(side, world=world, latency=latency, in_flight=in_flight))
        click.echo(f"round {number + 1}: " + "   ".join(_shown(side, turns[side][-1], pending) for side in sides))
    click.echo(f"medians of {rounds}, {pending} requests at {latency} ms, {in_flight} in flight:")
    for side in sides:
        seconds = [turn.seconds for turn in turns[side]]
        beside = "" if side in OURS else "".join(_ratio(ours, turns[ours], seconds) for ours in sides if ours in OURS)
        median = statistics.median(seconds)
        processor = statistics.median(turn.processor for turn in turns[side])
        click.echo(f"{side}: {median:.2f} s, {pending / median:.0f}/s, {processor:.2f} s of processor{beside}")


def _ratio(ours: str, turns: list[Turn], others: list[float]) -> str:
    ratios = [other / turn.seconds for turn, other in zip(turns, others, strict=True)]
    return f"; {ours} drains {statistics.median(ratios):.2f} times as fast"


def _shown(side: str, turn: Turn, pending: int) -> str:
    return f"{side} {turn.seconds:6.2f} s {pending / turn.seconds:5.0f}/s ({turn.calls} calls)"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pending", type=int, default=2000)
    parser.add_argument("--latency", type=int, default=0, help="milliseconds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=["program", "loop", "script"])
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"))  # noqa: S108 — on a disk, unlike /tmp
    said = parser.parse_args()
    with TemporaryDirectory(dir=said.folder) as folder:
        measure(
            prepare(Path(folder), said.pending),
            pending=said.pending,
            latency=said.latency,
            rounds=said.rounds,
            in_flight=said.in_flight,
            sides=said.sides,
        )


if __name__ == "__main__":
    main()
