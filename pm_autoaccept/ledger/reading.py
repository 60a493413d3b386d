"""Answers questions of the ledger: what plan must know, and what an auditor asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, func, select

from pm_autoaccept import __version__
from pm_autoaccept.ledger.answering import may_repeat
from pm_autoaccept.ledger.counting import tallies
from pm_autoaccept.ledger.deciding import last_decisions
from pm_autoaccept.ledger.elapsed import Patience
from pm_autoaccept.ledger.holding import held
from pm_autoaccept.ledger.refusing import as_sent, refusal
from pm_autoaccept.ledger.rows import (
    RequestRow,
    chunks,
    current,
    is_over,
    last_intent,
    rows_by_key,
)
from pm_autoaccept.ledger.tables import intent as intent_table
from pm_autoaccept.ledger.tables import request as request_table
from pm_autoaccept.model import (
    Action,
    Held,
    History,
    Kind,
    Limit,
    Outcome,
    RequestKey,
    Snapshot,
    Standing,
)

OURS = (Outcome.DONE, Outcome.DONE_INFERRED)
"""Outcomes in which Portfolio Manager took our answer."""


def history(
    connection: Connection,
    provider: int,
    snapshot: Snapshot,
    *,
    limits: Collection[Limit] = (),
    patience: Patience,
) -> History:
    """Say how each pending request stands, which properties of pending meters we rejected, what counts for limits."""
    requests = [request for pending in snapshot.lists for request in pending.requests]
    rows = rows_by_key(connection, provider, (request.key for request in requests))
    begun = {pending.kind: pending.begun for pending in snapshot.lists if pending.whole}
    standing, sent, waiting = {}, {}, {}
    now = patience.now
    for request in requests:
        known = rows.get(request.key, [])
        row = current(known, request)
        if any(each.outcome == Outcome.OPEN and each is not row for each in known):
            standing[request.key] = Standing.IN_DOUBT
        elif row is not None and row.outcome == Outcome.OPEN:
            last, read = last_intent(connection, row.id), begun.get(request.kind)
            repeatable = read is not None and may_repeat(row, last, read=read, patience=patience)
            standing[request.key] = Standing.REPEATABLE if repeatable else Standing.IN_DOUBT
            sent[request.key] = as_sent(last, program=__version__)
        elif row is not None and row.outcome not in (None, Outcome.REFUSED) and not is_over(row):
            standing[request.key] = _answered(connection, row)
        elif (refused := refusal(connection, row, known, program=__version__, now=now)) is not None:
            standing[request.key], sent[request.key] = Standing.REFUSED, refused
        else:
            standing[request.key] = Standing.UNANSWERED
        if row is not None and row.held_since is not None and not is_over(row):
            waiting[request.key] = row
    properties = {request.property_id for request in snapshot.meters.requests if request.property_id is not None}
    rejected = _rejected(connection, provider, sorted(properties))
    return History(
        standing=standing,
        sent=sent,
        rejected_properties=rejected,
        held=_held(connection, waiting, at=now.at),
        tallies=tallies(connection, provider, limits, now=now),
    )


def _held(connection: Connection, waiting: Mapping[RequestKey, RequestRow], *, at: datetime) -> dict[RequestKey, Held]:
    """Who holds these requests since when, time in doubt left out."""
    last = last_decisions(connection, [row.id for row in waiting.values()])
    holders = {key: held(row, last.get(row.id), at=at) for key, row in waiting.items()}
    return {key: holder for key, holder in holders.items() if holder is not None}


def _answered(connection: Connection, row: RequestRow) -> Standing:
    """How a request stands that was answered, and whose list lags."""
    if row.outcome != Outcome.DONE:
        return Standing.SETTLED
    return Standing.ACCEPTED if last_intent(connection, row.id).action == Action.ACCEPT else Standing.REJECTED


def owners_in_doubt(connection: Connection, provider: int) -> frozenset[int]:
    """Owners of property shares whose answer is of unknown fate."""
    query = select(request_table.c.account_id).where(
        request_table.c.provider_id == provider,
        request_table.c.kind == Kind.PROPERTY,
        request_table.c.outcome == Outcome.OPEN,
        request_table.c.account_id.is_not(None),
    )
    return frozenset(connection.execute(query).scalars())


def open_intents(connection: Connection, provider: int) -> int:
    """How many answers there are of which it is not known what became of them."""
    query = select(func.count()).where(request_table.c.provider_id == provider, request_table.c.outcome == Outcome.OPEN)
    return connection.execute(query).scalar_one()


def _rejected(connection: Connection, provider: int, properties: list[int]) -> frozenset[int]:
    """Which of these properties' shares were last answered by a reject of ours."""
    last: dict[int, str] = {}
    for some in chunks(properties):
        query = (
            select(request_table.c.pm_id, intent_table.c.action)
            .join(intent_table, intent_table.c.request_id == request_table.c.id)
            .where(
                request_table.c.provider_id == provider,
                request_table.c.kind == Kind.PROPERTY,
                request_table.c.pm_id.in_(some),
                intent_table.c.outcome.in_((*OURS, Outcome.OPEN, Outcome.GONE)),
            )
            .order_by(intent_table.c.id)
        )
        for row in connection.execute(query):
            last[row.pm_id] = row.action
    return frozenset(number for number, action in last.items() if action == Action.REJECT)
