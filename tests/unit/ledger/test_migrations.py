"""Ledgers of every version become one of this program, by one replica at a time, and people say when."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, MetaData, inspect, select

from pm_autoaccept.errors import LedgerMismatch, LedgerUnavailable
from pm_autoaccept.ledger import Database, SqlLedger
from pm_autoaccept.ledger.db import migrations
from pm_autoaccept.ledger.db.column_types import UtcDateTime
from pm_autoaccept.ledger.db.migrations import newest_version, upgrade
from pm_autoaccept.ledger.db.tables import metadata
from pm_autoaccept.ledger.db.upgrade import migrate
from pm_autoaccept.model import Outcome
from tests.examples import NOW, key
from tests.unit.ledger.acting import SERVICE, US

FIXTURES = Path(__file__).parents[2] / "fixtures"
BEFORE = datetime(2026, 1, 1, 12, tzinfo=UTC)

NEWEST = "0012"

FIRST: dict[str, dict[str, Any]] = {
    "provider": {"id": 1, "service": SERVICE, "account_id": 1, "username": "us", "claimed_at": BEFORE},
    "request": {
        "id": 1,
        "kind": "connection",
        "pm_id": 7,
        "content_digest": "x",
        "occurrence": 1,
        "account_id": 7,
        "username": "customer",
        "sender_id": None,
        "sender_username": None,
        "property_id": None,
        "access_level": None,
        "custom": [["Utility Customer Number", "123"]],
        "requested_at": BEFORE,
        "source": b"<account/>",
        "first_seen": BEFORE,
        "last_seen": BEFORE,
        "absent_since": None,
        "absent_reads": 0,
        "cascade_intent_id": None,
        "outcome": "done",
        "outcome_at": BEFORE,
        "outcome_text": "",
        "retry_not_before": None,
    },
    "decision": {
        "id": 1,
        "request_id": 1,
        "decided_at": BEFORE,
        "mode": "enforce",
        "verdict": "accept",
        "rule": "a-rule",
        "reason": "rule",
        "reason_text": "because",
        "kept_back": None,
        "kept_back_text": "",
        "evidence": [],
        "unknown": [],
        "note": None,
        "policy_digest": "d",
        "sources": [],
    },
    "intent": {
        "id": 1,
        "request_id": 1,
        "decision_id": 1,
        "action": "Accept",
        "note": None,
        "program": "0.1.0",
        "intended_at": BEFORE,
        "outcome": "done",
        "outcome_at": BEFORE,
        "outcome_text": "",
    },
    "notification": {
        "id": 3,
        "type": "UNSHARE",
        "description": "gone",
        "account_id": 7,
        "username": "customer",
        "property_id": 11,
        "meter_id": None,
        "created_at": BEFORE,
        "created_by": "customer",
        "created_by_account_id": "7",
        "first_seen": BEFORE,
    },
    "unreadable": {
        "id": 1,
        "kind": "meter",
        "digest": "d",
        "why": "no id",
        "source": b"\x00",
        "first_seen": BEFORE,
        "last_seen": BEFORE,
    },
}
"""A row in every table of the first version."""


async def test_the_migrations_make_just_the_tables_that_the_program_uses(ledger):
    """Tables and migrations cannot drift apart."""

    def differences(bound):
        return compare_metadata(MigrationContext.configure(bound), metadata)

    assert await ledger.database.run(differences) == []


async def test_what_tests_copy_is_what_the_migrations_make(tmp_path):
    """Tests copy the tables of new SQLite ledgers; table for table and column for column they are the migrated ones."""
    copied = tmp_path / "copied.db"
    await (await Database.open(f"sqlite:///{copied}")).close()
    migrated = tmp_path / "migrated.db"
    await (await Database.open(f"sqlite:///{migrated}", prepare=upgrade)).close()

    def tables(path: Path) -> tuple[object, ...]:
        with closing(sqlite3.connect(path)) as database:
            made = database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()
            # Alembic copies a table that it changes, and writes the constraints of the copy in any order.
            lines = [(*each[:3], sorted(line.strip(", ") for line in (each[3] or "").splitlines())) for each in made]
            return lines, database.execute("SELECT * FROM alembic_version").fetchall()

    assert tables(copied) == tables(migrated)


@pytest.fixture(params=["sqlite", "postgresql"])
def first_version(request, tmp_path) -> str:
    """The address of a ledger that the first version has written, with a row in every table."""
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path / 'first.db'}"
    else:
        address = request.getfixturevalue("postgres").database()
    asyncio.run(_write_first(address))
    return address


async def _write_first(address: str) -> None:
    database = await Database.open(address, prepare=lambda connection: upgrade(connection, to="0001"))

    def fill(connection):
        made = MetaData()
        made.reflect(connection)
        assert set(made.tables) == {*FIRST, "alembic_version"}
        for name, row in FIRST.items():
            assert set(made.tables[name].c.keys()) == set(row)
            for column in made.tables[name].c:
                if isinstance(row[column.name], datetime):
                    column.type = UtcDateTime()
                elif isinstance(row[column.name], list):
                    column.type = JSON()
            connection.execute(made.tables[name].insert().values(**row))

    await database.run(fill)
    await database.close()


async def test_a_ledger_of_the_first_version_is_migrated_with_nothing_lost(first_version):
    """Its one account is called `default`; every value of every row is there as it was."""
    assert await migrate(first_version, check_only=True) == ("0001", NEWEST)
    assert await migrate(first_version) == ("0001", NEWEST)
    assert await migrate(first_version) == (NEWEST, NEWEST)
    ledger = await SqlLedger.open(first_version)
    await ledger.claim(service=SERVICE, provider=US, at=NOW)

    def rows(connection):
        return {name: connection.execute(select(metadata.tables[name])).mappings().one() for name in FIRST}

    found = await ledger.database.read(rows)
    (row,) = await ledger.decisions()
    await ledger.close()
    for name, before in FIRST.items():
        assert {column: found[name][column] for column in before} == before
    assert {name: found[name]["provider_id"] for name in ("request", "notification", "unreadable")} == dict.fromkeys(
        ("request", "notification", "unreadable"), 1
    )
    assert (row.account, row.key, row.outcome, row.attempts) == ("default", key("connection", 7), Outcome.DONE, 1)


async def test_what_the_first_version_itself_has_written_is_migrated(tmp_path):
    """A file of its own making: nothing in it refers to what is not there any more."""
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript((FIXTURES / "ledger-0001.sql").read_text())
    migrated = await SqlLedger.open(f"sqlite:///{path}")
    await migrated.claim(service=SERVICE, provider=US, at=NOW)
    (row,) = await migrated.decisions()
    await migrated.close()
    assert (row.account, row.key, row.outcome, row.attempts) == ("default", key("connection", 7), Outcome.DONE, 1)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("first_version", ["postgresql"], indirect=True)
async def test_an_older_ledger_in_postgresql_is_migrated_only_when_people_say_so(first_version):
    """Replicas of the version before may be at work on it: they are stopped first."""
    for read_only in (False, True):
        with pytest.raises(LedgerMismatch, match="`pm-autoaccept migrate` upgrades it"):
            await SqlLedger.open(first_version, read_only=read_only)
    await migrate(first_version)
    await (await SqlLedger.open(first_version)).close()


async def test_replicas_that_start_at_once_make_the_tables_once(postgres):
    """Three containers, one empty database."""
    address = postgres.database()
    ledgers = await asyncio.gather(*(SqlLedger.open(address) for _ in range(3)))
    tables = await ledgers[0].database.read(lambda connection: set(inspect(connection).get_table_names()))
    assert tables == {*metadata.tables, "alembic_version"}
    for ledger in ledgers:
        await ledger.close()


async def test_a_ledger_of_a_newer_program_is_refused(ledger_address):
    """An older program must not write what it does not understand, nor call it its own."""
    database = await Database.open(ledger_address)
    await database.run(lambda bound: bound.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    with pytest.raises(LedgerMismatch, match="newer version"):
        await SqlLedger.open(ledger_address)
    for check_only in (False, True):
        with pytest.raises(LedgerMismatch, match="newer version"):
            await migrate(ledger_address, check_only=check_only)


async def test_asking_for_the_version_makes_nothing(tmp_path, postgres):
    """A ledger that is not there is said to be none."""
    with pytest.raises(LedgerUnavailable, match="unable to open"):
        await migrate(f"sqlite:///{tmp_path / 'none.db'}", check_only=True)
    assert list(tmp_path.iterdir()) == []
    address = postgres.database()
    assert await migrate(address, check_only=True) == (None, NEWEST)
    assert await migrate(address, check_only=True) == (None, NEWEST)


def test_every_migration_is_in_a_file_named_after_its_version():
    """The program reads its schema versions from these names, and so need not import Alembic."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_current_head() == newest_version() == NEWEST
    for script in scripts.walk_revisions():
        assert Path(script.path).name.startswith(f"{script.revision}_")


def test_run_imports_no_alembic_for_a_ledger_that_needs_no_migration(tmp_path):
    """Alembic is slow to import, and so is the dialect of a database that is not used."""
    address = f"sqlite:///{tmp_path / 'ledger.db'}"
    program = (
        "import asyncio, sys\n"
        "import pm_autoaccept.__main__, pm_autoaccept.cli.run, pm_autoaccept.daemon, pm_autoaccept.cli.support.runner\n"
        "from pm_autoaccept.ledger import SqlLedger\n"
        "async def work():\n"
        f"    ledger = await SqlLedger.open({address!r})\n"
        "    await ledger.close()\n"
        "asyncio.run(work())\n"
        "names = ('alembic', 'mako', 'sqlalchemy.dialects.postgresql')\n"
        "print([name for name in names if name in sys.modules])\n"
    )

    def loaded() -> str:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 — our own program
        return done.stdout.strip()

    assert "alembic" in loaded()  # it creates the ledger
    assert loaded() == "[]"
