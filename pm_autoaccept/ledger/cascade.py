"""Cascade: records which requests Portfolio Manager rejects together with one of our rejects, and their outcome."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from pm_autoaccept.ledger.db.queries import insert
from pm_autoaccept.ledger.db.tables import cascaded_reject as cascade_table
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.outcome_groups import MAY_HAVE_TAKEN_EFFECT
from pm_autoaccept.ledger.request_rows import RequestRow
from pm_autoaccept.model import Outcome


def note_cascade(connection: Connection, request: int, intent: int) -> None:
    """Record that a reject will or may also reject this request. `undo_cascade` reverts it."""
    noted = insert(connection, cascade_table).values(intent_id=intent, request_id=request).on_conflict_do_nothing()
    connection.execute(noted)
    connection.execute(request_table.update().where(request_table.c.id == request).values(cascade_intent_id=intent))


def undo_cascade(connection: Connection, intent: int) -> None:
    """Record that a reject rejected no other request. An earlier reject that may have taken effect is the cause."""
    earlier = (
        select(func.max(cascade_table.c.intent_id))
        .join(intent_table, intent_table.c.id == cascade_table.c.intent_id)
        .where(
            cascade_table.c.request_id == request_table.c.id,
            cascade_table.c.intent_id != intent,
            intent_table.c.outcome.in_(MAY_HAVE_TAKEN_EFFECT),
        )
        .correlate(request_table)
        .scalar_subquery()
    )
    spared = request_table.update().where(request_table.c.cascade_intent_id == intent)
    connection.execute(spared.values(cascade_intent_id=earlier))


def cascade_outcome(connection: Connection, row: RequestRow) -> tuple[Outcome, str] | None:
    """The outcome of a request that ended without its own answer after a reject of its parent; None without one.

    It is `fallen` if that reject is done and the request was not seen pending after it. Otherwise nobody knows: it is
    not confirmed that rejecting a property rejects its meters (docs/protocol.md#property-reject), and lists lag.
    """
    if row.cascade_intent_id is None:
        return None
    if explained_by_cascade(connection, row):
        return Outcome.FALLEN, "it was rejected together with its parent request"
    return (
        Outcome.GONE,
        "it is no longer pending, by our reject of its parent request or by somebody else",
    )


def explained_by_cascade(connection: Connection, row: RequestRow) -> bool:
    """Whether a completed reject already explains the end of a request: a meter falls with its property first."""
    if row.cascade_intent_id is None:
        return False
    cause = connection.execute(select(intent_table).where(intent_table.c.id == row.cascade_intent_id)).one()
    return bool(cause.outcome == Outcome.DONE and row.last_seen <= cause.outcome_at)
