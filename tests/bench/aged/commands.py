"""What each command that reads the ledger costs: run as a process of its own, its output to a pipe or to nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.bench.aged.ledgers import FIRST_METER, FIRST_OWNER, FIRST_PROPERTY
from tests.bench.aged.service import Service

COMMANDS: Mapping[str, str] = {
    "version": "--version",
    "pending": "pending",
    "pending --recorded": "pending --recorded",
    "pending --recorded, json": "pending --recorded --output json",
    "explain, pending": "explain connection:{newcomer}",
    "explain, recorded": f"explain connection:{FIRST_OWNER + 5}",
    "once, observe": "once --mode observe",
    "decisions KEY": f"decisions meter:{FIRST_METER + 10}",
    "decisions": "decisions",
    "decisions, csv": "decisions --output csv",
    "decisions, json": "decisions --output json",
    "decisions --every, csv": "decisions --every --output csv",
    "decisions --accepted, csv": "decisions --accepted --output csv",
    "decisions --since 7d": "decisions --since 7d",
    "decisions --rule": "decisions --rule blocked",
    "decisions --owner ID": f"decisions --owner {FIRST_OWNER + 5}",
    "decisions --owner NAME": "decisions --owner customer_5",
    "decisions --undecided": "decisions --undecided",
    "decisions --policies": "decisions --policies",
    "account list": "account list",
    "account list, csv": "account list --output csv",
    "account list, json": "account list --output json",
    "account notifications": "account notifications",
    "review": "review",
    "review acknowledge": f"review acknowledge property:{FIRST_PROPERTY + 7} --why phone",
    "data": "data",
    "doctor": "doctor",
    "pause": "pause --why bench",
    "resume": "resume",
    "mask --before 1000d": "mask --before 1000d --yes",
    "mask --before 1000d, again": "mask --before 1000d --yes",
}
"""Names and arguments. Those that write come last, or do what costs as much the next time."""

_LAUNCHER = """
import json, os, sys
result, *command = sys.argv[1:]
process = os.posix_spawn(command[0], command, os.environ)
_, status, used = os.wait4(process, 0)
measured = [os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]
os.write(int(result), json.dumps(measured).encode())
"""
"""Starts the command. A process inherits the peak memory of the one that started it, so that one must be small."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: seconds by the clock and of the processor, the peak of its memory, lines printed, and the exit code."""

    wall: float
    cpu: float
    peak_mb: float
    lines: int
    code: int


def run(name: str, url: str, service: Service, policy: str, *, newcomer: int) -> Run:
    """Run a command to its end and read its output from a pipe, as another program would."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PM_AUTOACCEPT_")}
    ours |= {
        "PM_AUTOACCEPT_SERVICE": service.url,
        "PM_AUTOACCEPT_USERNAME": service.username,
        "PM_AUTOACCEPT_PASSWORD": service.password,
        "PM_AUTOACCEPT_RATE": "none",
        "PM_AUTOACCEPT_IN_FLIGHT": "16",
        "PM_AUTOACCEPT_LEDGER": url,
        "PM_AUTOACCEPT_POLICY": policy,
        "PM_AUTOACCEPT_LOG_LEVEL": "warning",
    }
    arguments = COMMANDS[name].format(newcomer=newcomer).split()
    begun, lines = time.perf_counter(), 0
    reading, writing = os.pipe()
    with subprocess.Popen(  # noqa: S603 — our own program
        [sys.executable, "-S", "-E", "-c", _LAUNCHER, str(writing), sys.executable, "-m", "pm_autoaccept", *arguments],
        env=ours,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(writing,),
        bufsize=0,
    ) as process:
        assert process.stdout is not None
        while block := process.stdout.read(1 << 16):
            lines += block.count(b"\n")
    code, cpu, peak_mb = json.loads(os.read(reading, 1_000))
    os.close(reading)
    os.close(writing)
    return Run(wall=time.perf_counter() - begun, cpu=cpu, peak_mb=peak_mb, lines=lines, code=code)
