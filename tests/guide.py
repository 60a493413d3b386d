"""Does what the guide tells its readers to do, block by block, and takes down what the program says.

A block is fenced, and its first line says what it is: `console` has commands, each after `$`, and what they print
(`console 1`: they end with exit code 1); `yaml FILE` and `text FILE` are written into that file; `sh` sets variables,
or starts what runs until it is stopped.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.processes import environment

_FENCED = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TIMES = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?|\b[0-9a-f]{12}\b|\b\d+ (ms|s|min|h|d)\b|\d+[smhd]( \d+[smhd])? old"
    r"|\b\d+[smhd]\b *"
)
_STANDS_FOR = "http://127.0.0.1:8080/wstest"
"""Where the guide has its readers start the simulated service; here it takes a free port."""


def timeless(text: str) -> str:
    """The text without what differs from one time to another."""
    return _TIMES.sub("…", text)


@dataclass(slots=True)
class Reader:
    """Somebody who follows the guide in a folder of their own.

    Attributes:
        said: the guide as it would be if the program's words stood in it; by its blocks.
    """

    folder: Path
    stack: ExitStack
    variables: dict[str, str] = field(default_factory=lambda: {"LOGNAME": "ana"})
    url: str = _STANDS_FOR
    ran: list[str] = field(default_factory=list)

    def follow(self, guide: str) -> str:
        """Do what each block says; the guide with what the program really said."""
        return _FENCED.sub(self._block, guide)

    def _block(self, found: re.Match[str]) -> str:
        kind, more, body = found[1], found[2].strip(), found[3]
        if kind == "sh":
            for line in body.splitlines():
                self._say(line)
        elif kind == "console":
            body = self._console(body, code=int(more or 0))
        else:
            path = self.folder / more
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body, encoding="utf-8")
        return f"```{found[1]}{found[2]}\n{body}```"

    def _say(self, line: str) -> None:
        """Set variables, or start what runs until it is stopped."""
        if line.startswith("export "):
            said = (part.partition("=") for part in shlex.split(line)[1:])
            self.variables |= {name: self.url if value == _STANDS_FOR else value for name, _, value in said}
            return
        self.ran.append(line)
        arguments = shlex.split(line)[1:]
        if arguments[0] == "simulate":
            arguments = [each if each != "8080" else "0" for each in arguments]
            process = self._start(arguments, stdout=subprocess.PIPE)
            assert process.stdout is not None
            self.url = json.loads(process.stdout.readline())["url"]
        else:
            # What it logs says when it has looked for the first time.
            self.variables |= {"PM_AUTOACCEPT_LOG_LEVEL": "info"}
            process = self._start(arguments, stderr=subprocess.PIPE)
            assert process.stderr is not None
            assert any("cycle_finished" in said for said in process.stderr), line

    def _start(self, arguments: list[str], **streams: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(  # noqa: S603 — our own program
            [sys.executable, "-m", "pm_autoaccept", *arguments],
            cwd=self.folder,
            env=environment(**self.variables),
            text=True,
            **streams,
        )
        self.stack.enter_context(process)
        self.stack.callback(process.send_signal, signal.SIGTERM)
        return process

    def _console(self, body: str, *, code: int) -> str:
        commands = [line for line in body.splitlines() if line.startswith("$ ")]
        return "".join(f"{command}\n{self._run(command.removeprefix('$ '), code=code)}" for command in commands)

    def _run(self, command: str, *, code: int) -> str:
        self.ran.append(command)
        program, *arguments = shlex.split(command)
        assert program == "pm-autoaccept", command
        done = subprocess.run(  # noqa: S603 — our own program
            [sys.executable, "-m", "pm_autoaccept", *arguments],
            cwd=self.folder,
            env=environment(**self.variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        text = (done.stdout + done.stderr).replace(self.url, _STANDS_FOR)
        return "".join(f"{line.rstrip()}\n" for line in text.splitlines())
