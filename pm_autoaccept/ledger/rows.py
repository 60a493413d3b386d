"""Finds the ledger's rows for what pends now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, TypeAlias

from sqlalchemy import Connection, CursorResult, Row, Select, Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from pm_autoaccept.ledger.tables import intent as intent_table
from pm_autoaccept.ledger.tables import provider as provider_table
from pm_autoaccept.ledger.tables import request as request_table
from pm_autoaccept.model import Kind, Outcome, PendingRequest, RequestKey
from pm_autoaccept.record import asked

RequestRow: TypeAlias = Row[Any]
Insert: TypeAlias = postgresql.Insert | sqlite.Insert

UNSETTLED = (Outcome.OPEN, Outcome.REFUSED)
"""Outcomes after which a request still waits for its end."""

_WHAT_WAS_ASKED = {
    "username",
    "sender_id",
    "sender_username",
    "property_id",
    "access_level",
    "custom",
    "requested_at",
    "source",
    "first_seen",
}
STANDING = [column for column in request_table.c if column.name not in _WHAT_WAS_ASKED]
"""How a row stands, without what was asked: that is read by people, and rows are read by thousands."""

LONGEST_WAIT = timedelta(days=1)
"""To which the wait before an answer is tried again doubles."""

_AT_ONCE = 500
"""Ids in one query: SQLite takes at most 999 parameters in its oldest supported builds."""


# Made once, as all that is asked for each answer: SQLAlchemy takes longer to make a query than SQLite to answer it.
_BY_KEY = (
    select(*STANDING)
    .where(
        request_table.c.provider_id == bindparam("provider"),
        request_table.c.kind == bindparam("kind"),
        request_table.c.pm_id.in_(bindparam("numbers", expanding=True)),
    )
    .order_by(request_table.c.id)
)
_BY_KEY_LOCKED = _BY_KEY.with_for_update()


def rows_by_key(
    connection: Connection, provider: int, keys: Iterable[RequestKey], *, lock: bool = False
) -> dict[RequestKey, list[RequestRow]]:
    """Every row that was ever made of these keys of a provider account, the oldest first.

    With `lock` no other transaction may change them until this one ends.
    """
    ids: dict[Kind, list[int]] = defaultdict(list)
    for key in set(keys):
        ids[key.kind].append(key.id)
    found: dict[RequestKey, list[RequestRow]] = defaultdict(list)
    for kind, numbers in ids.items():
        for some in chunks(numbers):
            said = {"provider": provider, "kind": kind, "numbers": some}
            for row in connection.execute(_BY_KEY_LOCKED if lock else _BY_KEY, said):
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


def is_over(row: RequestRow) -> bool:
    """Whether a row's request had ended and was seen to be absent: what pends now is the next time."""
    return row.outcome is not None and row.outcome not in UNSETTLED and row.absent_since is not None


def last_intent(connection: Connection, request: int) -> Row[Any]:
    """The last answer to a request that has one."""
    sent = select(intent_table).where(intent_table.c.request_id == request)
    return connection.execute(sent.order_by(intent_table.c.id.desc()).limit(1)).one()


def numbered(table: Table, *names: str) -> Select[Any]:
    """A query for columns of the rows that have some numbers, to be handed to `by_number`."""
    columns = [table.c[name] for name in ("id", *names)]
    return select(*columns).where(table.c.id.in_(bindparam("numbers", expanding=True)))


def by_number(connection: Connection, query: Select[Any], numbers: list[int]) -> dict[int, Row[Any]]:
    """Number → the row that has it."""
    found: dict[int, Row[Any]] = {}
    for some in chunks(numbers):
        found |= {row.id: row for row in connection.execute(query, {"numbers": some})}
    return found


def chunks(numbers: list[int]) -> Iterator[list[int]]:
    """Cut a list into pieces that fit one query."""
    for start in range(0, len(numbers), _AT_ONCE):
        yield numbers[start : start + _AT_ONCE]


def number_of(inserted: CursorResult[Any]) -> int:
    """The number of a row that was just inserted."""
    key = inserted.inserted_primary_key
    return int(key[0]) if key else 0


def insert(connection: Connection, table: Table) -> Insert:
    """An INSERT that knows ON CONFLICT, which both databases have and SQLAlchemy spells once for each."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def account_to_name(connection: Connection, provider: int) -> str | None:
    """The provider account's name, by which commands must be told it; None where the ledger has only one."""
    names = {row.id: row.name for row in connection.execute(select(provider_table.c.id, provider_table.c.name))}
    return names.get(provider) if len(names) > 1 else None
