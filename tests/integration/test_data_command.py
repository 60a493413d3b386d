"""`data` shows what each source holds, and `data confirm` takes it as good, for just these contents."""

from __future__ import annotations

import asyncio
import json
import os
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from pm_autoaccept.cli import cli
from pm_autoaccept.cli.support.confirm import who
from pm_autoaccept.clock import utc_now
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import ProviderAccount, SourceUse
from tests.reloading import write

POLICY = """\
version: 1
data:
  blocked: {values: [spam_one, spam_two]}
  known:
    csv: data/known.csv
    key: number
    require: {rows: 3, age: 2d, shrink: 50%}
rules:
  - {id: blocked, on: connection, when: {account.username: {in: blocked}}, then: reject}
  - {id: known, on: connection, when: {account.username: {in: known}}, then: accept}
"""


@pytest.fixture
def words(tmp_path, monkeypatch):
    """The settings that every command is given."""
    monkeypatch.setenv("PM_AUTOACCEPT_PASSWORD", "Secret-Meter-1")
    write(tmp_path / "policy" / "policy.yaml", POLICY)
    fill(tmp_path, 4)
    given = {"service": "test", "username": "us", "policy": tmp_path / "policy", "ledger": address(tmp_path)}
    return [word for name, value in given.items() for word in (f"--{name}", str(value))]


def address(folder: Path) -> str:
    """The ledger's."""
    return f"sqlite:///{folder / 'ledger.db'}"


def fill(folder: Path, rows: int) -> None:
    """Write the table, with one row more that has no key."""
    write(folder / "policy" / "data" / "known.csv", "\n".join(["number,name", " ,x", *(f"{n},x" for n in range(rows))]))


def say(*said: str) -> tuple[int, str]:
    """A command's exit code and what it prints, messages included."""
    result = CliRunner().invoke(cli, said, catch_exceptions=False, standalone_mode=False)
    return result.return_value, result.output


def listed(words: list[str]) -> tuple[int, dict[str, dict[str, object]]]:
    """The exit code of `data`, and what it says of each source."""
    code, text = say("data", *words, "--output", "json")
    return code, {row["name"]: row for row in json.loads(text)}


def remember(folder: Path, rows: int) -> None:
    """Let the ledger remember that the source had so many rows."""

    async def work() -> None:
        ledger = await SqlLedger.open(address(folder))
        await ledger.claim(service="http://127.0.0.1/wstest", provider=ProviderAccount(1, "us"), at=utc_now())
        await ledger.record_sources([SourceUse("known", rows, "before")], at=utc_now() - timedelta(days=1))
        await ledger.close()

    asyncio.run(work())


def test_each_source_is_listed_with_its_rows_age_and_digest(words):
    """All is well: exit code 0, for people and for machines; no ledger is made by looking."""
    code, text = say("data", *words)
    assert code == 0
    assert "2 sources, 0 not good." in text
    assert "rows 3, age 2d, shrink 50%" in text
    assert "Secret-Meter-1" not in text
    code, found = listed(words)
    assert (code, list(found)) == (0, ["blocked", "known"])
    known = found["known"]
    assert (known["rows"], known["dropped"], known["good"], known["why"]) == (4, 1, True, None)
    assert known["where"] == "data/known.csv"
    assert 3500 < known["age_seconds"] < 8000
    assert len(known["digest"]) == 64
    assert known["require"] == {"rows": 3, "age_seconds": 172800, "shrink_percent": "50", "grow_percent": None}
    assert known["remembered"] == {"most": None, "least": None}
    assert found["blocked"]["dated"] is None
    assert not Path(words[-1].removeprefix("sqlite:///")).exists()


def test_a_source_that_is_not_good_is_told_with_what_to_do(words, tmp_path):
    """Too few rows, too old, and gone: exit code 1."""
    fill(tmp_path, 2)
    code, found = listed(words)
    assert (code, found["known"]["good"], found["blocked"]["good"]) == (1, False, True)
    assert found["known"]["why"] == (
        "data/known.csv: it has 2 rows; the policy requires at least 3. "
        "If this is correct, run `pm-autoaccept data confirm known`"
    )
    fill(tmp_path, 4)
    os.utime(tmp_path / "policy" / "data" / "known.csv", (time.time() - 9 * 24 * 3600,) * 2)
    assert "the policy allows at most 2d" in say("data", *words)[1]
    (tmp_path / "policy" / "data" / "known.csv").unlink()
    code, text = say("data", *words)
    assert (code, "cannot be read" in text, "2 sources, 1 not good." in text) == (1, True, True)


def test_confirming_takes_just_these_contents_as_good_and_says_who(words, tmp_path):
    """Others that are as few are not good by that; the ledger keeps who, when, and what."""
    remember(tmp_path, 9)
    fill(tmp_path, 2)
    code, found = listed(words)
    assert (code, found["known"]["remembered"]) == (1, {"most": 9, "least": 9})
    code, text = say("data", "confirm", "known", *words)
    assert (code, text.startswith("known is taken as good with its 2 rows (")) == (0, True)
    code, found = listed(words)
    assert (code, found["known"]["good"]) == (0, True)
    assert datetime.fromisoformat(str(found["known"]["confirmed_at"])) <= utc_now()
    assert found["known"]["remembered"] == {"most": 2, "least": 2}
    fill(tmp_path, 1)
    assert listed(words)[0] == 1

    code, text = say("data", "history", "--ledger", address(tmp_path), "--output", "json")
    held, confirmed = json.loads(text)
    assert (code, held["rows"], held["confirmed_by"]) == (0, 9, None)
    assert (confirmed["account"], confirmed["source"], confirmed["rows"]) == ("default", "known", 2)
    assert (confirmed["confirmed_by"], confirmed["until"]) == (who(), None)
    code, text = say("data", "history", "--ledger", address(tmp_path), "--account", "default")
    assert (code, "2 entries." in text, who() in text) == (0, True, True)


def test_what_cannot_be_read_or_is_not_there_is_not_confirmed(words, tmp_path):
    """A person can say that few rows are right, not that a damaged file is."""
    (tmp_path / "policy" / "data" / "known.csv").write_text("name\nx\n")
    code, text = say("data", "confirm", "known", *words)
    assert (code, "cannot be taken as good" in text) == (1, True)
    result = CliRunner().invoke(cli, ["data", "confirm", "knwon", *words])
    assert result.exit_code == 2
    assert "the policy has no data `knwon` (did you mean `known`?)" in result.output
