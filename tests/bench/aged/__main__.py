"""A ledger that was in use for years beside an empty one: cycles, metrics, commands. The ratios are the figures.

    python -m tests.bench.aged [--requests 200000] [--pending 2000] [--database sqlite] [--repeats 3] [--output json]
    python -m tests.bench.aged --make FILE     # only make a ledger

Both ledgers stand at the same service, which has tens of thousands of connected customers. A cycle is measured from
its GETs to its last row; the service is another process. Commands are processes of their own, with their own processor
time and memory. Each thing is repeated as often as it can be without changing, and the median is shown.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from tests.bench.aged import commands, cycles, ledgers
from tests.bench.aged.service import Service, serving

SIDES = ("aged", "empty")
FIRST_NEWCOMER = 410_001
"""The account id of the first customer in the world of the pending requests."""

NewLedger = Callable[[str], str]
"""Makes room for a ledger with this name, and returns its address."""


@contextmanager
def new_ledgers(database: str, folder: Path) -> Iterator[NewLedger]:
    """Room for ledgers in files, or in a server of our own."""
    if database == "sqlite":
        yield lambda name: f"sqlite:///{folder / name}.db"
        return
    from tests.postgresql import postgresql  # noqa: PLC0415 — its server is a wheel that not everybody has

    with postgresql() as server:
        yield lambda _: server.database()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=200_000, help="a multiple of 4,000")
    parser.add_argument("--pending", type=int, default=2_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=("cycles", "commands"), help="measure only these")
    parser.add_argument(
        "--commands", nargs="+", choices=commands.COMMANDS, default=list(commands.COMMANDS), metavar="C"
    )
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.add_argument("--make", type=Path, metavar="FILE", help="make a SQLite ledger in this file, and stop")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"))  # noqa: S108 — on a disk, unlike /tmp
    said = parser.parse_args()
    aged = ledgers.Aged(said.requests, datetime.now(UTC))
    if said.make is not None:
        ledgers.make(f"sqlite:///{said.make}", aged, service="http://127.0.0.1:1/wstest")
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=said.folder)))
        shutil.copymode(said.folder, folder)
        new = stack.enter_context(new_ledgers(said.database, folder))
        _measure(said, aged, folder, new)


def _measure(said: argparse.Namespace, aged: ledgers.Aged, folder: Path, new: NewLedger) -> None:
    cycles.write_policy(folder, said.pending)
    found: dict[str, Any] = {"cycles": {}, "commands": {}, "load": os.getloadavg()[0], "requests": aged.requests}
    for side in SIDES:
        url = new(side)
        with serving(aged.requests, said.pending) as service:
            if side == "aged":
                begun = time.perf_counter()
                ledgers.make(url, aged, service=service.url)
                found["seconds_to_make"] = time.perf_counter() - begun
                _progress(f"made in {found['seconds_to_make']:.0f} s")
            if said.only != "commands":
                _progress(f"{side}: cycles")
                found["cycles"][side] = _in_a_fresh_process(url, service, folder, said.repeats)
                _progress(f"    peak {found['cycles'][side]['peak_mb']:.0f} MB")
            service.show("pending")
            if said.only == "commands":  # the cycles would have recorded what pends
                commands.run("once, observe", url, service, str(folder / "limited"), newcomer=FIRST_NEWCOMER)
            for name in said.commands if said.only != "cycles" else ():
                _progress(f"{side}: {name}")
                ran = commands.run(name, url, service, str(folder / "limited"), newcomer=FIRST_NEWCOMER)
                _progress(f"    {ran}")
                found["commands"].setdefault(name, {})[side] = ran
    found["load_at_the_end"] = os.getloadavg()[0]
    if said.output == "json":
        click.echo(json.dumps(found, default=dataclasses.asdict, indent=1))
    else:
        _print(found)


def _in_a_fresh_process(url: str, service: Service, folder: Path, repeats: int) -> dict[str, object]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(cycles.measure, url, service, folder, repeats).result()


def _progress(text: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {text}", err=True)


def _print(found: dict[str, Any]) -> None:
    click.echo(f"{found['requests']} requests; load {found['load']:.1f} to {found['load_at_the_end']:.1f}")
    if found["cycles"]:
        both = [found["cycles"][side]["costs"] for side in SIDES]
        click.echo(
            "\n| seconds | aged: CPU | empty: CPU | ratio | aged: wall | empty: wall | statements, aged / empty |"
        )
        click.echo("|---|---|---|---|---|---|---|")
        for name in both[0]:
            old, young = (costs.get(name) for costs in both)
            if young is not None:
                click.echo(
                    f"| {name} | {old.cpu:.4f} | {young.cpu:.4f} | {_ratio(old.cpu, young.cpu)} | {old.wall:.4f} | "
                    f"{young.wall:.4f} | {old.statements} / {young.statements} |"
                )
        peaks = " / ".join(f"{found['cycles'][side]['peak_mb']:.0f}" for side in SIDES)
        click.echo(f"\nPeak memory of the process, aged / empty: {peaks} MB")
    if found["commands"]:
        click.echo(
            "\n| command | aged: CPU s | empty | ratio | aged: wall s | empty | aged: MB | empty | lines | exit codes |"
        )
        click.echo("|---|---|---|---|---|---|---|---|---|---|")
        for name, ran in found["commands"].items():
            old, young = (ran[side] for side in SIDES)
            click.echo(
                f"| `{name}` | {old.cpu:.2f} | {young.cpu:.2f} | {_ratio(old.cpu, young.cpu)} | {old.wall:.2f} | "
                f"{young.wall:.2f} | {old.peak_mb:.0f} | {young.peak_mb:.0f} | {old.lines} / {young.lines} | "
                f"{old.code} / {young.code} |"
            )


def _ratio(old: float, young: float) -> str:
    return f"{old / young:.1f}" if young > 0 else "-"


if __name__ == "__main__":
    sys.exit(main())
