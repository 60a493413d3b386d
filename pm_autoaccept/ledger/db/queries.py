"""Query helpers for the ledger: look up rows by number, the last rows of requests, INSERT with ON CONFLICT."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, CursorResult, Row, Select, Table, func, select
from sqlalchemy.dialects import sqlite

from pm_autoaccept.ledger.db.id_lists import id_list, is_one_of
from pm_autoaccept.ledger.db.tables import provider as provider_table

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

    Insert: TypeAlias = postgresql.Insert | sqlite.Insert

ROWS_PER_FETCH = 500
"""Rows of a long result that are in memory at a time."""


def numbered(table: Table, *names: str) -> Select[Any]:
    """Build a query for these columns of the rows with given numbers; run it with `by_number`."""
    columns = [table.c[name] for name in ("id", *names)]
    return select(*columns).where(is_one_of(table.c.id, id_list("numbers")))


def by_number(connection: Connection, query: Select[Any], numbers: list[int]) -> dict[int, Row[Any]]:
    """Run a `numbered` query; returns number → row."""
    return {row.id: row for row in connection.execute(query, {"numbers": numbers})} if numbers else {}


def last_of_each_request(table: Table) -> Select[Any]:
    """Build a query for the numbers of the last rows of requests, such as their last decisions; see `last_numbers`."""
    request = table.c.request_id
    return select(func.max(table.c.id), request).where(is_one_of(request, id_list("requests"))).group_by(request)


def last_numbers(connection: Connection, query: Select[Any], requests: Collection[int]) -> dict[int, int]:
    """Run a query of `last_of_each_request` for these requests; returns request row number → number of the last row."""
    return {request: number for number, request in connection.execute(query, {"requests": requests})}


def of_any_account(provider_id: ColumnElement[int]) -> ColumnElement[bool]:
    """A condition that every row meets, for a query about all accounts: indexes begin with the account."""
    return provider_id.in_(select(provider_table.c.id))


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
