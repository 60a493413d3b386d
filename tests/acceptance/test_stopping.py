"""SIGTERM while answers are in hand: they are finished and recorded before the program leaves."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from importlib.util import find_spec

import pytest

from pm_autoaccept.data_sources import example_policy
from tests.acceptance.processes import PROGRAM, environment, run, simulating

WITHHELD = 2.0
"""Seconds for which the simulator withholds each answer."""


UVLOOP = pytest.param(
    "uvloop", marks=pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not installed; it is an extra")
)


@pytest.mark.parametrize("event_loop", ["asyncio", UVLOOP])
@pytest.mark.parametrize("command", ["run", "once"])
def test_sigterm_finishes_what_is_in_hand(command, event_loop, tmp_path):
    """Eight POSTs are in flight and withheld for 2 s: all eight are recorded done, and no ninth begins."""
    with simulating("--pending", "200", "--seed", "7") as served:
        for service in ("answer_connection", "answer_property", "answer_meter"):
            fault = {"kind": "delay", "service": service, "seconds": WITHHELD, "times": None}
            served.switchboard("faults", fault)
        process = subprocess.Popen(  # noqa: S603 — our own program
            [*PROGRAM, command, "--mode", "enforce", "--policy", str(example_policy("utility"))],
            cwd=tmp_path,
            env=environment(**served.settings, PM_AUTOACCEPT_EVENT_LOOP=event_loop),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            while len(served.posts()) < 8:
                assert process.poll() is None, process.stderr.read() if process.stderr else ""
                time.sleep(0.05)
            asked = time.monotonic()
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=30)
            took = time.monotonic() - asked
        posts = served.posts()
    rows = json.loads(run("decisions", "--output", "json", cwd=tmp_path).stdout)
    answered = [row for row in rows if row["answer"]]
    assert code == (0 if command == "run" else 128 + signal.SIGTERM)
    assert len(posts) == len(answered) == 8
    assert {row["outcome"] for row in answered} == {"done"}
    print(f"{command}: left {took:.2f} s after SIGTERM")  # noqa: T201 — the closing note quotes it
