"""Takes names, e-mail addresses, phone numbers and what customers typed out of old rows, for good.

What stays is what an audit and the rules of identity need: ids, kinds, times, verdicts, rules, reasons, digests, the
names of custom fields, outcomes. What goes is every text that may name a person: usernames, the values of custom
fields, notes, the requests' own bytes, what was found of a field that holds text, notifications' descriptions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, or_, select

from pm_autoaccept.ledger.db.database import Database
from pm_autoaccept.ledger.db.tables import decision as decision_table
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import notification as notification_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import removal as removal_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.db.tables import unreadable as unreadable_table
from pm_autoaccept.model import Outcome, ReasonKind
from pm_autoaccept.policy.fields import FIELDS
from pm_autoaccept.policy.values import FieldType

MASKED = "(masked)"

REQUESTS_PER_TRANSACTION = 200
"""Requests that are masked in one transaction: answers wait for no longer."""

_QUOTING = (ReasonKind.UNKNOWN, ReasonKind.NOT_UNDERSTOOD)
"""Reasons whose sentences may quote a document."""

_MASK_INTERVAL = timedelta(days=1)
"""How often what has grown too old is looked for."""


@dataclass(frozen=True, slots=True)
class Masked:
    """How many rows were masked, and whether the file holds nothing of them any more.

    Attributes:
        erased: SQLite's file was rewritten and holds nothing of it. False where another process was reading it, so that
            it must be tried again; and in PostgreSQL, where VACUUM FULL is for the operator to run.
    """

    requests: int
    others: int
    erased: bool


async def mask(database: Database, *, before: datetime, account: str | None = None) -> Masked:
    """Mask what was last seen before this moment, and rewrite the file of a ledger in SQLite.

    A request whose answer is of unknown fate is left as it is. Masking is for good.

    Args:
        database: open, and not only to read.
        before: what was seen then, or later, stays.
        account: only of the provider account of this name; None for all.

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
    """Mask what has grown older than the setting allows, at most once a day; None where there was nothing to look for.

    For the daemon to call once a cycle: it costs one look at one row unless a day has passed.
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
    """How many requests and other rows `mask` would change. Reads only."""
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
    """Mask the next requests after this row, with their decisions and answers, and return their rows."""
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
    notes = intent_table.update().where(intent.request_id.in_(numbers), intent.note.is_not(None))
    connection.execute(notes.values(note=MASKED))
    # What Portfolio Manager said of a refused answer is its own free text.
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
            "reason_text": MASKED if row.reason in _QUOTING else row.reason_text,
        }
        for row in connection.execute(made)
    ]
    if rows:
        connection.execute(decision_table.update().where(table.id == bindparam("row")), rows)


def _names_nobody(field: str) -> bool:
    """Whether what a field holds is no free text: a number, a date, one of a list, true or false."""
    return field in FIELDS and FIELDS[field].type is not FieldType.TEXT


_OTHERS: tuple[tuple[Table, dict[str, object], str], ...] = (
    (notification_table, {"description": MASKED, "username": MASKED, "created_by": MASKED}, "first_seen"),
    (unreadable_table, {"why": MASKED, "source": b""}, "last_seen"),
    (removal_table, {"note": MASKED}, "intended_at"),
)
"""Table → what stands in its rows afterwards, and the time by which they are old."""


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
    """Remember until when it was done."""
    table = provider_table.c
    later = or_(table.masked_at.is_(None), table.masked_at < before)
    connection.execute(provider_table.update().where(table.id.in_(providers), later).values(masked_at=before))
