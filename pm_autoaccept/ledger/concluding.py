"""Keeps what came of intents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, Row, bindparam, func, select

from pm_autoaccept.ledger.falling import ended_without_us
from pm_autoaccept.ledger.rows import LONGEST_WAIT, by_number, numbered
from pm_autoaccept.ledger.tables import intent as intent_table
from pm_autoaccept.ledger.tables import request as request_table
from pm_autoaccept.model import Outcome, Receipt


class Conclusion(NamedTuple):
    """What came of an intent, and when that was known."""

    intent: int
    receipt: Receipt
    at: datetime


def conclude(connection: Connection, conclusions: Sequence[Conclusion]) -> list[None]:
    """Record what came of intents, each of which is named once."""
    sent = by_number(connection, _SENT, [each.intent for each in conclusions])
    elsewhere = [each.intent for each in conclusions if each.receipt.outcome is Outcome.SETTLED_ELSEWHERE]
    rows = by_number(connection, _REQUESTS, [sent[intent].request_id for intent in elsewhere])
    ended = []
    for intent, receipt, at in conclusions:
        answer = sent[intent]
        outcome, text = receipt.outcome, receipt.text
        if answer.outcome != Outcome.OPEN and outcome is not Outcome.DONE:
            continue  # reads, or another replica, have settled it meanwhile; only that we did it is known better
        again_after = _again_after(connection, answer, receipt, at=at)
        if answer.attempts > 1 and (outcome is Outcome.SETTLED_ELSEWHERE or again_after is not None):
            # An earlier attempt of unknown fate may be what fulfilled it, or may still do so though this one did not
            # arrive: reads will say.
            outcome, again_after = Outcome.OPEN, None
        if outcome is Outcome.SETTLED_ELSEWHERE:
            outcome, text = ended_without_us(connection, rows[answer.request_id]) or (outcome, text)
        known = {"ended": outcome, "at": at, "text": text}
        ended.append(known | {"intent": intent, "request": answer.request_id, "again_after": again_after})
        if outcome not in (Outcome.DONE, Outcome.OPEN):
            # It was not processed, so that nothing fell with it.
            _spare(connection, intent)
    if ended:
        connection.execute(_INTENT_ENDED, ended)
        connection.execute(_REQUEST_ENDED, ended)
    return [None] * len(conclusions)


def withdraw(connection: Connection, intents: Sequence[int]) -> list[None]:
    """Take back intents of which nothing was sent: their requests stand as before.

    Those stay that were sent before, and those that reads or another replica have settled meanwhile, or sent again.
    """
    sent = by_number(connection, _SENT, list(intents))
    requests = request_table.select().where(request_table.c.id.in_(row.request_id for row in sent.values()))
    connection.execute(requests.with_for_update())
    for intent, row in sent.items():
        own = intent_table.c.id == intent, intent_table.c.attempts == 1, intent_table.c.outcome == Outcome.OPEN
        if connection.execute(intent_table.delete().where(*own)).rowcount:
            _spare(connection, intent)
            earlier = _BEFORE.where(intent_table.c.request_id == row.request_id)
            outcome, at = connection.execute(earlier).one_or_none() or (None, None)
            before = request_table.update().where(request_table.c.id == row.request_id)
            connection.execute(before.values(outcome=outcome, outcome_at=at))
    return [None] * len(intents)


def _spare(connection: Connection, intent: int) -> None:
    """Note that nothing fell with an answer."""
    spared = request_table.update().where(request_table.c.falls_with == intent)
    connection.execute(spared.values(falls_with=None))


_BEFORE = select(intent_table.c.outcome, intent_table.c.outcome_at).order_by(intent_table.c.id.desc()).limit(1)
_SENT = numbered(intent_table, "request_id", "outcome", "attempts")
_REQUESTS = numbered(request_table, "falls_with", "last_seen")
_ENDED: dict[str, BindParameter[Any]] = {
    "outcome": bindparam("ended"),
    "outcome_at": bindparam("at"),
    "outcome_text": bindparam("text"),
}
_INTENT_ENDED = intent_table.update().where(intent_table.c.id == bindparam("intent")).values(**_ENDED)
_REQUEST_ENDED = (
    request_table.update()
    .where(request_table.c.id == bindparam("request"))
    .values(**_ENDED, again_after=bindparam("again_after"))
)


def _again_after(connection: Connection, sent: Row[Any], receipt: Receipt, *, at: datetime) -> datetime | None:
    """When the same answer may be tried again: each refusal of this request doubles the wait, to a day."""
    if receipt.again_after is None:
        return None
    refused = (
        select(func.count())
        .select_from(intent_table)
        .where(
            intent_table.c.request_id == sent.request_id,
            intent_table.c.id != sent.id,
            intent_table.c.outcome == Outcome.REFUSED,
        )
    )
    wait = receipt.again_after - at
    earlier = int(connection.execute(refused).scalar_one())
    doubled = wait * int(2 ** min(earlier, 10))
    return at + max(wait, min(doubled, LONGEST_WAIT))
