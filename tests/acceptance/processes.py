"""Real processes for acceptance tests: the simulator, and the commands against it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.acceptance.warm import Warm, fits

PROGRAM = (sys.executable, "-m", "pm_autoaccept")
WARM = Warm()


def environment(**more: str) -> dict[str, str]:
    """Our environment without settings of the program that stand in it by chance."""
    ours = (name for name in os.environ if name.startswith("PM_AUTOACCEPT_") or name.lower().endswith("_proxy"))
    return {name: value for name, value in os.environ.items() if name not in set(ours)} | more


def run(*arguments: str, cwd: Path, timeout: float = 120, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    if fits(variables := environment(**variables)):
        return WARM.run(arguments, cwd=cwd, variables=variables, timeout=timeout)
    return subprocess.run(  # noqa: S603 — our own program
        [*PROGRAM, *arguments],
        cwd=cwd,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@dataclass(frozen=True, slots=True)
class Served:
    """A running `pm-autoaccept simulate`, from the line that it printed when it was ready."""

    url: str
    username: str
    password: str
    pending: dict[str, int]

    @property
    def settings(self) -> dict[str, str]:
        """The environment with which a command talks to it."""
        return {
            "PM_AUTOACCEPT_SERVICE": self.url,
            "PM_AUTOACCEPT_USERNAME": self.username,
            "PM_AUTOACCEPT_PASSWORD": self.password,
            "PM_AUTOACCEPT_RATE": "none",
            "PM_AUTOACCEPT_IN_FLIGHT": "8",
        }

    def switchboard(self, path: str, body: object = None) -> Any:
        """GET what stands under /simulator/, or POST a JSON body to it."""
        address = f"{self.url.removesuffix('/wstest')}/simulator/{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address, data=data, headers={"Content-Type": "application/json"})  # noqa: S310 — loopback
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 — loopback
            return json.load(answer)

    def clear_faults(self) -> None:
        """Take every fault away, and let go what they withhold."""
        address = f"{self.url.removesuffix('/wstest')}/simulator/faults"
        with urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=30):  # noqa: S310 — loopback
            pass

    def posts(self) -> list[dict[str, Any]]:
        """The POSTs that came, in order."""
        return [call for call in self.switchboard("log") if call["method"] == "POST"]


@contextmanager
def simulating(*arguments: str) -> Iterator[Served]:
    """Run `simulate` while the test runs."""
    process = subprocess.Popen(  # noqa: S603 — our own program
        [*PROGRAM, "simulate", *arguments], stdout=subprocess.PIPE, env=environment(), text=True
    )
    with process:
        try:
            assert process.stdout is not None
            yield Served(**json.loads(process.stdout.readline()))
        finally:
            process.terminate()
            process.wait(timeout=30)
