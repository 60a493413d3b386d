"""Runs the real program in one process after the other, each to be killed: `python -m tests.killing.launcher`.

It imports the program once and forks, so that a life does not begin with a second of imports. For each JSON line on
stdin (`arguments`, `variables`, `folder`, `stderr`, and the `boundary` and `nth` at which it kills itself, or null) it
prints the process's id, and when it has ended its exit code, negative for a signal.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

import pm_autoaccept.__main__
import pm_autoaccept.account
import pm_autoaccept.daemon
from tests.killing.boundaries import die_at


def main() -> None:
    """Serve until stdin ends."""
    for line in sys.stdin:
        life = json.loads(line)
        child = os.fork()
        if child == 0:
            _live(life)
        print(child, flush=True)  # noqa: T201 — the protocol
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 — likewise


def _live(life: dict[str, Any]) -> None:
    """Become the program, as if started from a shell."""
    code = 99
    try:
        for number, (path, flags) in enumerate(
            (
                (os.devnull, os.O_RDONLY),
                (os.devnull, os.O_WRONLY),
                (life["stderr"], os.O_WRONLY | os.O_CREAT | os.O_APPEND),
            )
        ):
            os.dup2(os.open(path, flags, 0o600), number)
        os.chdir(life["folder"])
        os.environ.update(life["variables"])
        sys.argv = ["pm-autoaccept", *life["arguments"]]
        if life["boundary"] is not None:
            die_at(life["boundary"], life["nth"])
        pm_autoaccept.__main__.main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 — a fault of the program, told where its log is
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
