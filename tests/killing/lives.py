"""One process of the program after the other, on one ledger: begun, watched and killed."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.acceptance.processes import environment


@dataclass(slots=True)
class Life:
    """One process; `code` is None while it lives, negative for the signal that ended it."""

    pid: int
    said: Path
    _launcher: subprocess.Popen[bytes]
    _said_before: int
    code: int | None = None

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, after so many seconds at most."""
        if self.code is None and select.select([self._launcher.stdout], [], [], seconds)[0]:
            self.code = _number(self._launcher)
        return self.code is not None

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal; one that has ended by itself meanwhile does not mind."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def log(self) -> str:
        """What this life has said on stderr."""
        with self.said.open("rb") as file:
            file.seek(self._said_before)
            return file.read().decode()


@dataclass(slots=True)
class Lives:
    """Begins lives with the same settings, one at a time."""

    folder: Path
    variables: dict[str, str]
    _launcher: subprocess.Popen[bytes] = field(init=False)

    @property
    def said(self) -> Path:
        """What all lives have said on stderr."""
        return self.folder / "stderr.log"

    @contextmanager
    def launcher(self) -> Iterator[None]:
        """Keep the process that the lives are forked from."""
        command = [sys.executable, "-m", "tests.killing.launcher"]
        with subprocess.Popen(  # noqa: S603 — our own program
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[2],
            env=environment(),
            bufsize=0,
        ) as self._launcher:
            try:
                yield
            finally:
                _stdin(self._launcher).close()

    def begin(self, *arguments: str, boundary: str | None = None, nth: int = 1) -> Life:
        """Begin a life, which kills itself at the boundary if there is one."""
        self.said.touch()
        before = self.said.stat().st_size
        order: dict[str, Any] = {
            "arguments": arguments,
            "variables": self.variables,
            "folder": str(self.folder),
            "stderr": str(self.said),
            "boundary": boundary,
            "nth": nth,
        }
        _stdin(self._launcher).write(json.dumps(order).encode() + b"\n")
        return Life(_number(self._launcher), self.said, self._launcher, before)


def _stdin(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None
    return process.stdin


def _number(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())
