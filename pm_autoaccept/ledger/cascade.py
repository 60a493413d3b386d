"""What falls along with a reject of ours, and what may be said of it."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from pm_autoaccept.ledger.db.tables import fall as fall_table
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.request_rows import TAKEN, RequestRow, insert
from pm_autoaccept.model import Outcome


def may_fall(connection: Connection, request: int, intent: int) -> None:
    """Note that a reject will, or may, take a request along; what was noted before is put back if it does not."""
    noted = insert(connection, fall_table).values(intent_id=intent, request_id=request).on_conflict_do_nothing()
    connection.execute(noted)
    connection.execute(request_table.update().where(request_table.c.id == request).values(falls_with=intent))


def spare(connection: Connection, intent: int) -> None:
    """Note that nothing fell with a reject: the last reject before it that may have been done is the cause again."""
    earlier = (
        select(func.max(fall_table.c.intent_id))
        .join(intent_table, intent_table.c.id == fall_table.c.intent_id)
        .where(
            fall_table.c.request_id == request_table.c.id,
            fall_table.c.intent_id != intent,
            intent_table.c.outcome.in_(TAKEN),
        )
        .correlate(request_table)
        .scalar_subquery()
    )
    spared = request_table.update().where(request_table.c.falls_with == intent)
    connection.execute(spared.values(falls_with=earlier))


def ended_without_us(connection: Connection, row: RequestRow) -> tuple[Outcome, str] | None:
    """What may be said of a request that ended without an answer of its own, if a reject above it was sent; else None.

    It fell if that reject is done and the request was not seen to pend after it. Otherwise nobody knows: whether a
    property's reject takes its meters is not confirmed (reference §10.7), and lists lag.
    """
    if row.falls_with is None:
        return None
    if fell(connection, row):
        return Outcome.FALLEN, "it was rejected along with the request above it"
    return Outcome.GONE, "it is pending no more, by our reject of the request above it or by another"


def fell(connection: Connection, row: RequestRow) -> bool:
    """Whether a reject explains the fall already: a meter falls with its property before their connection."""
    if row.falls_with is None:
        return False
    cause = connection.execute(select(intent_table).where(intent_table.c.id == row.falls_with)).one()
    return bool(cause.outcome == Outcome.DONE and row.last_seen <= cause.outcome_at)
