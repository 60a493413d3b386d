"""What falls along with a reject of ours, and what may be said of it."""

from __future__ import annotations

from sqlalchemy import Connection, select

from pm_autoaccept.ledger.rows import RequestRow
from pm_autoaccept.ledger.tables import intent as intent_table
from pm_autoaccept.model import Outcome


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
