"""Answers questions of the ledger: what plan must know, and what an auditor asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL, ColumnElement, Connection, func, select

from pm_autoaccept import __version__
from pm_autoaccept.ledger.answering import may_repeat
from pm_autoaccept.ledger.counting import tallies
from pm_autoaccept.ledger.deciding import last_decisions
from pm_autoaccept.ledger.holding import held
from pm_autoaccept.ledger.rows import (
    COLUMNS,
    UNSETTLED,
    RequestRow,
    chunks,
    current,
    is_over,
    last_intent,
    rows_by_key,
)
from pm_autoaccept.ledger.tables import decision as decision_table
from pm_autoaccept.ledger.tables import intent as intent_table
from pm_autoaccept.ledger.tables import provider as provider_table
from pm_autoaccept.ledger.tables import request as request_table
from pm_autoaccept.model import (
    Action,
    Evidence,
    Held,
    History,
    Kind,
    Limit,
    Mode,
    Outcome,
    ReasonKind,
    RequestKey,
    Snapshot,
    SourceUse,
    Standing,
    Truth,
    Verdict,
)
from pm_autoaccept.record import DecisionRow

OURS = (Outcome.DONE, Outcome.DONE_INFERRED)
"""Outcomes in which Portfolio Manager took our answer."""


def history(
    connection: Connection,
    provider: int,
    snapshot: Snapshot,
    *,
    limits: Collection[Limit] = (),
    at: datetime,
    unknown_wait: timedelta,
) -> History:
    """Say how each pending request stands, which properties of pending meters we rejected, what counts for limits."""
    requests = [request for pending in snapshot.lists for request in pending.requests]
    rows = rows_by_key(connection, provider, (request.key for request in requests))
    begun = {pending.kind: pending.begun for pending in snapshot.lists if pending.whole}
    standing, sent, waiting = {}, {}, {}
    for request in requests:
        known = rows.get(request.key, [])
        row = current(known, request)
        if any(each.outcome == Outcome.OPEN and each is not row for each in known):
            standing[request.key] = Standing.IN_DOUBT
        elif row is not None:
            last = last_intent(connection, row.id) if row.outcome in UNSETTLED else None
            read = begun.get(request.kind)
            if last is not None and row.outcome == Outcome.OPEN:
                repeatable = read is not None and may_repeat(row, last, read=read, unknown_wait=unknown_wait)
                standing[request.key] = Standing.REPEATABLE if repeatable else Standing.IN_DOUBT
            else:
                standing[request.key] = _standing(connection, row, at=at)
            if last is not None and standing[request.key] in (Standing.REFUSED, Standing.REPEATABLE):
                sent[request.key] = (Action(last.action), last.note)
        if row is not None and row.held_since is not None and not is_over(row):
            waiting[request.key] = row
    properties = {request.property_id for request in snapshot.meters.requests if request.property_id is not None}
    rejected = _rejected(connection, provider, sorted(properties))
    return History(
        standing=standing,
        sent=sent,
        rejected_properties=rejected,
        held=_held(connection, waiting, at=at),
        tallies=tallies(connection, provider, limits, at=at),
    )


def _held(connection: Connection, waiting: Mapping[RequestKey, RequestRow], *, at: datetime) -> dict[RequestKey, Held]:
    """Who holds these requests since when, time in doubt left out."""
    last = last_decisions(connection, [row.id for row in waiting.values()])
    holders = {key: held(row, last.get(row.id), at=at) for key, row in waiting.items()}
    return {key: holder for key, holder in holders.items() if holder is not None}


def _standing(connection: Connection, row: RequestRow, *, at: datetime) -> Standing:
    """How one request that pends now stands, whose answer is not of unknown fate.

    One that ended and then was absent is the next time: unanswered.
    """
    if row.outcome is None or is_over(row):
        return Standing.UNANSWERED
    if row.outcome == Outcome.REFUSED:
        due = row.again_after is not None and row.again_after <= at
        newer = last_intent(connection, row.id).program != __version__
        return Standing.UNANSWERED if due or newer else Standing.REFUSED
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


def decisions(
    connection: Connection, provider: int | None, *, every: bool, keys: Collection[RequestKey] | None = None
) -> Sequence[DecisionRow]:
    """The decision behind each request's answer, or else its last one; or every one. Oldest first.

    Args:
        connection: within a transaction.
        provider: only of this provider account; None for all of them.
        every: all decisions that were ever made.
        keys: only of these requests of that account, of each the latest time that it was asked; None for all.
    """
    cause_intent, cause_request = intent_table.alias("cause_intent"), request_table.alias("cause_request")
    sent = select(func.max(intent_table.c.id)).where(intent_table.c.decision_id == decision_table.c.id)
    query = (
        select(
            *COLUMNS, decision_table, intent_table, cause_request.c.kind, cause_request.c.pm_id, provider_table.c.name
        )
        .select_from(decision_table)
        .join(request_table, request_table.c.id == decision_table.c.request_id)
        .join(provider_table, provider_table.c.id == request_table.c.provider_id)
        .outerjoin(intent_table, intent_table.c.id == sent.correlate(decision_table).scalar_subquery())
        .outerjoin(cause_intent, cause_intent.c.id == request_table.c.falls_with)
        .outerjoin(cause_request, cause_request.c.id == cause_intent.c.request_id)
        .order_by(decision_table.c.id)
        .set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
    )
    if not every:
        query = query.where(decision_table.c.id == _shown())
    if provider is not None:
        query = query.where(request_table.c.provider_id == provider)
    if keys is None or provider is None:
        return [_row(row) for row in connection.execute(query)]
    # Of the times that the same was asked, the latest.
    numbers = [max(row.id for row in rows) for rows in rows_by_key(connection, provider, keys).values()]
    found = [connection.execute(query.where(request_table.c.id.in_(some))) for some in chunks(numbers)]
    return [_row(row) for rows in found for row in rows]


def _shown() -> ColumnElement[int]:
    """The decision that led to the answer that ended a request; its last one where none did."""
    mine = decision_table.alias("mine")
    last = select(func.max(mine.c.id)).where(mine.c.request_id == request_table.c.id)
    answer = (
        select(intent_table.c.decision_id)
        .where(intent_table.c.request_id == request_table.c.id, intent_table.c.outcome != Outcome.REFUSED)
        .order_by(intent_table.c.id.desc())
        .limit(1)
    )
    return func.coalesce(
        answer.correlate(request_table).scalar_subquery(), last.correlate(request_table).scalar_subquery()
    )


def _row(row: Any) -> DecisionRow:  # noqa: ANN401 — a row of the joined tables
    fallen = row.request_outcome == Outcome.FALLEN
    return DecisionRow(
        account=row.provider_name,
        request=row.request_id,
        kind=Kind(row.request_kind),
        id=row.request_pm_id,
        time=row.request_time,
        account_id=row.request_account_id,
        username=row.request_username,
        sender_id=row.request_sender_id,
        sender_username=row.request_sender_username,
        property_id=row.request_property_id,
        access_level=row.request_access_level,
        custom=[(name, value) for name, value in row.request_custom],
        requested_at=row.request_requested_at,
        first_seen=row.request_first_seen,
        last_seen=row.request_last_seen,
        decided_at=row.decision_decided_at,
        mode=Mode(row.decision_mode),
        verdict=Verdict(row.decision_verdict),
        rule=row.decision_rule,
        reason=ReasonKind(row.decision_reason),
        reason_text=row.decision_reason_text,
        kept_back=ReasonKind(row.decision_kept_back) if row.decision_kept_back else None,
        kept_back_text=row.decision_kept_back_text,
        evidence=[
            Evidence(field, expected, found, Truth(truth)) for field, expected, found, truth in row.decision_evidence
        ],
        unknown=list(row.decision_unknown),
        policy_digest=row.decision_policy_digest,
        sources=[SourceUse(name, rows, digest) for name, rows, digest in row.decision_sources],
        answer=row.intent_action,
        note=row.intent_note if row.intent_action else row.decision_note,
        answered_at=row.intent_intended_at,
        attempts=row.intent_attempts or 0,
        outcome=Outcome(row.request_outcome) if row.request_outcome else None,
        outcome_at=row.request_outcome_at,
        outcome_text=row.request_outcome_text,
        cause=RequestKey(Kind(row.cause_request_kind), row.cause_request_pm_id)
        if fallen and row.cause_request_kind
        else None,
    )
