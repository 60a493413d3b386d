"""The long form, by hand: `python -m tests.killing --kills 500 --pending 2000`; docs/testing.md says what it shows."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.acceptance.processes import simulating
from tests.killing.harness import Killing


def main() -> int:
    """Print the figures; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.killing", description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--pending", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--faults", type=float, default=0.05, help="share of the calls that a fault befalls")
    said = parser.parse_args()
    begun = time.monotonic()
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
            tell=lambda text: print(text, file=sys.stderr, flush=True),  # noqa: T201 — progress
        )
        verdict = killing.run()
    figures = {
        "seconds": round(time.monotonic() - begun),
        "kills": sum(killing.killed.values()),
        "killed in": killing.by_step,
        "killed at": dict(sorted(killing.killed.items())),
        "answered twice": len(verdict.answered_twice),
        "lost": len(verdict.lost),
        "claims that the world denies": len(verdict.denied),
        **dict(sorted(verdict.figures.items())),
    }
    wrong = [*killing.died, *verdict.wrong]
    print(json.dumps({"figures": figures, "wrong": wrong}, indent=2))  # noqa: T201 — what it is run for
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
