"""Runs commands in forks of a process that has imported the program: tens of milliseconds each instead of a second.

Each command is still a process of its own, with its own folder, environment, streams and exit code; only the imports
are done. What an import itself may break is seen by the tests that start the program anew: those of `run`, of streams,
of the guide and of start-up.

    python -m tests.acceptance.warm DESCRIPTOR    # the socket by which it is asked
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

MOST = 1 << 17
"""Bytes of one message, which holds a whole environment."""

READ_AT_START = ("PYTHON", "LANG", "LC_", "SSL_")
"""Variables that Python, or a library while it is imported, reads once: a fork is too late for them."""


def fits(variables: Mapping[str, str]) -> bool:
    """Whether a fork behaves as a new process with this environment does."""
    theirs, ours = _heeded(variables), _heeded(os.environ)
    return theirs == ours


def _heeded(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(READ_AT_START)}


class Warm:
    """The process that has imported the program. It is started when it is first needed, and ends with this one."""

    def __init__(self) -> None:
        self._alone = threading.Lock()
        self._socket: socket.socket | None = None

    def run(
        self, arguments: tuple[str, ...], *, cwd: Path, variables: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end, as `subprocess.run` does."""
        with self._alone, TemporaryFile() as stdout, TemporaryFile() as stderr, Path(os.devnull).open("rb") as stdin:
            asked = {"arguments": arguments, "cwd": str(cwd), "variables": dict(variables)}
            control = self._socket = self._socket or _started()
            control.settimeout(timeout)
            streams = [stdin.fileno(), stdout.fileno(), stderr.fileno()]
            socket.send_fds(control, [json.dumps(asked).encode()], streams)
            pid = _heard(control)
            try:
                code = _heard(control)
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                control.settimeout(None)
                _heard(control)
                raise subprocess.TimeoutExpired(arguments, timeout) from None
            return subprocess.CompletedProcess(arguments, code, _text(stdout), _text(stderr))


def _started() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    root = Path(__file__).parents[2]
    process = subprocess.Popen(  # noqa: S603 — our own program
        [sys.executable, "-m", __name__, str(theirs.fileno())],
        cwd=root,
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait(timeout=30)

    atexit.register(end)
    return ours


def _heard(control: socket.socket) -> int:
    said = control.recv(MOST)
    assert said, "the process that starts commands has ended"
    return int(said)


def _text(file: Any) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


def serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork whenever a command is asked for. Returns it in the fork, None when nobody asks any more."""
    while True:
        said, streams, _, _ = socket.recv_fds(control, MOST, 3)
        if not said:
            return None
        pid = os.fork()
        if pid == 0:
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
        for stream in streams:
            os.close(stream)
        if pid == 0:
            return json.loads(said)
        control.send(b"%d" % pid)
        _, status = os.waitpid(pid, 0)
        control.send(b"%d" % os.waitstatus_to_exitcode(status))


def _import_all() -> None:
    package = importlib.import_module("pm_autoaccept")
    for each in pkgutil.walk_packages(package.__path__, "pm_autoaccept."):
        # Alembic runs the migrations itself.
        if ".migrations." not in each.name and not each.name.endswith("__main__"):
            importlib.import_module(each.name)


def main() -> None:
    """Serve; in a fork, be the program."""
    _import_all()
    from pm_autoaccept.__main__ import main as program  # noqa: PLC0415 — after all the rest

    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as control:
        asked = serve(control)
    if asked is None:
        return
    os.environ.clear()
    os.environ.update(asked["variables"])
    time.tzset()
    os.chdir(asked["cwd"])
    sys.argv[1:] = asked["arguments"]
    program()


if __name__ == "__main__":
    main()
