"""Finds the ledger's rows for what pends now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, select

from pm_autoaccept.ledger.tables import request as request_table
from pm_autoaccept.model import Kind, PendingRequest, RequestKey
from pm_autoaccept.record import asked

RequestRow: TypeAlias = Row[Any]

COLUMNS = [column for column in request_table.c if column.name != "source"]
"""A row without the element's bytes, which only people look at."""

_AT_ONCE = 500
"""Ids in one query: SQLite takes at most 999 parameters in its oldest supported builds."""


def rows_by_key(connection: Connection, keys: Iterable[RequestKey]) -> dict[RequestKey, list[RequestRow]]:
    """Every row that was ever made of these keys, the oldest first."""
    ids: dict[Kind, list[int]] = defaultdict(list)
    for key in set(keys):
        ids[key.kind].append(key.id)
    found: dict[RequestKey, list[RequestRow]] = defaultdict(list)
    for kind, numbers in ids.items():
        for some in chunks(numbers):
            query = select(*COLUMNS).where(request_table.c.kind == kind, request_table.c.pm_id.in_(some))
            for row in connection.execute(query.order_by(request_table.c.id)):
                found[RequestKey(kind, row.pm_id)].append(row)
    return found


def current(rows: Iterable[RequestRow], request: PendingRequest) -> RequestRow | None:
    """The latest row in which just this was asked, None if it never was."""
    digest = asked(request)
    latest = None
    for row in rows:
        if row.asked == digest:
            latest = row
    return latest


def chunks(numbers: list[int]) -> Iterator[list[int]]:
    """Cut a list into pieces that fit one query."""
    for start in range(0, len(numbers), _AT_ONCE):
        yield numbers[start : start + _AT_ONCE]
