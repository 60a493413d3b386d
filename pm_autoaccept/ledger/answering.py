"""Keeps intents, durable before a POST leaves, and what came of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from pm_autoaccept.errors import LedgerUnavailable
from pm_autoaccept.ledger.deciding import last_decisions
from pm_autoaccept.ledger.rows import RequestRow, current, rows_by_key
from pm_autoaccept.ledger.tables import intent as intent_table
from pm_autoaccept.ledger.tables import request as request_table
from pm_autoaccept.model import Outcome, Receipt, Step


def intend(connection: Connection, step: Step, *, at: datetime) -> int:
    """Record that this answer is about to be sent.

    Raises:
        LedgerUnavailable: the ledger knows of an answer to this request already, by another process for instance.
    """
    rows = rows_by_key(connection, [step.key])[step.key]
    row = current(rows, step.decision.request)
    decided = last_decisions(connection, [row.id]).get(row.id) if row is not None else None
    if row is None or decided is None:
        raise LedgerUnavailable(f"{step.key} was to be answered before it was recorded and decided; nothing was sent")
    if row.outcome not in (None, Outcome.REFUSED) or any(each.outcome == Outcome.OPEN for each in rows):
        raise LedgerUnavailable(
            f"{step.key} was answered already, by another process with this ledger; nothing was sent"
        )
    result = connection.execute(
        intent_table.insert().values(
            request_id=row.id,
            decision_id=decided.id,
            action=step.action,
            note=step.decision.note,
            policy_digest=step.decision.policy_digest,
            intended_at=at,
            outcome=Outcome.OPEN,
        )
    )
    connection.execute(
        request_table.update().where(request_table.c.id == row.id).values(outcome=Outcome.OPEN, outcome_at=at)
    )
    return int(result.lastrowid)


def conclude(connection: Connection, intent: int, receipt: Receipt, *, at: datetime) -> None:
    """Record what came of an intent, and what may have fallen with it."""
    outcome, text = receipt.outcome, receipt.text
    sent = connection.execute(select(intent_table).where(intent_table.c.id == intent)).one()
    row = connection.execute(select(request_table).where(request_table.c.id == sent.request_id)).one()
    if outcome is Outcome.SETTLED_ELSEWHERE:
        outcome, text = ended_without_us(connection, row) or (outcome, text)
    connection.execute(
        intent_table.update()
        .where(intent_table.c.id == intent)
        .values(outcome=outcome, outcome_at=at, outcome_text=text)
    )
    connection.execute(
        request_table.update()
        .where(request_table.c.id == row.id)
        .values(outcome=outcome, outcome_at=at, outcome_text=text, again_after=receipt.again_after)
    )
    if outcome not in (Outcome.DONE, Outcome.OPEN):
        return  # it was not processed, so that nothing fell with it
    for rows in rows_by_key(connection, receipt.step.falls).values():
        row = rows[-1]
        if row.outcome in (None, Outcome.REFUSED) and not _fell(connection, row):
            falls_with = request_table.update().where(request_table.c.id == row.id).values(falls_with=intent)
            connection.execute(falls_with)


def ended_without_us(connection: Connection, row: RequestRow) -> tuple[Outcome, str] | None:
    """What may be said of a request that ended without an answer of its own, if a reject above it was sent; else None.

    It fell if that reject is done and the request was not seen to pend after it. Otherwise nobody knows: whether a
    property's reject takes its meters is not confirmed (reference §10.7), and lists lag.
    """
    if row.falls_with is None:
        return None
    if _fell(connection, row):
        return Outcome.FALLEN, "it was rejected along with the request above it"
    return Outcome.GONE, "it is pending no more, by our reject of the request above it or by another"


def _fell(connection: Connection, row: RequestRow) -> bool:
    """Whether a reject explains the fall already: a meter falls with its property before their connection."""
    if row.falls_with is None:
        return False
    cause = connection.execute(select(intent_table).where(intent_table.c.id == row.falls_with)).one()
    return bool(cause.outcome == Outcome.DONE and row.last_seen <= cause.outcome_at)
