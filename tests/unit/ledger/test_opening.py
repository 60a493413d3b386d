"""Opening a ledger: whose it is, what is none, only to read, and that it is durable."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

import pytest

from pm_autoaccept.errors import ConfigurationError, LedgerMismatch, LedgerUnavailable
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import (
    ProviderAccount,
    Standing,
)
from tests.examples import NOW, connection
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
    assert (await see(other, request, minute=1)).standing[request.key] is Standing.UNANSWERED
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
    path.write_bytes(b"")
    with pytest.raises(LedgerMismatch, match="no ledger"):
        await SqlLedger.open(f"sqlite:///{path}", read_only=True)
    assert path.read_bytes() == b""
    writing = await SqlLedger.open(f"sqlite:///{path}")
    ours = ProviderAccount(1, "ours")
    await writing.claim(service="http://127.0.0.1/wstest", provider=ours, at=NOW)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        reading = await SqlLedger.open(f"sqlite:///{path}", read_only=True)
        assert await reading.decisions() == []
        await reading.belongs_to(service="http://127.0.0.1/wstest", provider=ours)
        with pytest.raises(LedgerMismatch):
            await reading.belongs_to(service="http://127.0.0.1/ws", provider=ours)
    with pytest.raises(LedgerUnavailable, match="readonly"):
        await reading.see(read(connection(), minute=0), at=NOW)
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
