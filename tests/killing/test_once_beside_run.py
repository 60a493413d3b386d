"""`once` from cron beside `run`, on one SQLite file: they divide the work by a lease, also when either is killed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time

import pytest

from tests.acceptance.processes import PROGRAM, environment, run, simulating
from tests.killing.customers import Customers
from tests.killing.harness import POLICY, SETTINGS, spoil
from tests.killing.judge import judge


@pytest.mark.long
def test_once_beside_run(tmp_path):
    """Each is killed three times while the other goes on: nothing is lost or answered twice, none ends with a fault."""
    with simulating("--pending", "150", "--seed", "5") as served:
        more = {"PM_AUTOACCEPT_POLICY": str(POLICY), "PM_AUTOACCEPT_LEASE": "2s"}
        variables = SETTINGS | served.settings | more
        before = served.switchboard("world")
        customers = Customers(served, random.Random(5))  # noqa: S311 — reproducible dice, no secret
        customers.begin(40)
        since = len(served.switchboard("log"))
        spoil(served, rate=0.02)

        def begin(command: str) -> subprocess.Popen[bytes]:
            with (tmp_path / f"{command}.log").open("ab") as stderr:
                return subprocess.Popen(  # noqa: S603 — our own program
                    [*PROGRAM, command],
                    cwd=tmp_path,
                    env=environment(**variables),
                    stdin=subprocess.DEVNULL,
                    stdout=stderr,
                    stderr=stderr,
                )

        ended = []
        daemon = begin("run")
        for number in range(6):
            customers.ask(12)
            cron = begin("once")
            if number % 2:
                daemon.kill()
                daemon.wait()
                ended.append(cron.wait(timeout=60))
                daemon = begin("run")
            else:
                time.sleep(customers.dice.uniform(1.0, 3.0))
                cron.kill()
                cron.wait()
        served.clear_faults()
        while customers.left:
            customers.ask(1000)
        for _ in range(30):
            rows = json.loads(run("decisions", "--output", "json", cwd=tmp_path).stdout)
            verdict = judge(before=before, log=served.switchboard("log"), rows=rows, since=since)
            if not verdict.wrong:
                break
            time.sleep(2)
        daemon.send_signal(signal.SIGTERM)
        ended.append(daemon.wait(timeout=60))
    assert set(ended) <= {0, 69}, (tmp_path / "once.log").read_text()[-3000:]
    assert "Traceback" not in (tmp_path / "run.log").read_text() + (tmp_path / "once.log").read_text()
    assert verdict.figures["end: our own answer"] > 60
    assert verdict.wrong == []
