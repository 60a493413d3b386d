"""`migrate` as people and scripts meet it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from pm_autoaccept.ledger.db.migrations import newest_version
from tests.acceptance.processes import run

FIRST_VERSION = Path(__file__).parents[1] / "fixtures" / "ledger-0001.sql"


def test_migrate_says_what_it_would_do_does_it_and_has_nothing_more_to_do(tmp_path):
    """A deployment checks, stops the replicas, migrates, and starts them."""
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database:
        database.executescript(FIRST_VERSION.read_text())
    before = (tmp_path / "ledger.db").read_bytes()
    address = "sqlite:///ledger.db"
    done = run("migrate", "--check", "--ledger", address, cwd=tmp_path)
    assert (done.returncode, "0001" in done.stdout, f"version {newest_version()}." in done.stdout) == (1, True, True)
    assert (tmp_path / "ledger.db").read_bytes() == before
    assert "from version 0001 up to date" in run("migrate", "--ledger", address, cwd=tmp_path).stdout
    done = run("migrate", "--check", "--ledger", address, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (
        0,
        f"The ledger is up to date: its tables are version {newest_version()}.\n",
    )
    assert "connection:7" in run("decisions", "--ledger", address, cwd=tmp_path).stdout


def test_migrate_refuses_what_is_newer_or_no_ledger(tmp_path):
    """With the exit codes of the manual."""
    assert run("migrate", "--check", "--ledger", "sqlite:///none.db", cwd=tmp_path).returncode == 69
    assert run("migrate", "--ledger", "sqlite:///ledger.db", cwd=tmp_path).returncode == 0
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    done = run("migrate", "--ledger", "sqlite:///ledger.db", cwd=tmp_path)
    assert (done.returncode, "newer version" in done.stderr, done.stdout) == (78, True, "")
