"""Retention: permanently masks personal data (names, e-mail addresses, phone numbers, free text) in old records.

Kept are the data that an audit and the identity of requests need: ids, kinds, times, verdicts, rules, reasons, digests,
names of custom fields, and outcomes. Masked are all texts that may name a person: usernames, values of custom fields,
notes, the requests' own bytes, the values found in text fields, and the descriptions of notifications.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, or_, select

from pm_autoaccept.ledger.db.database import Database
from pm_autoaccept.ledger.db.tables import decision as decision_table
from pm_autoaccept.ledger.db.tables import human_answer as answer_table
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import notification as notification_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import removal as removal_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.db.tables import unreadable as unreadable_table
from pm_autoaccept.ledger.private_values import QUOTING
from pm_autoaccept.model import Outcome
from pm_autoaccept.policy.fields import FIELDS
from pm_autoaccept.policy.values import FieldType

MASKED = "(masked)"

REQUESTS_PER_TRANSACTION = 200
"""Requests masked in one transaction, so that answers wait no longer than that."""

_MASK_INTERVAL = timedelta(days=1)
"""How often old records are looked for."""


@dataclass(frozen=True, slots=True)
class Masked:
    """How many rows were masked, and whether the file no longer contains the old data.

    Attributes:
        erased: whether SQLite's file was rewritten and no longer contains the data. False if another process was
            reading it, so that it must be tried again; and in PostgreSQL, where the operator must run VACUUM FULL.
    """

    requests: int
    others: int
    erased: bool


async def mask(database: Database, *, before: datetime, account: str | None = None) -> Masked:
    """Permanently mask records last seen before this moment, and rewrite the file of a SQLite ledger.

    A request whose answer has an unknown outcome is left as it is.

    Args:
        database: open for writing.
        before: records seen at this moment or later are kept.
        account: only for the provider account with this name; None for all.

    Raises:
        LedgerUnavailable: the ledger cannot be written.
    """
    providers = await database.read(lambda connection: _providers(connection, account))
    requests = after = 0
    while True:
        some = await database.run(lambda connection, after=after: _mask_requests(connection, providers, before, after))  # type: ignore[misc]
        if not some:
            break
        requests, after = requests + len(some), max(some)
    others = await database.run(lambda connection: _mask_others(connection, providers, before))
    erased = await database.compact()
    if erased or not database.is_sqlite:
        await database.run(lambda connection: _note(connection, providers, before))
    return Masked(requests, others, erased)


async def apply_retention(
    database: Database, retention: timedelta | None, *, account: str, at: datetime
) -> Masked | None:
    """Mask records older than the retention setting, at most once a day; None if nothing was due.

    The daemon calls it once a cycle. It reads only one row unless a day has passed.
    """
    if retention is None:
        return None
    before = at - retention
    last = select(provider_table.c.masked_at).where(provider_table.c.name == account)
    masked = await database.read(lambda connection: connection.execute(last).scalar())
    if masked is not None and before - masked < _MASK_INTERVAL:
        return None
    return await mask(database, before=before, account=account)


def count_maskable(connection: Connection, *, before: datetime, account: str | None) -> int:
    """Count the requests and other rows that `mask` would change. Reads only."""
    providers = _providers(connection, account)
    found = connection.execute(select(func.count()).where(*_old_requests(providers, before))).scalar_one()
    for table, values, seen in _OTHERS:
        query = select(func.count()).select_from(table).where(*_old(table, values, seen, providers, before))
        found += connection.execute(query).scalar_one()
    return int(found)


def _providers(connection: Connection, account: str | None) -> list[int]:
    query = select(provider_table.c.id)
    return list(
        connection.execute(query if account is None else query.where(provider_table.c.name == account)).scalars()
    )


def _old_requests(providers: Iterable[int], before: datetime) -> tuple[Any, ...]:
    table = request_table.c
    settled = or_(table.outcome.is_(None), table.outcome != Outcome.OPEN)
    return table.provider_id.in_(list(providers)), table.masked_at.is_(None), table.last_seen < before, settled


def _mask_requests(connection: Connection, providers: list[int], before: datetime, after: int) -> list[int]:
    """Mask the next requests after this row, with their decisions and answers; returns their row numbers."""
    table = request_table.c
    old = select(table.id, table.custom, table.username, table.sender_username).where(
        *_old_requests(providers, before), table.id > after
    )
    rows = connection.execute(old.order_by(table.id).limit(REQUESTS_PER_TRANSACTION)).all()
    if not rows:
        return []
    numbers = [row.id for row in rows]
    statement = request_table.update().where(table.id == bindparam("row"))
    connection.execute(
        statement.values(source=b"", masked_at=before),
        [
            {
                "row": row.id,
                "custom": [[name, MASKED] for name, _ in row.custom],
                "username": row.username and MASKED,
                "sender_username": row.sender_username and MASKED,
            }
            for row in rows
        ],
    )
    _mask_decisions(connection, numbers)
    intent = intent_table.c
    for table_with_notes in (intent_table, answer_table):
        of_these = table_with_notes.c.request_id.in_(numbers), table_with_notes.c.note.is_not(None)
        connection.execute(table_with_notes.update().where(*of_these).values(note=MASKED))
    # Portfolio Manager's text about a refused answer is free text too.
    for refused, number in ((intent_table, intent.request_id), (request_table, table.id)):
        texts = refused.update().where(number.in_(numbers), refused.c.outcome == Outcome.REFUSED)
        connection.execute(texts.values(outcome_text=MASKED))
    return numbers


def _mask_decisions(connection: Connection, requests: list[int]) -> None:
    table = decision_table.c
    made = select(table.id, table.evidence, table.note, table.reason, table.reason_text).where(
        table.request_id.in_(requests)
    )
    rows = [
        {
            "row": row.id,
            "evidence": [
                [field, expected, found if found is None or _names_nobody(field) else MASKED, truth]
                for field, expected, found, truth in row.evidence
            ],
            "note": row.note and MASKED,
            "reason_text": MASKED if row.reason in QUOTING else row.reason_text,
        }
        for row in connection.execute(made)
    ]
    if rows:
        connection.execute(decision_table.update().where(table.id == bindparam("row")), rows)


def _names_nobody(field: str) -> bool:
    """Whether a field holds no free text, but a number, a date, a choice or a boolean."""
    return field in FIELDS and FIELDS[field].type is not FieldType.TEXT


_OTHERS: tuple[tuple[Table, dict[str, object], str], ...] = (
    (notification_table, {"description": MASKED, "username": MASKED, "created_by": MASKED}, "first_seen"),
    (unreadable_table, {"why": MASKED, "source": b""}, "last_seen"),
    (removal_table, {"note": MASKED}, "intended_at"),
)
"""For each table: the values after masking, and the column with the age of a row."""


def _old(table: Table, values: dict[str, object], seen: str, providers: list[int], before: datetime) -> tuple[Any, ...]:
    first = next(iter(values))
    return table.c.provider_id.in_(providers), table.c[seen] < before, table.c[first] != MASKED


def _mask_others(connection: Connection, providers: list[int], before: datetime) -> int:
    changed = 0
    for table, values, seen in _OTHERS:
        old = table.update().where(*_old(table, values, seen, providers, before))
        changed += connection.execute(old.values(**values)).rowcount
    return changed


def _note(connection: Connection, providers: list[int], before: datetime) -> None:
    """Record until when the accounts are masked."""
    table = provider_table.c
    later = or_(table.masked_at.is_(None), table.masked_at < before)
    connection.execute(provider_table.update().where(table.id.in_(providers), later).values(masked_at=before))
