"""Answers questions of the ledger: what plan must know, and what an auditor asks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from pm_autoaccept import __version__
from pm_autoaccept.ledger.absence import missed_once
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.decisions import last_decisions
from pm_autoaccept.ledger.elapsed_time import Patience
from pm_autoaccept.ledger.holds import held
from pm_autoaccept.ledger.intents import may_repeat
from pm_autoaccept.ledger.limit_usage import tallies
from pm_autoaccept.ledger.refusals import as_sent, refusal
from pm_autoaccept.ledger.request_rows import TAKEN, Current, RequestRow, chunks, current, last_intent, rows_by_key
from pm_autoaccept.model import (
    Action,
    Held,
    History,
    Kind,
    Limit,
    Missed,
    Outcome,
    RequestKey,
    Sent,
    Snapshot,
    Standing,
)

OVERDUE_AFTER = timedelta(hours=1)
"""How long after its answer a request may be listed before people are told: a list that lags is no explanation then."""

_WEAKEST_FIRST = (
    Standing.IN_DOUBT,
    Standing.UNANSWERED,
    Standing.REPEATABLE,
    Standing.REFUSED,
    Standing.SETTLED,
    Standing.REJECTED,
    Standing.ACCEPTED,
)
"""An id stands as the weakest of the elements under it: an answer names only the id, and would take all of them."""


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
    standing: dict[RequestKey, Standing] = {}
    sent, waiting = {}, {}
    overdue, shown = set(), set()
    now = patience.now
    for request in requests:
        known, read = rows.get(request.key, []), begun.get(request.kind)
        listed = current(known, request)
        row = listed.row
        stands, before = _standing(connection, listed, known, read=read, patience=patience)
        standing[request.key] = min(stands, standing.get(request.key, stands), key=_WEAKEST_FIRST.index)
        if before is not None:
            sent[request.key] = before
        if row is not None:
            shown.add(row.id)
            if row.held_since is not None and not listed.ended:
                waiting[request.key] = row
            if listed.ended and now.at - row.outcome_at > OVERDUE_AFTER:
                overdue.add(request.key)
    missed = missed_once(connection, provider, snapshot, shown=shown)
    for each, known in _with_rows(connection, provider, missed):
        in_doubt = any(row.outcome == Outcome.OPEN for row in known)
        standing.setdefault(each.request.key, Standing.IN_DOUBT if in_doubt else Standing.UNANSWERED)
    properties = {request.property_id for request in snapshot.meters.requests if request.property_id is not None}
    rejected = _rejected(connection, provider, sorted(properties))
    return History(
        standing=standing,
        sent=sent,
        rejected_properties=rejected,
        held=_held(connection, waiting, at=now.at),
        missed=missed,
        overdue=frozenset(overdue),
        tallies=tallies(connection, provider, limits, now=now),
    )


def _held(connection: Connection, waiting: Mapping[RequestKey, RequestRow], *, at: datetime) -> dict[RequestKey, Held]:
    """Who holds these requests since when, time in doubt left out."""
    last = last_decisions(connection, [row.id for row in waiting.values()])
    holders = {key: held(row, last.get(row.id), at=at) for key, row in waiting.items()}
    return {key: holder for key, holder in holders.items() if holder is not None}


def _with_rows(
    connection: Connection, provider: int, missed: Sequence[Missed]
) -> Iterator[tuple[Missed, list[RequestRow]]]:
    """Each request that one read missed, with every row of its id."""
    rows = rows_by_key(connection, provider, (each.request.key for each in missed))
    return ((each, rows[each.request.key]) for each in missed)


def _standing(
    connection: Connection,
    listed: Current,
    known: Sequence[RequestRow],
    *,
    read: datetime | None,
    patience: Patience,
) -> tuple[Standing, Sent | None]:
    """How one request that pends now stands, and what was sent where that keeps it back.

    Args:
        connection: within a transaction.
        listed: its row.
        known: every row of its id.
        read: when the whole read began that shows it, None where the read was not whole.
        patience: how long an answer of unknown fate is given.
    """
    row = listed.row
    if any(each.outcome == Outcome.OPEN and each is not row for each in known):
        return Standing.IN_DOUBT, None
    if row is not None and row.outcome == Outcome.OPEN:
        last = last_intent(connection, row.id)
        repeatable = read is not None and may_repeat(row, last, read=read, patience=patience)
        return (Standing.REPEATABLE if repeatable else Standing.IN_DOUBT), as_sent(last, program=__version__)
    if row is not None and listed.ended:
        return _answered(connection, row), None
    refused = refusal(connection, row, known, program=__version__, now=patience.now)
    return (Standing.UNANSWERED, None) if refused is None else (Standing.REFUSED, refused)


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
                intent_table.c.outcome.in_(TAKEN),
            )
            .order_by(intent_table.c.id)
        )
        for row in connection.execute(query):
            last[row.pm_id] = row.action
    return frozenset(number for number, action in last.items() if action == Action.REJECT)
