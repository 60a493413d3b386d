"""`pause` and `resume` on a ledger that other processes use."""

from __future__ import annotations

import asyncio
import getpass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from pm_autoaccept.cli import cli
from pm_autoaccept.cli.support.pause_options import moment, who
from pm_autoaccept.errors import ConfigurationError, LedgerUnavailable
from pm_autoaccept.ledger import SqlLedger, pauses
from pm_autoaccept.ledger.db.tables import lifted_limit
from pm_autoaccept.model import ProviderAccount

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture
def address(tmp_path: Path) -> str:
    """A ledger that `run` on the account `our-city` has begun."""

    async def begin(address: str) -> None:
        ledger = await SqlLedger.open(address, name="our-city")
        await ledger.claim(service="http://127.0.0.1/wstest", provider=ProviderAccount(1, "city"), at=NOW)
        await ledger.close()

    made = f"sqlite:///{tmp_path / 'ledger.db'}"
    asyncio.run(begin(made))
    return made


def say(address: str, *words: str) -> str:
    """What a command prints, messages included."""
    result = CliRunner().invoke(cli, [*words, "--ledger", address], catch_exceptions=False, standalone_mode=False)
    assert result.return_value == 0
    return result.output


def read(address: str, work):
    """Read something from the ledger."""

    async def reading():
        ledger = await SqlLedger.open(address, read_only=True)
        found = await ledger.database.run(work)
        await ledger.close()
        return found

    return asyncio.run(reading())


def test_pause_and_resume_say_what_they_did_and_the_ledger_says_who(address):
    """Said twice it is still one pause, the first one's."""
    assert say(address, "pause", "--why", "the table is wrong") == (
        "Paused all accounts of this ledger; `resume` goes on.\n"
    )
    assert say(address, "pause") == "There was a pause of all accounts of this ledger already.\n"
    (pause,) = read(address, pauses.current_pauses)
    assert (pause.name, pause.by, pause.why) == (None, getpass.getuser(), "the table is wrong")
    assert say(address, "resume") == "Resumed all accounts of this ledger.\n"
    assert say(address, "resume") == "There was no pause of all accounts of this ledger.\n"
    assert read(address, pauses.current_pauses) == ()


def test_resuming_one_account_says_that_all_are_paused_still(address):
    """Whoever resumes must not believe that it goes on."""
    say(address, "pause")
    assert say(address, "pause", "--account", "our-city") == "Paused account our-city; `resume` goes on.\n"
    said = say(address, "resume", "--account", "our-city")
    assert said.startswith("Resumed account our-city.\nStill in force: ")
    assert "paused all accounts at " in said


def test_a_limit_is_lifted_until_a_moment(address):
    """The time that is meant is said in full, and recorded with who and when."""
    said = say(address, "resume", "--limit", "accept", "--until", "2999-01-01T18:00+00:00", "--account", "our-city")
    assert said.startswith("No limit of accepts holds for account our-city until 2999-01-01 ")
    (row,) = read(address, lambda connection: connection.execute(select(lifted_limit)).all())
    assert (row.name, row.action, row.lifted_by) == ("our-city", "Accept", getpass.getuser())
    assert row.until == datetime(2999, 1, 1, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["pause", "--account", "our-ciyt"], ConfigurationError, "knows no account `our-ciyt`; it knows our-city"),
        (["resume", "--limit", "accept"], click.UsageError, "--limit and --until go together"),
        (["resume", "--until", "18:00"], click.UsageError, "--limit and --until go together"),
        (["resume", "--limit", "accept", "--until", "later"], click.BadParameter, "that is no time; write 18:00"),
        (["resume", "--limit", "accept", "--until", "24:10"], click.BadParameter, "that is no time"),
        (["resume", "--limit", "accept", "--until", "2026-01-01"], click.BadParameter, "is past"),
    ],
)
def test_what_cannot_be_meant_is_refused(address, words, error, said):
    """Each message says what to write instead."""
    with pytest.raises(error, match=said):
        say(address, *words)


def test_a_ledger_that_is_not_there_is_not_made(tmp_path):
    """A pause in an empty ledger would stop nobody."""
    with pytest.raises(LedgerUnavailable, match="no ledger"):
        say(f"sqlite:///{tmp_path / 'nowhere.db'}", "pause")
    assert not (tmp_path / "nowhere.db").exists()


def test_a_time_of_day_is_the_next_one_of_this_machine():
    """Today if it is still to come, else tomorrow; with a date and an offset it is just that."""
    local = NOW.astimezone()
    soon, gone = local + timedelta(hours=1), local - timedelta(hours=1)
    assert moment(f"{soon:%H:%M}", now=NOW) == soon
    assert moment(f"{gone:%H:%M}", now=NOW) == gone + timedelta(days=1)
    assert moment("2026-03-05T18:00-06:00", now=NOW) == datetime(2026, 3, 6, tzinfo=UTC)


def test_a_user_without_a_name_is_named_by_number(monkeypatch):
    """As in a container that runs under a number of its own."""
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)

    def nobody(_number: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    assert who().startswith("user ")
