"""A wrong password is tried once within its waiting time, whichever command it is given to and however often."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest
from click.testing import CliRunner

from pm_autoaccept.cli import cli
from pm_autoaccept.data_sources import example_policy
from pm_autoaccept.ledger import sign_in_attempts
from tests.acceptance.processes import PROGRAM, environment, run, simulating

UTILITY = str(example_policy("utility"))
WRONG = {"PM_AUTOACCEPT_PASSWORD": "Wrong-Meter-1"}

READING = {
    "doctor": ("doctor",),
    "pending": ("pending",),
    "explain": ("explain", "meter:30511977"),
    "init": ("init", "new-policy"),
    "check --live": ("check", "--live", UTILITY),
}
WRITING = {
    "once": ("once",),
    "account disconnect": ("account", "disconnect", "410221", "--keep-shares", "--yes"),
    "account unshare": ("account", "unshare", "meter:30511977", "--yes"),
    "account notifications --clear": ("account", "notifications", "--clear", "--yes"),
}
COMMANDS = READING | WRITING
CALLS_NOBODY = {
    "account list": ("account", "list"),
    "account notifications": ("account", "notifications"),
    "pending --recorded": ("pending", "--recorded"),
    "data": ("data",),
    "decisions": ("decisions",),
}
LISTS = ("list_pending_connections", "list_custom_fields")


@pytest.fixture(scope="module")
def served():
    """A simulator that the tests of this file share."""
    with simulating("--pending", "3") as running:
        yield running


@pytest.fixture(scope="module")
def known(served, tmp_path_factory):
    """The ledger of an account that was let in before."""
    folder = tmp_path_factory.mktemp("known")
    done = run("once", "--policy", UTILITY, cwd=folder, **served.settings)
    assert done.returncode == 0, done.stderr
    return folder / "pm-autoaccept.db"


@pytest.fixture
def say(served, known, tmp_path, monkeypatch, cost_of_a_digest):
    """Give a command in a folder with such a ledger; returns what it printed."""
    shutil.copy(known, tmp_path / "pm-autoaccept.db")
    # The ledger was written by a process of its own, at the real cost.
    monkeypatch.setattr(sign_in_attempts, "COST", cost_of_a_digest)
    monkeypatch.chdir(tmp_path)
    served.clear_faults()
    settings = served.settings | {"PM_AUTOACCEPT_POLICY": UTILITY, "PM_AUTOACCEPT_MODE": "enforce"}

    def give(*command: str, **more: str) -> str:
        shutil.rmtree(tmp_path / "new-policy", ignore_errors=True)
        done = CliRunner().invoke(cli, list(command), env=settings | more, standalone_mode=False)
        return " ".join(f"{done.output} {done.exception or ''}".split())

    return give


def calls(served, since=0) -> list[dict[str, object]]:
    """What came to the simulator."""
    return served.switchboard("log")[since:]


def others(path) -> str:
    """All rows of a ledger but those of signing in, as text."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return "\n".join(line for line in connection.iterdump() if not line.startswith('INSERT INTO "sign_in"'))


def test_each_command_tries_a_wrong_password_once_within_its_waiting_time(served, say):
    """The table of ones: each command is given three times, with a password that nobody else has tried."""
    tried = {}
    for number, (name, command) in enumerate(COMMANDS.items()):
        before = len(calls(served))
        for _ in range(3):
            say(*command, PM_AUTOACCEPT_PASSWORD=f"Wrong-Meter-{number}")
        tried[name] = len(calls(served, before))
    print(json.dumps(tried, indent=2))  # noqa: T201 — the closing note quotes it
    assert tried == dict.fromkeys(COMMANDS, 1)


def test_one_command_s_refusal_is_known_to_all(served, say):
    """The same password, given to each command in turn, is one try."""
    before = len(calls(served))
    for command in (*COMMANDS.values(), *CALLS_NOBODY.values()):
        say(*command, **WRONG)
    assert [(call["path"], call["status"]) for call in calls(served, before)] == [("/wstest/account", 401)]


@pytest.mark.parametrize("name", READING)
def test_a_refusal_in_the_middle_is_remembered(served, say, name):
    """The password was taken a moment ago, and is not any more: the next command does not try it."""
    for service in LISTS:
        served.switchboard("faults", {"kind": "status", "service": service, "status": 401})
    say(*READING[name])
    served.clear_faults()
    before = len(calls(served))
    said = say(*READING[name])
    assert (calls(served, before), "not tried" in said) == ([], True)


@pytest.mark.parametrize("name", READING)
@pytest.mark.parametrize("password", ["right", "wrong"])
def test_commands_that_only_read_write_how_signing_in_ended_and_nothing_else(say, tmp_path, name, password):
    """No request, no claim, no decision: every other row is as it was."""
    ledger = tmp_path / "pm-autoaccept.db"
    before = others(ledger)
    say(*READING[name], **({} if password == "right" else WRONG))
    assert others(ledger) == before
    with closing(sqlite3.connect(ledger)) as connection:
        (refusals,) = connection.execute("SELECT max(refusals) FROM sign_in").fetchone()
    assert refusals == (0 if password == "right" else 1)


@pytest.mark.parametrize("name", READING)
def test_without_a_ledger_none_is_made_and_it_is_said_that_nothing_remembers_the_refusal(say, tmp_path, name):
    """Whoever repeats it knows what that may lead to."""
    (tmp_path / "pm-autoaccept.db").unlink()
    assert "no ledger yet to record that this password was refused" in say(*READING[name], **WRONG)
    assert list(tmp_path.iterdir()) == []


def made_read_only(ledger) -> None:
    """Let nobody write how signing in ended, whoever it is: as a user of PostgreSQL who may only read."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        for what in ("INSERT", "UPDATE"):
            refused = "BEGIN SELECT RAISE(ABORT, 'you may only read'); END"
            connection.execute(f"CREATE TRIGGER no_{what} BEFORE {what} ON sign_in {refused}")


@pytest.mark.parametrize("name", READING)
def test_where_the_ledger_cannot_be_written_that_is_said_and_a_password_is_tried_that_was_good(
    served, say, tmp_path, name
):
    """Another one is not: its refusal would be forgotten."""
    made_read_only(tmp_path / "pm-autoaccept.db")
    before = len(calls(served))
    assert "could not be recorded" in say(*READING[name])
    assert len(calls(served, before)) > 0
    before = len(calls(served))
    assert "password is not tried" in say(*READING[name], **WRONG)
    assert calls(served, before) == []


@pytest.mark.parametrize("name", READING)
def test_a_ledger_of_an_older_form_is_said_to_be_one_and_stays_so(served, say, tmp_path, name):
    """No password is tried whose refusal would be forgotten."""
    ledger = tmp_path / "pm-autoaccept.db"
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0004'")
    before, seen = others(ledger), len(calls(served))
    assert "older version of pm-autoaccept" in say(*READING[name], **WRONG)
    assert (others(ledger), calls(served, seen)) == (before, [])


def test_run_tries_a_wrong_password_once_however_often_it_is_started(served, known, tmp_path):
    """Killed as soon as it says that it was refused, or that it does not try; three times in a row."""
    shutil.copy(known, tmp_path / "pm-autoaccept.db")
    before, said = len(calls(served)), []
    for _ in range(3):
        process = subprocess.Popen(  # noqa: S603 — our own program
            [*PROGRAM, "run", "--policy", UTILITY],
            cwd=tmp_path,
            env=environment(**served.settings | WRONG | {"PM_AUTOACCEPT_LEASE": "3s", "PM_AUTOACCEPT_TIMEOUT": "2s"}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            for line in process.stderr or ():
                if "not_authorised" in line:
                    said.append(line)
                    break
            process.send_signal(signal.SIGKILL)
    assert [call["status"] for call in calls(served, before)] == [401]
    assert ["not tried" in line for line in said] == [False, True, True]


def test_a_doctor_that_is_killed_half_way_keeps_run_from_nothing(served, known, tmp_path):
    """Portfolio Manager hangs: what was accepted before is tried by `once`, though no third `doctor` may."""
    shutil.copy(known, tmp_path / "pm-autoaccept.db")
    served.clear_faults()
    before = len(calls(served))
    for number in range(2):
        served.switchboard("faults", {"kind": "delay", "service": "get_account", "times": 1})
        process = subprocess.Popen(  # noqa: S603 — our own program
            [*PROGRAM, "doctor", "--policy", UTILITY],
            cwd=tmp_path,
            env=environment(**served.settings),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with process:
            while len(calls(served, before)) <= number:
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
    served.clear_faults()
    third = run("doctor", "--policy", UTILITY, cwd=tmp_path, **served.settings)
    assert "or its last try has not ended" in " ".join(third.stdout.split())
    done = run("once", "--policy", UTILITY, cwd=tmp_path, **served.settings)
    assert (done.returncode, "not tried" in done.stderr) == (0, False), done.stderr
