"""Query helpers for the ledger: look up rows by number, split long id lists, INSERT with ON CONFLICT."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import Connection, CursorResult, Row, Select, Table, select
from sqlalchemy.dialects import sqlite

from pm_autoaccept.ledger.db.id_lists import id_list, is_one_of

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

    Insert: TypeAlias = postgresql.Insert | sqlite.Insert

ROWS_PER_FETCH = 500
"""Rows of a long result that are in memory at a time."""

MAX_IDS_PER_QUERY = 500
"""SQLite takes at most 999 parameters in its oldest supported builds."""


def numbered(table: Table, *names: str) -> Select[Any]:
    """Build a query for these columns of the rows with given numbers; run it with `by_number`."""
    columns = [table.c[name] for name in ("id", *names)]
    return select(*columns).where(is_one_of(table.c.id, id_list("numbers")))


def by_number(connection: Connection, query: Select[Any], numbers: list[int]) -> dict[int, Row[Any]]:
    """Run a `numbered` query; returns number → row."""
    return {row.id: row for row in connection.execute(query, {"numbers": numbers})} if numbers else {}


def chunks(numbers: list[int]) -> Iterator[list[int]]:
    """Split a list of ids into pieces that each fit one query."""
    for start in range(0, len(numbers), MAX_IDS_PER_QUERY):
        yield numbers[start : start + MAX_IDS_PER_QUERY]


def number_of(inserted: CursorResult[Any]) -> int:
    """The number of the row that was just inserted."""
    key = inserted.inserted_primary_key
    return int(key[0]) if key else 0


def insert(connection: Connection, table: Table) -> Insert:
    """An INSERT that supports ON CONFLICT, which SQLAlchemy provides separately for each database."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 — SQLite does not need it, and it starts slowly

        return postgresql.insert(table)
    return sqlite.insert(table)
