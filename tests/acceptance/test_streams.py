"""A log that cannot be written never stops the work; output that cannot be written is one line and an exit code."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import pytest

from pm_autoaccept.data_sources import example_policy
from tests.acceptance.processes import PROGRAM, Served, environment, run, simulating

LONG_ENOUGH = 20.0
"""Seconds after which a program that does nothing is taken to stand still."""


@contextmanager
def full_disk() -> Iterator[int]:
    """A file on a disk without room."""
    with open("/dev/full", "w") as file:  # noqa: PTH123 — its descriptor is what we want
        yield file.fileno()


@contextmanager
def left_pipe() -> Iterator[int]:
    """A pipe whose reader has gone, as `| head -1` does."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@contextmanager
def closed_terminal() -> Iterator[int]:
    """A terminal whose window was closed."""
    master, slave = pty.openpty()
    os.close(master)
    yield slave
    os.close(slave)


@contextmanager
def full_pipe() -> Iterator[int]:
    """A pipe that nobody reads, without room for one more byte."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writing, b"x" * 4096)
    yield writing
    os.close(reading)
    os.close(writing)


NOWHERE = {each.__name__: each for each in (full_disk, left_pipe, closed_terminal, full_pipe)}


def answering(served: Served, process: subprocess.Popen[bytes], *, answers: int) -> None:
    """Return once the simulator got so many answers."""
    late = time.monotonic() + LONG_ENOUGH
    while len(served.posts()) < answers:
        assert process.poll() is None, f"it ended with {process.returncode}"
        assert time.monotonic() < late, "it stands still"
        time.sleep(0.05)


def works_until_stopped(served: Served, cwd, stderr: int | None, **more: str) -> Iterator[None]:
    """`run` with such a stderr answers, hears SIGTERM, and leaves with 0; yields once while it runs."""
    words = [*PROGRAM, "run", "--mode", "enforce", "--policy", str(example_policy("utility"))]
    process = subprocess.Popen(  # noqa: S603 — our own program
        words if stderr is not None else ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *words],
        cwd=cwd,
        env=environment(**served.settings, **more),
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )
    try:
        answering(served, process, answers=5)
        yield
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(timeout=LONG_ENOUGH)
        except subprocess.TimeoutExpired:
            code = None
        assert code == 0, "SIGTERM was not heard" if code is None else f"it ended with {code}"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("where", NOWHERE)
def test_run_answers_and_hears_sigterm_whatever_its_log_is_written_to(where, tmp_path):
    """Everything is on record; nothing waits for a log that nobody reads."""
    with simulating("--pending", "40", "--seed", "7") as served, NOWHERE[where]() as stderr:
        for _ in works_until_stopped(served, tmp_path, stderr):
            pass
    rows = json.loads(run("decisions", "--output", "json", cwd=tmp_path).stdout)
    assert {row["outcome"] for row in rows if row["answer"]} <= {"done", "fallen"}


def test_with_a_closed_stderr_no_log_line_ends_up_in_a_file_that_got_its_number(tmp_path):
    """The next file to be opened, the ledger, would have number 2; what is not logged is counted."""
    with simulating("--pending", "40", "--seed", "7") as served, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        taken.close()
        for _ in works_until_stopped(served, tmp_path, None, PM_AUTOACCEPT_LISTEN=f"127.0.0.1:{port}"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as page:
                (lost,) = re.findall(r"^pm_autoaccept_log_lines_lost_total (\S+)", page.read().decode(), re.MULTILINE)
            assert float(lost) > 0
    assert b"request_accepted" not in (tmp_path / "pm-autoaccept.db").read_bytes()


def test_once_does_its_work_whatever_its_log_is_written_to(tmp_path):
    """As from cron on a machine whose disk is full: the exit code is that of the work."""
    with simulating("--pending", "40", "--seed", "7") as served:
        words = [*PROGRAM, "once", "--mode", "enforce", "--policy", str(example_policy("utility"))]
        with full_disk() as stderr:
            done = subprocess.run(  # noqa: S603 — our own program
                words,
                cwd=tmp_path,
                env=environment(**served.settings),
                stdout=subprocess.PIPE,
                stderr=stderr,
                check=False,
            )
        assert (done.returncode, bool(served.posts())) == (0, True)
    assert b"accepted" in done.stdout


@pytest.fixture(scope="module")
def ledger(tmp_path_factory) -> str:
    """The ledger of a demo."""
    file = tmp_path_factory.mktemp("ledger") / "ledger.db"
    run("demo", "--pending", "30", "--ledger", f"sqlite:///{file}", cwd=file.parent)
    return f"sqlite:///{file}"


COMMANDS = {
    "decisions": ("decisions",),
    "decisions csv": ("decisions", "--output", "csv"),
    "decisions json": ("decisions", "--output", "json"),
    "account list": ("account", "list"),
    "check": ("check", str(example_policy("utility"))),
    "check json": ("check", str(example_policy("utility")), "--output", "json"),
    "schema": ("check", "--schema"),
    "migrate": ("migrate", "--check"),
    "help": ("--help",),
    "version": ("--version",),
}


def each_once(commands: Collection[str], places: Sequence[str]) -> pytest.MarkDecorator:
    """Every command in one place, and one command in every place; all others in the long form."""
    first = next(iter(commands))
    cases = [
        pytest.param(command, where, marks=() if first == command or where == places[0] else pytest.mark.long)
        for command in commands
        for where in places
    ]
    return pytest.mark.parametrize(("command", "where"), cases)


@each_once(COMMANDS, (">/dev/full", ">&-"))
def test_output_that_cannot_be_written_is_one_line_and_an_exit_code(command, where, ledger, tmp_path):
    """Never a traceback, and never exit code 0: half a list is no list."""
    done = shell(COMMANDS[command], where, tmp_path, PM_AUTOACCEPT_LEDGER=ledger)
    lines = done.stderr.splitlines()
    assert len(lines) == 1, f"{len(lines)} lines on stderr, the last: {lines[-1:]}"
    assert lines[0].startswith("pm-autoaccept: cannot write the output: ")
    assert done.returncode == 74


@each_once(COMMANDS, ("| head -1", "2>/dev/full", "2>&-", "<&-"))
def test_whoever_leaves_early_or_hears_no_messages_is_no_failure(command, where, ledger, tmp_path):
    """The exit code is that of the work, and nothing is said about it."""
    done = shell(COMMANDS[command], where, tmp_path, PM_AUTOACCEPT_LEDGER=ledger)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@each_once(["explain", "decisions", "decisions csv", "check"], ("ascii", "latin-1", "cp1252", "utf-16"))
def test_characters_that_the_output_has_no_bytes_for_are_escaped(command, where, ledger, tmp_path):
    """A list with a name in Cyrillic is read on a terminal that has no Cyrillic."""
    words = COMMANDS.get(command)
    if words is None:
        (tmp_path / "list.xml").write_text(
            "<pendingList><account><accountId>5</accountId><username>Жанна✓</username><customFieldList/></account>"
            "</pendingList>",
            encoding="utf-8",
        )
        words = ("explain", "--xml", "list.xml", "--policy", str(example_policy("utility")))
    done = shell(words, "| cat", tmp_path, PM_AUTOACCEPT_LEDGER=ledger, PYTHONIOENCODING=where, PYTHONUTF8="0")
    assert "Traceback" not in done.stderr, done.stderr.splitlines()[-1]
    assert done.returncode == 0
    assert done.stdout


def shell(words: tuple[str, ...], where: str, cwd, **more: str) -> subprocess.CompletedProcess[str]:
    """One command in a shell that sends its streams where it says."""
    line = f'set -o pipefail; "$@" {where}'
    return subprocess.run(  # noqa: S603 — our own program
        ["/bin/bash", "-c", line, "bash", *PROGRAM, *words],
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=120,
    )
