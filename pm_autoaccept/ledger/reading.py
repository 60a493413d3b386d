"""Answers questions of the ledger: what plan must know, and what an auditor asks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL, Connection, Row, func, select

from pm_autoaccept.ledger.rows import RequestRow, chunks, current, rows_by_key
from pm_autoaccept.ledger.tables import decision as decision_table
from pm_autoaccept.ledger.tables import intent as intent_table
from pm_autoaccept.ledger.tables import request as request_table
from pm_autoaccept.model import (
    Action,
    Evidence,
    History,
    Kind,
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


def history(connection: Connection, snapshot: Snapshot, *, at: datetime) -> History:
    """Say how each pending request stands, and which properties of pending meters we rejected."""
    requests = [request for pending in snapshot.lists for request in pending.requests]
    rows = rows_by_key(connection, (request.key for request in requests))
    standing = {}
    for request in requests:
        known = rows.get(request.key, [])
        row = current(known, request)
        if any(each.outcome == Outcome.OPEN for each in known):
            standing[request.key] = Standing.IN_DOUBT
        elif row is not None:
            standing[request.key] = _standing(connection, row, at=at)
    properties = {request.property_id for request in snapshot.meters.requests if request.property_id is not None}
    return History(standing=standing, rejected_properties=_rejected(connection, sorted(properties)))


def _standing(connection: Connection, row: RequestRow, *, at: datetime) -> Standing:
    """How one request that pends now stands. One that ended and then was absent is the next time: unanswered."""
    if row.outcome is None:
        return Standing.UNANSWERED
    if row.outcome == Outcome.REFUSED:
        may_try_again = row.again_after is not None and row.again_after <= at
        return Standing.UNANSWERED if may_try_again else Standing.REFUSED
    if row.absent_since is not None:
        return Standing.UNANSWERED
    if row.outcome != Outcome.DONE:
        return Standing.SETTLED
    newest = select(intent_table.c.action).where(intent_table.c.request_id == row.id)
    action = connection.execute(newest.order_by(intent_table.c.id.desc()).limit(1)).scalar_one()
    return Standing.ACCEPTED if action == Action.ACCEPT else Standing.REJECTED


def _rejected(connection: Connection, properties: list[int]) -> frozenset[int]:
    """Which of these properties' shares were last answered by a reject of ours."""
    last: dict[int, str] = {}
    for some in chunks(properties):
        query = (
            select(request_table.c.pm_id, intent_table.c.action)
            .join(intent_table, intent_table.c.request_id == request_table.c.id)
            .where(
                request_table.c.kind == Kind.PROPERTY,
                request_table.c.pm_id.in_(some),
                intent_table.c.outcome.in_((*OURS, Outcome.OPEN, Outcome.GONE)),
            )
            .order_by(intent_table.c.id)
        )
        for row in connection.execute(query):
            last[row.pm_id] = row.action
    return frozenset(number for number, action in last.items() if action == Action.REJECT)


def decisions(connection: Connection, *, every: bool) -> Sequence[DecisionRow]:
    """The last decision of each request, or every one, oldest first, with the answer it led to."""
    cause_intent, cause_request = intent_table.alias("cause_intent"), request_table.alias("cause_request")
    newest_intent = (
        select(func.max(intent_table.c.id))
        .where(intent_table.c.request_id == request_table.c.id)
        .correlate(request_table)
        .scalar_subquery()
    )
    query = (
        select(request_table, decision_table, intent_table, cause_request)
        .select_from(decision_table)
        .join(request_table, request_table.c.id == decision_table.c.request_id)
        .outerjoin(intent_table, intent_table.c.id == newest_intent)
        .outerjoin(cause_intent, cause_intent.c.id == request_table.c.falls_with)
        .outerjoin(cause_request, cause_request.c.id == cause_intent.c.request_id)
        .order_by(decision_table.c.id)
        .set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
    )
    if not every:
        newest = select(func.max(decision_table.c.id)).group_by(decision_table.c.request_id)
        query = query.where(decision_table.c.id.in_(newest))
    return [_row(row) for row in connection.execute(query)]


def _row(row: Row[Any]) -> DecisionRow:
    fallen = row.request_outcome == Outcome.FALLEN
    return DecisionRow(
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
        outcome=Outcome(row.request_outcome) if row.request_outcome else None,
        outcome_at=row.request_outcome_at,
        outcome_text=row.request_outcome_text,
        cause=RequestKey(Kind(row.cause_request_kind), row.cause_request_pm_id)
        if fallen and row.cause_request_kind
        else None,
    )
