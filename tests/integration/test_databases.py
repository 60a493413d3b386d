"""Data out of a database: SQLite and a real PostgreSQL, read within a time, and never written to."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from pm_autoaccept.data_sources import Reading
from pm_autoaccept.data_sources.fetch import Places, read_source
from pm_autoaccept.data_sources.sql_source import Bounds, read_query
from pm_autoaccept.model import NotLearnt
from pm_autoaccept.policy import Form, Query, Source, Table
from pm_autoaccept.policy.values import FieldType
from tests.postgresql import PostgreSQL

TABLE = """
CREATE TABLE points (account VARCHAR(20), meter INTEGER, tenants INTEGER, share NUMERIC(9, 3), consent DATE,
                     shut BOOLEAN, changed TIMESTAMP {zone})
"""
ROWS = """
INSERT INTO points VALUES ('00-41', 7, 4, 0.125, '2026-01-31', false, '2026-02-01T08:00:00{hours}'),
                          ('00-41', 8, NULL, 1000, NULL, true, '2026-02-03T08:00:00{hours}'),
                          (NULL, 9, 1, 1, NULL, true, NULL)
"""
COLUMNS = {
    "tenants": FieldType.INTEGER,
    "share": FieldType.NUMBER,
    "consent": FieldType.DATE,
    "shut": FieldType.BOOLEAN,
}


def fill_sqlite(path: Path) -> str:
    """A file with the rows, and its address."""
    with sqlite3.connect(path) as connection:
        connection.execute(TABLE.format(zone=""))
        connection.execute(ROWS.format(hours="Z"))
    connection.close()
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with the rows."""
    if request.param == "sqlite":
        return fill_sqlite(tmp_path / "billing.db")
    address = request.getfixturevalue("postgres").database()
    with psycopg.connect(address) as connection:
        connection.execute(TABLE.format(zone="WITH TIME ZONE"))
        connection.execute(ROWS.format(hours="Z"))
    return address


@pytest.fixture
def ask(address: str) -> Callable[..., Reading]:
    """What a query brings."""

    def _ask(query: str, *, key: tuple[str, ...] = ("account", "meter"), bounds: Bounds | None = None, **more: object):
        source = Source(name="points", form=Form.SQL, query=Query(connection="billing", query=query), key=key, **more)
        return read_query(source, address, bounds=bounds or Bounds())

    return _ask


def test_rows_of_a_database(ask):
    """Each type comes as its column is declared; NULL is blank; rows with a part of their key missing are dropped."""
    reading = ask("select * from points", columns=COLUMNS, dated="changed")
    table = reading.table
    assert isinstance(table, Table)
    assert (table.rows, reading.dropped) == (2, 1)
    assert reading.dated == datetime(2026, 2, 3, 8, tzinfo=UTC)
    assert table.row(("00-41", "7")) == {
        "account": "00-41",
        "meter": "7",
        "tenants": 4,
        "share": Decimal("0.125"),
        "consent": date(2026, 1, 31),
        "shut": False,
    }
    row = table.row(("00-41", "8"))
    assert row is not None
    assert not isinstance(row, NotLearnt)
    assert (row["share"], row["shut"]) == (1000, True)
    assert isinstance(row["tenants"], NotLearnt)


def test_the_same_rows_have_the_same_digest(ask):
    """In whatever order a database brings them; with another row, or another value, it is another."""
    columns = {"tenants": FieldType.INTEGER}

    def digest(rest: str) -> str:
        return ask(f"select account, meter, tenants from points {rest}", columns=columns).table.digest  # noqa: S608 - our own

    assert digest("order by meter") == digest("order by meter desc")
    others = ("", "where meter = 7", "where meter = 7 union all select '00-41', 8, 1")
    assert len(set(map(digest, others))) == len(others)


def test_a_query_is_sent_as_it_is_written(ask):
    """Colons and percent signs in it are no parameters."""
    query = "select '12:30 :x' as account, account as meter from points where account like '00%' and meter = 7"
    table = ask(query).table
    assert isinstance(table, Table)
    assert table.has(("12:30 :x", "00-41")) is True


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("select account from points", "the column meter is missing in the header (account)"),
        ("select account, meter from points where meter = 5", "there are no keys"),
        ("select account, share as meter from points", "row 1: the key is a fractional number; cast it to text"),
        ("select account, '#N/A' as meter from points", "row 1: a spreadsheet changed the key to #N/A"),
        ("select account, meter from nowhere", "nowhere"),
        ("with x as (select 1) delete from points", ""),
        ("select account, meter from points; drop table points", ""),
    ],
)
def test_what_is_no_table(ask, query, why):
    """Whatever goes wrong in the database, or is doubtful about its rows, is in the reading."""
    learnt = ask(query).table
    assert isinstance(learnt, NotLearnt)
    assert learnt.why.startswith("connection billing: ")
    assert why in learnt.why
    assert isinstance(ask("select * from points").table, Table)


def test_more_rows_than_may_come(ask):
    """A query that forgot to say which rows it means does not fill the memory."""
    learnt = ask("select * from points", bounds=Bounds(rows=2)).table
    assert learnt == NotLearnt("connection billing: the query returned more than 2 rows")


ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select 1 as account, max(i) as meter from n"


def test_a_query_without_end(ask):
    """The database itself stops a query that takes too long."""
    short = timedelta(milliseconds=200)
    learnt = ask(ENDLESS, bounds=Bounds(first=short, whole=short)).table
    assert isinstance(learnt, NotLearnt)
    assert "interrupted" in learnt.why or "statement timeout" in learnt.why


def test_rows_without_end(ask):
    """Rows that come one after the other, for ever, are stopped too."""
    query = ENDLESS.replace("max(i)", "i")
    learnt = ask(query, bounds=Bounds(whole=timedelta(0))).table
    assert isinstance(learnt, NotLearnt)


async def test_a_database_that_is_not_there(postgres: PostgreSQL, tmp_path):
    """No such file, no such server, no such database, no such connection: the reason, and never the password."""
    query = Query(connection="billing", query="select 1 as n")
    source = Source(name="points", form=Form.SQL, query=query, key=("n",))
    there = postgres.database()
    whys = []
    for address in (
        f"sqlite:///{tmp_path}/missing.db",
        "postgresql://us:s3cret@127.0.0.1:1/billing",
        there.replace("ledger_", "no_such_", 1),
    ):
        reading = await read_source(source, Places(tmp_path, {"billing": SecretStr(address)}))
        assert isinstance(reading.table, NotLearnt)
        whys.append(reading.table.why)
        assert "s3cret" not in reading.table.why
        assert "s3cret" not in repr(Places(tmp_path, {"billing": SecretStr(address)}))
    assert "unable to open database file" in whys[0]
    assert "refused" in whys[1]
    assert "does not exist" in whys[2]
    assert not (tmp_path / "missing.db").exists()
    unnamed = await read_source(source, Places(tmp_path, {"crm": SecretStr(there)}))
    assert unnamed.table == NotLearnt(
        "connection billing: the settings file has no connection with this name under `connections`; "
        "known connections: crm"
    )


def test_an_address_may_say_more(postgres: PostgreSQL):
    """What the address asks of the connection is heard, and the bounds stay."""
    address = f"{postgres.database()}&options=-c%20search_path%3Dpg_catalog"
    query = "select current_setting('search_path') as n, current_setting('default_transaction_read_only') as m"
    source = Source(name="points", form=Form.SQL, query=Query(connection="b", query=query), key=("n", "m"))
    table = read_query(source, address).table
    assert isinstance(table, Table)
    assert table.has(("pg_catalog", "on")) is True


def test_nothing_is_written(postgres: PostgreSQL):
    """A query that writes, by a function of the database for instance, is refused by the database."""
    address = postgres.database()
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE written (n int)")
        connection.execute(
            "CREATE FUNCTION write() RETURNS int LANGUAGE sql AS 'INSERT INTO written VALUES (1) RETURNING n'"
        )
    source = Source(name="points", form=Form.SQL, query=Query(connection="b", query="select write() as n"), key=("n",))
    learnt = read_query(source, address).table
    assert isinstance(learnt, NotLearnt)
    assert "read-only transaction" in learnt.why
