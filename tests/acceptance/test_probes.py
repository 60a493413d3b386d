"""The probes of a real `run`: what an orchestrator and a log collector see of it."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from pm_autoaccept.data_sources import example_policy
from tests.acceptance.processes import PROGRAM, environment, simulating


def lines_until(process, event) -> list[dict]:
    """The log's lines, each an object, up to the first of this event."""
    lines = []
    while not lines or lines[-1]["event"] != event:
        line = process.stderr.readline()
        assert line, f"it ended before {event}: {lines}"
        lines.append(json.loads(line))
    return lines


@contextmanager
def running(tmp_path, **variables) -> Iterator[subprocess.Popen]:
    """Run `run` while the test runs; it leaves with 0 at SIGTERM."""
    process = subprocess.Popen(  # noqa: S603 — our own program
        [*PROGRAM, "run", "--policy", str(example_policy("utility"))],
        cwd=tmp_path,
        env=environment(PM_AUTOACCEPT_LISTEN="127.0.0.1:0", **variables),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
            assert process.returncode == 0
        finally:
            process.kill()


def ask(port: int, path: str) -> tuple[int, str]:
    """Status and text."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_wrong_password_leaves_it_up_and_unready(tmp_path):
    """It answers its probes, waits to try again, and leaves with 0 when asked to."""
    with simulating("--pending", "20") as served:
        settings = served.settings | {"PM_AUTOACCEPT_PASSWORD": "Wrong-Password-1"}
        with running(tmp_path, **settings) as process:
            told = lines_until(process, "not_authorised")
            (port,) = (line["port"] for line in told if line["event"] == "probes_served")
            assert ask(port, "/livez") == (200, '{"live": true}')
            status, text = ask(port, "/readyz")
            assert status == 503
            assert "refused the username or the password" in text
            assert "Wrong-Password-1" not in text + str(told) + ask(port, "/metrics")[1]


def test_at_debug_each_line_has_its_account_and_its_cycle_and_each_call_is_told(tmp_path):
    """Whoever searches the log for a cycle's id finds all of that cycle, its calls included."""
    with (
        simulating("--pending", "20") as served,
        running(tmp_path, PM_AUTOACCEPT_LOG_LEVEL="debug", **served.settings) as process,
    ):
        told = lines_until(process, "cycle_finished")
        (port,) = (line["port"] for line in told if line["event"] == "probes_served")
        cycle = [line for line in told if line.get("cycle") == told[-1]["cycle"]]
        assert {line["account"] for line in cycle} == {"default"}
        calls = {line["service"] for line in cycle if line["event"] == "call_made"}
        assert {"pending_connections", "pending_properties", "pending_meters"} <= calls
        assert served.password not in str(told)
        assert 'pm_autoaccept_calls_total{account="default"' in ask(port, "/metrics")[1]
