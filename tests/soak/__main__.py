"""A soak, by hand: requests that arrive over the whole run, faults, reloads of the policy, a ledger that grows.

    python -m tests.soak --requests 200000 --minutes 25

Only the daemon is measured, from /proc: resident memory, threads, file descriptors; and its tasks and Python objects as
it counts them itself. The figures at 10, 50 and 100 % stand beside one another.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.acceptance.processes import environment
from tests.killing.harness import POLICY

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "MODE": "enforce",
    "INTERVAL": "1s",
    "TIMEOUT": "5s",
    "UNKNOWN_WAIT": "10s",
    "LEASE": "20s",
    "RATE": "none",
    "IN_FLIGHT": "16",
    "LOG_LEVEL": "warning",
}

RELOADS = 9
"""Samples between two policies: a policy that changes in mid-cycle stops that cycle's answers."""


def main() -> int:
    """Print samples as they are taken, then those at 10, 50 and 100 %."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--minutes", type=float, default=25.0, help="it ends then, whatever has been answered")
    parser.add_argument("--per-second", type=int, default=400, help="requests that arrive, while not too many wait")
    parser.add_argument("--faults", type=float, default=0.02)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two samples")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        samples = Soak(Path(folder)).run(said)
    end = samples[-1].get("answered", 0)
    at = {
        f"{share}%": next(each for each in samples if each.get("answered", 0) >= end * share / 100)
        for share in (10, 50, 100)
    }
    print(json.dumps(at, indent=2))  # noqa: T201 — what it is run for
    return 0


class Soak:
    """One run, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counts = folder / "counts"
        self._policy = folder / "policy"
        self._told: dict[str, Any] = {}

    def run(self, said: argparse.Namespace) -> list[dict[str, Any]]:
        """Samples, the last one when all is answered or the time is over."""
        shutil.copytree(POLICY, self._policy)
        arguments = [str(each) for each in (said.requests, said.per_second, said.faults, 7)]
        with subprocess.Popen(  # noqa: S603 — our own program
            [sys.executable, "-m", "tests.soak.provider", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment(),
            text=True,
        ) as provider:
            assert provider.stdout is not None
            ready = json.loads(provider.stdout.readline())
            reading = threading.Thread(target=self._listen, args=(provider.stdout,))
            reading.start()
            daemon = self._daemon(ready)
            try:
                return self._watch(daemon, said)
            finally:
                daemon.send_signal(signal.SIGTERM)
                daemon.wait(timeout=120)
                provider.communicate("")
                reading.join()

    def _daemon(self, ready: dict[str, Any]) -> subprocess.Popen[bytes]:
        settings = SETTINGS | {
            "SERVICE": ready["url"],
            "USERNAME": ready["username"],
            "PASSWORD": ready["password"],
            "POLICY": str(self._policy),
        }
        variables = {f"PM_AUTOACCEPT_{name}": value for name, value in settings.items()}
        with (self._folder / "stderr.log").open("wb") as stderr:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.soak.program", "run"],
                cwd=self._folder,
                env=environment(**variables, SOAK_COUNTS=str(self._counts), PYTHONPATH=str(ROOT)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )

    def _listen(self, lines: Any) -> None:
        for line in lines:
            self._told = json.loads(line)

    def _watch(self, daemon: subprocess.Popen[bytes], said: argparse.Namespace) -> list[dict[str, Any]]:
        samples: list[dict[str, Any]] = []
        begun = time.monotonic()
        while time.monotonic() - begun < said.minutes * 60:
            time.sleep(said.every)
            assert daemon.poll() is None, (self._folder / "stderr.log").read_text()[-3000:]
            if len(samples) % RELOADS == 0:
                self._reload(len(samples) // RELOADS)
            samples.append({"seconds": round(time.monotonic() - begun)} | self._told | self._measured(daemon.pid))
            print(json.dumps(samples[-1]), file=sys.stderr, flush=True)  # noqa: T201 — progress
            if self._told.get("asked", 0) >= said.requests and not self._told["pending"]:
                break
        return samples

    def _reload(self, number: int) -> None:
        """Another policy each time; every fifth one is broken, and mended by the next."""
        text = (POLICY / "policy.yaml").read_text() + f"\n# {number}\n" + ("rules: [\n" if number % 5 == 4 else "")
        fresh = self._policy / "policy.new"
        fresh.write_text(text)
        fresh.replace(self._policy / "policy.yaml")

    def _measured(self, pid: int) -> dict[str, Any]:
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        os.kill(pid, signal.SIGUSR1)
        time.sleep(0.5)
        counts = self._counts.read_text().splitlines() if self._counts.exists() else []
        ledger = sum(path.stat().st_size for path in self._folder.glob("pm-autoaccept.db*"))
        return {
            "rss MB": round(int(status["VmRSS"].split()[0]) / 1024, 1),
            "threads": int(status["Threads"]),
            "file descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir())),
            "ledger MB": round(ledger / 1024 / 1024, 1),
        } | (json.loads(counts[-1]) if counts else {})


if __name__ == "__main__":
    sys.exit(main())
