"""Remembers how many rows each data source had while it was good, and which contents somebody took as good."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select

from pm_autoaccept.ledger.db.tables import confirmation as confirmation_table
from pm_autoaccept.ledger.db.tables import source_count as count_table
from pm_autoaccept.model import SourceHistory, SourceUse


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """What a source held while it was good, from when to when; or what somebody took as good then.

    Attributes:
        until: when it was last noted so; none for a confirmation.
        confirmed_by: who took it as good; none where nobody had to.
    """

    account: str
    source: str
    digest: str
    rows: int
    since: datetime
    until: datetime | None = None
    confirmed_by: str | None = None


COMPARE_WITHIN = timedelta(days=7)
"""What a table had within this time, it is compared with."""

RECORD_INTERVAL = timedelta(hours=1)
"""How often contents that stay the same are noted again."""


def load_source_histories(connection: Connection, name: str, *, at: datetime) -> Mapping[str, SourceHistory]:
    """What is remembered of each source of the account of this name. Reads only.

    A source that was good only longer ago is compared with what it had then: a table that stays broken for a week
    does not become good by that. One that somebody confirmed is compared with what it had since.
    """
    counts, confirmations = _counts(connection, name, at=at), _confirmations(connection, name)
    return {
        source: _remembered(counts.get(source, []), confirmations.get(source, []), at=at)
        for source in {*counts, *confirmations}
    }


def record_sources(connection: Connection, name: str, good: Collection[SourceUse], *, at: datetime) -> None:
    """Note what the account's good sources hold."""
    last = _last(connection, name)
    for use in good:
        row = last.get(use.name)
        if row is None or (row.digest, row.rows) != (use.digest, use.rows):
            values = {"name": name, "source": use.name, "digest": use.digest, "rows": use.rows}
            connection.execute(count_table.insert().values(**values, first_read=at, last_read=at))
        elif not timedelta(0) <= at - row.last_read < RECORD_INTERVAL:
            connection.execute(count_table.update().where(count_table.c.id == row.id).values(last_read=at))


def confirm_source(connection: Connection, name: str, use: SourceUse, *, by: str, at: datetime) -> None:
    """Record that somebody took these contents as good."""
    values = {"name": name, "source": use.name, "digest": use.digest, "rows": use.rows}
    connection.execute(confirmation_table.insert().values(**values, confirmed_at=at, confirmed_by=by))


def list_source_records(connection: Connection, *, account: str | None = None) -> Sequence[SourceRecord]:
    """What each source held and what was confirmed, of the account of this name or of all; the oldest first."""
    counts, confirmations = select(count_table), select(confirmation_table)
    if account is not None:
        counts = counts.where(count_table.c.name == account)
        confirmations = confirmations.where(confirmation_table.c.name == account)
    held = [_held(row, since=row.first_read, until=row.last_read) for row in connection.execute(counts)]
    held += [
        _held(row, since=row.confirmed_at, confirmed_by=row.confirmed_by) for row in connection.execute(confirmations)
    ]
    return sorted(held, key=lambda each: each.since)


def _held(
    row: Row[Any], *, since: datetime, until: datetime | None = None, confirmed_by: str | None = None
) -> SourceRecord:
    return SourceRecord(
        account=row.name,
        source=row.source,
        digest=row.digest,
        rows=row.rows,
        since=since,
        until=until,
        confirmed_by=confirmed_by,
    )


def _remembered(counts: list[Row[Any]], confirmations: list[Row[Any]], *, at: datetime) -> SourceHistory:
    # A confirmation is a count like any other, before which none matters.
    confirmed = [(row.confirmed_at, row.rows) for row in confirmations[-1:]]
    since = max([at - COMPARE_WITHIN, *(moment for moment, _ in confirmed)])
    known = [*confirmed, *((row.last_read, row.rows) for row in counts)]
    numbers = [rows for moment, rows in known if moment > at - COMPARE_WITHIN and moment >= since]
    if not numbers and known:
        numbers.append(max(known)[1])
    return SourceHistory(
        most=max(numbers, default=None),
        least=min(numbers, default=None),
        confirmed={row.digest: row.confirmed_at for row in confirmations},
    )


def _counts(connection: Connection, name: str, *, at: datetime) -> Mapping[str, list[Row[Any]]]:
    """Source → what it had within the memory's time, and what it had last."""
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    of_late = select(count_table).where(count_table.c.name == name, count_table.c.last_read > at - COMPARE_WITHIN)
    for row in connection.execute(of_late):
        found[row.source].append(row)
    for source, row in _last(connection, name).items():
        found[source].append(row)
    return found


def _last(connection: Connection, name: str) -> Mapping[str, Row[Any]]:
    """Source → the row that was noted last."""
    newest = select(func.max(count_table.c.id)).where(count_table.c.name == name).group_by(count_table.c.source)
    rows = connection.execute(select(count_table).where(count_table.c.id.in_(newest)))
    return {row.source: row for row in rows}


def _confirmations(connection: Connection, name: str) -> Mapping[str, list[Row[Any]]]:
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    query = select(confirmation_table).where(confirmation_table.c.name == name).order_by(confirmation_table.c.id)
    for row in connection.execute(query):
        found[row.source].append(row)
    return found
