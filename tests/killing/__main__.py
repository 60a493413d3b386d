"""The long forms, by hand: they print figures, and end with 1 if anything is wrong. docs/testing.md says more.

python -m tests.killing process --kills 500 --pending 2000
python -m tests.killing replicas --accounts 20 --pending 60 --kills 20 --freezes 5 --cuts 5
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.acceptance.processes import simulating
from tests.killing.harness import Killing
from tests.killing.judge import Verdict
from tests.killing.replicas import Replicas
from tests.postgresql import postgresql


def main() -> int:
    """Run one of them."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.killing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["process", "replicas"])
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--pending", type=int, default=2000, help="requests asked over the run, for each account")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--faults", type=float, default=0.05, help="share of the calls that a fault befalls")
    parser.add_argument("--minutes", type=float, default=600.0, help="of killing one process; then the rest in peace")
    parser.add_argument("--accounts", type=int, default=20)
    parser.add_argument("--freezes", type=int, default=5)
    parser.add_argument("--cuts", type=int, default=5)
    said = parser.parse_args()
    begun = time.monotonic()
    figures, wrong = process(said) if said.what == "process" else replicas(said)
    print(json.dumps({"figures": {"seconds": round(time.monotonic() - begun)} | figures, "wrong": wrong}, indent=2))  # noqa: T201 — what it is run for
    return int(bool(wrong))


def process(said: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """One process, killed again and again."""
    with (
        tempfile.TemporaryDirectory() as folder,
        simulating("--pending", str(said.pending), "--seed", str(said.seed)) as served,
    ):
        killing = Killing(
            served=served,
            folder=Path(folder),
            kills=said.kills,
            pending=said.pending,
            seed=said.seed,
            rate=said.faults,
            minutes=said.minutes,
            tell=tell,
        )
        verdict = killing.run()
    killed = {"kills": sum(killing.killed.values()), "killed in": killing.by_step}
    figures = killed | {"killed at": dict(sorted(killing.killed.items()))} | summed([verdict])
    return figures, [*killing.died, *verdict.wrong]


def replicas(said: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Three replicas on one PostgreSQL."""
    folder = Path(tempfile.mkdtemp(prefix="replicas-"))
    tell(f"the replicas' logs are in {folder}")
    with postgresql() as server:
        running = Replicas(
            folder=folder,
            uri=server.database(),
            accounts=said.accounts,
            pending=said.pending,
            kills=said.kills,
            freezes=said.freezes,
            cuts=said.cuts,
            seed=said.seed,
            rate=said.faults,
            tell=tell,
        )
        verdicts = running.run()
    if not running.died:
        shutil.rmtree(folder)
    wrong = [f"{name}: {what}" for name, verdict in verdicts.items() for what in verdict.wrong]
    figures = {"done": dict(running.done), "takeovers": running.takeovers} | summed(verdicts.values())
    return figures, [*running.died, *wrong]


def summed(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """What was counted, over all accounts."""
    total: Counter[str] = Counter()
    for verdict in verdicts:
        total["answered twice"] += len(verdict.answered_twice)
        total["lost"] += len(verdict.lost)
        total["claims that the world denies"] += len(verdict.denied)
        total.update(verdict.figures)
    return dict(total)


def tell(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 — for the person who waits


if __name__ == "__main__":
    sys.exit(main())
