"""Loads the custom fields of accepted requests, so that policies with `taken` can find duplicate claims."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select

from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.outcome_groups import NO_EFFECT, TOOK_EFFECT
from pm_autoaccept.ledger.private_values import DIGEST_PREFIX
from pm_autoaccept.model import Action, Claim, CustomField, Kind, Outcome, RequestKey
from pm_autoaccept.policy.evaluation.custom_answers import name_key

_DOUBTS = {
    Outcome.OPEN: "it is not known yet whether it was accepted",
    Outcome.GONE: "nobody knows whether it was accepted",
    Outcome.SETTLED_ELSEWHERE: "it was answered elsewhere, and nobody knows how",
}
"""Outcomes after which a request may have been accepted, and what is uncertain about each."""


def accepted_claims(connection: Connection, provider: int) -> tuple[Claim, ...]:
    """Load every request with custom fields that was accepted, or may have been, even if it has ended since.

    A request that we did not answer may have been accepted by people in Portfolio Manager's own pages.
    """
    request, intent = request_table.c, intent_table.c
    by_us = and_(intent.action == Action.ACCEPT, intent.outcome.in_((*TOOK_EFFECT, *_DOUBTS)))
    by_others = and_(intent.id.is_(None), request.outcome == Outcome.SETTLED_ELSEWHERE)
    query = (
        select(request.kind, request.pm_id, request.account_id, request.username, request.custom, request.masked_at)
        .add_columns(func.coalesce(intent.outcome, request.outcome).label("outcome"))
        .outerjoin(intent_table, and_(intent.request_id == request.id, intent.outcome.not_in(NO_EFFECT)))
        .where(request.provider_id == provider, or_(by_us, by_others))
        .order_by(request.id)
    )
    return tuple(_claim(row) for row in connection.execute(query) if row.custom)


def known_answers(row: Row[Any]) -> tuple[tuple[CustomField, ...], frozenset[str]]:
    """The known custom fields of a row's request, and the names of those whose values are no longer known."""
    masked = row.masked_at is not None
    gone = {name for name, value in row.custom if masked or value.startswith(DIGEST_PREFIX)}
    known = tuple(CustomField(name, value) for name, value in row.custom if name not in gone)
    return known, frozenset(map(name_key, gone))


def _claim(row: Row[Any]) -> Claim:
    custom, unread = known_answers(row)
    return Claim(
        key=RequestKey(Kind(row.kind), row.pm_id),
        owner=row.account_id,
        username=row.username,
        custom=custom,
        unread=unread,
        doubt=_DOUBTS.get(Outcome(row.outcome)),
    )
