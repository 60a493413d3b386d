"""Statements that are made for speed, on both databases: they store and find what SQLAlchemy's own would."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import bindparam, delete, select, update

from pm_autoaccept.errors import LedgerUnavailable
from pm_autoaccept.ledger.db.bulk_statements import BulkStatement
from pm_autoaccept.ledger.db.id_lists import id_list, is_one_of
from pm_autoaccept.ledger.db.tables import policy_revision, provider
from tests.examples import NOW
from tests.unit.ledger.acting import SERVICE

ELSEWHERE = timezone(timedelta(hours=-5))
REVISIONS = [
    {
        "provider_id": 1,
        "at": moment,
        "digest": "d",
        "rules": number,
        "refused": refused,
        "files": {"policy.yaml": "é\N{SNOWMAN}", "more": [number, None]},
        "program": "0.1.0",
    }
    for number, (moment, refused) in enumerate(
        [(NOW, None), (NOW.astimezone(ELSEWHERE) + timedelta(microseconds=7), "it's %s and ? and :x"), (NOW, "")]
    )
]
COLUMNS = [column.name for column in policy_revision.c if column.name != "id"]


@pytest.fixture
async def stored(database):
    """The database with three rows, and what they hold."""

    def store(bound):
        account = {"id": 1, "name": "n", "service": SERVICE, "account_id": 1, "username": "us", "claimed_at": NOW}
        bound.execute(provider.insert().values(account))
        BulkStatement(policy_revision.insert()).run(bound, REVISIONS)

    await database.run(store)
    return database


async def _rows(database):
    query = select(*(policy_revision.c[name] for name in COLUMNS)).order_by(policy_revision.c.id)
    return await database.read(lambda bound: [dict(row._mapping) for row in bound.execute(query)])


async def test_a_bulk_insert_stores_what_an_insert_stores(stored):
    """Moments in UTC to the microsecond, JSON, NULL, and any text."""
    in_bulk = await _rows(stored)
    await stored.run(lambda bound: bound.execute(delete(policy_revision)))
    await stored.run(lambda bound: bound.execute(policy_revision.insert(), REVISIONS))
    assert in_bulk == await _rows(stored)
    assert [row["at"] for row in in_bulk] == [each["at"] for each in REVISIONS]
    raw = await stored.read(lambda bound: bound.exec_driver_sql("SELECT at FROM policy_revision ORDER BY id").all())
    assert [str(at)[:26] for (at,) in raw][1] == f"{REVISIONS[1]['at'].astimezone(NOW.tzinfo):%Y-%m-%d %H:%M:%S.%f}"


async def test_a_bulk_update_changes_each_row_by_its_own_values_and_the_common_ones(stored):
    """A constant of the statement is converted like a parameter."""
    table = policy_revision.c
    statement = update(policy_revision).where(table.rules == bindparam("which"))
    change = BulkStatement(statement.values(refused=bindparam("why"), at=NOW + timedelta(days=1)))
    changes = [{"which": 0, "why": "first"}, {"which": 2, "why": None}]
    await stored.run(lambda bound: change.run(bound, changes))
    rows = await _rows(stored)
    assert [(row["refused"], row["at"]) for row in rows] == [
        ("first", NOW + timedelta(days=1)),
        (REVISIONS[1]["refused"], REVISIONS[1]["at"]),
        (None, NOW + timedelta(days=1)),
    ]


async def test_no_rows_are_no_statement(stored):
    """Nothing is sent to the database."""
    await stored.run(lambda _bound: BulkStatement(policy_revision.insert()).run(None, []))


async def test_a_moment_without_a_time_zone_is_refused_in_bulk_too(stored):
    """It would be ambiguous."""
    naive = REVISIONS[0] | {"at": datetime(2026, 1, 1)}  # noqa: DTZ001 — that is what is refused
    with pytest.raises(ValueError, match="time zone"):
        await stored.run(lambda bound: BulkStatement(policy_revision.insert()).run(bound, [naive]))


@pytest.mark.parametrize("ids", [[], [2], [1, 3, 99], range(1, 40_000)], ids=["none", "one", "some", "very many"])
async def test_a_list_of_ids_finds_those_rows(stored, ids):
    """By a parameter with a name, and by a value; more of them than a statement may have parameters."""
    table = policy_revision.c
    first = await stored.read(lambda bound: bound.execute(select(table.id).order_by(table.id)).scalars().first())
    found = [each - first + 1 for each in await _found(stored, [each + first - 1 for each in ids])]
    assert found == [each for each in (1, 2, 3) if each in ids]


async def _found(database, ids):
    table = policy_revision.c
    named = select(table.id).where(is_one_of(table.id, id_list("ids"))).order_by(table.id)
    by_name = await database.read(lambda bound: bound.execute(named, {"ids": ids}).scalars().all())
    by_value = await database.read(
        lambda bound: bound.execute(select(table.id).where(is_one_of(table.id, ids)).order_by(table.id)).scalars().all()
    )
    assert by_name == by_value
    return by_name


async def test_lists_of_any_length_are_one_statement_that_uses_an_index(stored):
    """SQLite would scan the table if SQLAlchemy compared the condition with 1."""
    table = policy_revision.c
    texts = set()
    for ids in ([], [1], [1, 2, 3]):
        query = select(table.id).where(is_one_of(table.id, ids))
        texts.add(str(query.compile(dialect=stored._engine.dialect)))
    assert len(texts) == 1
    if stored.is_sqlite:
        plan = await stored.read(
            lambda bound: bound.exec_driver_sql(f"EXPLAIN QUERY PLAN {texts.pop()}", ("[1]",)).all()
        )
        assert any("SEARCH policy_revision USING INTEGER PRIMARY KEY" in row[3] for row in plan)


async def test_a_list_must_be_said(stored):
    """A forgotten parameter is a fault of the program, not an empty list."""
    query = select(policy_revision.c.id).where(is_one_of(policy_revision.c.id, id_list("ids")))
    with pytest.raises(LedgerUnavailable):
        await stored.read(lambda bound: bound.execute(query).all())
