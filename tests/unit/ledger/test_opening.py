"""Opening a ledger: whose it is, what is none, only to read, and that it is durable."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path
from socket import AF_UNIX, socket

import pytest

from pm_autoaccept.errors import ConfigurationError, LedgerError, LedgerMismatch, LedgerUnavailable
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import (
    AnswerState,
    ProviderAccount,
)
from tests.acceptance.processes import run
from tests.examples import NOW, connection
from tests.integration.test_cycle import EVERYBODY
from tests.unit.ledger.acting import ACCEPT, SERVICE, US, answer, read, see


async def test_a_ledger_never_changes_hands(ledger):
    """Another account or another service is told to name another ledger."""
    for _ in range(2):
        await ledger.claim(service=SERVICE, provider=US, at=NOW)
    with pytest.raises(LedgerMismatch, match="is account 1 "):
        await ledger.claim(service="http://127.0.0.1/wstest", provider=ProviderAccount(2, "theirs"), at=NOW)
    with pytest.raises(LedgerMismatch, match="name another ledger"):
        await ledger.claim(service="http://127.0.0.1/ws", provider=US, at=NOW)


async def test_an_account_has_one_name_in_a_ledger(ledger):
    """Answered under two names, a request could be answered twice; two accounts under two names may share a ledger."""
    other = SqlLedger(ledger.database, name="chicago")
    with pytest.raises(LedgerMismatch, match="call it `default`"):
        await other.claim(service=SERVICE, provider=US, at=NOW)
    await other.claim(service=SERVICE, provider=ProviderAccount(2, "chicago"), at=NOW)
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0)
    assert (await see(other, request, minute=1)).answer_states[request.key] is AnswerState.UNANSWERED
    assert [row.account for row in await SqlLedger(ledger.database).decisions()] == ["default"]


async def test_what_is_no_ledger_is_refused_with_what_to_do(tmp_path):
    """A file of something else, a folder that does not exist, an address of another kind."""
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam, " * 100)
    with pytest.raises(LedgerUnavailable, match="not a database"):
        await SqlLedger.open(f"sqlite:///{tmp_path / 'letter.txt'}")
    with pytest.raises(LedgerUnavailable, match="does not exist"):
        await SqlLedger.open(f"sqlite:///{tmp_path / 'nowhere' / 'ledger.db'}")
    with pytest.raises(ConfigurationError, match="SQLite or PostgreSQL"):
        await SqlLedger.open("mysql://localhost/ledger")
    with pytest.raises(ConfigurationError, match="write sqlite:///FILE"):
        await SqlLedger.open("ledger.db")


async def test_commits_are_on_the_disk_when_they_return(ledger):
    """An intent that is not durable would not survive a power cut: WAL with synchronous FULL; PostgreSQL as set up."""

    def durable(bound):
        if bound.dialect.name == "postgresql":
            return bound.exec_driver_sql("SELECT source FROM pg_settings WHERE name = 'synchronous_commit'").scalar()
        return [bound.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]

    assert await ledger.database.run(durable) in (["wal", 2], "configuration file")


async def test_a_ledger_that_is_only_read_is_not_touched(tmp_path):
    """Not made, not migrated, not locked, not written; a copy in a folder that cannot be written to will do."""
    path = tmp_path / "ledger.db"
    with pytest.raises(LedgerUnavailable):
        await SqlLedger.open(f"sqlite:///{path}", read_only=True)
    assert list(tmp_path.iterdir()) == []
    writing = await SqlLedger.open(f"sqlite:///{path}")
    ours = ProviderAccount(1, "ours")
    await writing.claim(service="http://127.0.0.1/wstest", provider=ours, at=NOW)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        reading = await SqlLedger.open(f"sqlite:///{path}", read_only=True)
        assert await reading.decisions() == []
        await reading.check_account(service="http://127.0.0.1/wstest", provider=ours)
        with pytest.raises(LedgerMismatch):
            await reading.check_account(service="http://127.0.0.1/ws", provider=ours)
    with pytest.raises(LedgerUnavailable, match="readonly"):
        await reading.record_snapshot(read(connection(), minute=0), at=NOW)
    await reading.close()
    await writing.close()


async def test_a_ledger_in_a_folder_that_cannot_be_written_to_can_be_read(tmp_path, monkeypatch):
    """The auditor's copy on a read-only disk."""
    made = await SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    await made.close()
    access = os.access
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path and access(path, mode))
    reading = await SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}", read_only=True)
    assert await reading.decisions() == []
    await reading.close()


async def test_a_text_that_is_none_makes_the_ledger_unavailable_not_the_program_crash(ledger):
    """Half a character cannot be written; the error is the ledger's."""
    with pytest.raises(LedgerUnavailable, match="surrogates"):
        await see(ledger, connection(username="\ud800"), minute=0)


@pytest.mark.parametrize("read_only", [True, False])
async def test_an_empty_file_is_damage_and_never_a_new_ledger(tmp_path, read_only):
    """A new ledger has its name only once it is whole, so what is empty under that name has lost all."""
    path = tmp_path / "ledger.db"
    path.touch()
    assert "restore a copy" in (await refusal(path, read_only=read_only)).casefold()
    assert path.read_bytes() == b""
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("read_only", [True, False])
async def test_a_database_without_a_ledger_s_tables_is_not_made_one(tmp_path, read_only):
    """It is somebody else's, or what a dump left of ours."""
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE points (id INTEGER)")
    assert "is no ledger" in await refusal(path, read_only=read_only)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("points",)]


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        *(("pipe", command) for command in ("decisions", "pending", "once", "doctor", "pause", "migrate --check")),
        *((kind, "decisions") for kind in ("socket", "folder", "device", "pipe as its log")),
    ],
)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, kind, command):
    """Opening a named pipe waits for ever for somebody who writes into it."""
    path = Path("/dev/null") if kind == "device" else tmp_path / "ledger.db"
    lay(path, kind)
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "policy.yaml").write_bytes(EVERYBODY)
    settings = {"SERVICE": "http://127.0.0.1:9/wstest", "USERNAME": "u", "PASSWORD": "p", "POLICY": "policy"}
    variables = {f"PM_AUTOACCEPT_{name}": value for name, value in settings.items()}
    try:
        done = run(*command.split(), "--ledger", f"sqlite:///{path}", cwd=tmp_path, timeout=30, **variables)
    except subprocess.TimeoutExpired:
        done = None
    assert done is not None, "it waits for ever"
    assert "not a file" in done.stdout + done.stderr
    assert done.returncode == (1 if command == "doctor" else 69)


def lay(path: Path, kind: str) -> None:
    """Put something that is no file where the ledger should be."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "pipe as its log":
        asyncio.run(made(path))
        os.mkfifo(f"{path}-wal")
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket(AF_UNIX) as bound:
            bound.bind(str(path))


async def made(path: Path) -> None:
    """Make a ledger here."""
    await (await SqlLedger.open(f"sqlite:///{path}")).close()


async def refusal(path: Path, *, read_only: bool) -> str:
    """Why a ledger cannot be opened; nothing where it can."""
    try:
        await (await SqlLedger.open(f"sqlite:///{path}", read_only=read_only)).close()
    except LedgerError as error:
        return str(error)
    return ""


@pytest.fixture
def open_umask():
    """Nothing keeps files from being open to everybody but the program itself."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
async def test_a_new_ledger_is_private_from_its_first_byte(tmp_path):
    """The file, its log and its index; nothing else is left in the folder, however many make it at once."""
    path = tmp_path / "ledger.db"
    opened = await asyncio.gather(*(SqlLedger.open(f"sqlite:///{path}") for _ in range(4)))
    modes = {each.name: oct(stat.S_IMODE(each.stat().st_mode)) for each in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("ledger.db", "ledger.db-wal", "ledger.db-shm"), "0o600")
    await asyncio.gather(*(each.claim(service=SERVICE, provider=US, at=NOW) for each in opened))
    for each in opened:
        await each.close()
    assert [each.name for each in tmp_path.iterdir()] == ["ledger.db"]


@pytest.mark.usefixtures("open_umask")
async def test_the_mode_of_a_ledger_that_is_there_stays(tmp_path):
    """Whoever lets a group read it means that, its log included."""
    path = tmp_path / "ledger.db"
    await made(path)
    path.chmod(0o640)
    ledger = await SqlLedger.open(f"sqlite:///{path}")
    modes = {oct(stat.S_IMODE(each.stat().st_mode)) for each in tmp_path.iterdir()}
    await ledger.close()
    assert modes == {"0o640"}


async def test_a_ledger_is_made_where_a_link_leads(tmp_path):
    """The link stays one."""
    (tmp_path / "state").mkdir()
    link = tmp_path / "ledger.db"
    link.symlink_to(tmp_path / "state" / "real.db")
    await made(link)
    assert link.is_symlink()
    assert oct(stat.S_IMODE((tmp_path / "state" / "real.db").stat().st_mode)) == "0o600"


@pytest.mark.parametrize("address", ["sqlite:///{}?mode=rwc&uri=true", "sqlite:///file:{}?uri=true"])
async def test_a_ledger_is_named_by_its_file_alone(tmp_path, address):
    """What SQLite would open by other words could not be looked at."""
    with pytest.raises(ConfigurationError, match="write sqlite:///FILE"):
        await SqlLedger.open(address.format(tmp_path / "ledger.db"))
