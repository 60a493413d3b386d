"""Queries for held requests that wait for a person; records acknowledgements of undecided connections and shares."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select

from pm_autoaccept.errors import ConfigurationError
from pm_autoaccept.ledger.db.queries import of_any_account
from pm_autoaccept.ledger.db.tables import MAY_STILL_GO_MISSING
from pm_autoaccept.ledger.db.tables import decision as decision_table
from pm_autoaccept.ledger.db.tables import inventory as inventory_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.outcome_groups import UNSETTLED
from pm_autoaccept.ledger.request_rows import READS_UNTIL_GONE
from pm_autoaccept.model import Kind, Origin, ReasonKind, RequestKey, Verdict
from pm_autoaccept.record import HeldRow

KEPT_BACK_FOR_REVIEW = (
    *(ReasonKind.VERDICT_CHANGED, ReasonKind.LISTED_AGAIN, ReasonKind.REFUSED),
    ReasonKind.ANSWER_VOID,
)
"""Reasons for which a decided answer is kept back until a person reviews it."""


def waits_for_person() -> ColumnElement[bool]:
    """A condition for `pending_requests`: the request is held, or its answer is kept back for review."""
    request, decision = request_table.c, decision_table.c
    answered = request.outcome.is_not(None) & request.outcome.not_in(UNSETTLED)
    needs_person = or_(decision.verdict == Verdict.HOLD, decision.kept_back.in_(KEPT_BACK_FOR_REVIEW))
    return and_(needs_person, or_(~answered, decision.kept_back == ReasonKind.LISTED_AGAIN))


def pending_requests(*columns: ColumnElement[Any], account: str | None = None) -> Select[Any]:
    """Build a query for the pending requests, each with its last decision and these further columns, oldest first."""
    request, decision = request_table.c, decision_table.c
    mine = decision_table.alias("mine")
    last = select(func.max(mine.c.id)).where(mine.c.request_id == request.id).correlate(request_table).scalar_subquery()
    since = func.coalesce(request.held_since, decision.decided_at)
    pending = or_(
        request.outcome.is_(None),
        request.outcome.in_(UNSETTLED),
        # It was answered but is still listed.
        request.absent_reads == 0,
    )
    query = (
        select(
            *(request.kind, request.pm_id, request.account_id, request.username, request.property_id),
            *(request.requested_at, request.absent_reads, decision.verdict, decision.rule, decision.tell),
            func.coalesce(decision.kept_back, decision.reason).label("reason"),
            decision.kept_back_text,
            decision.reason_text,
            since.label("since"),
            provider_table.c.name,
            *columns,
        )
        .select_from(request_table)
        .join(decision_table, decision.id == last)
        .join(provider_table, provider_table.c.id == request.provider_id)
        .where(pending, request.absent_reads < READS_UNTIL_GONE)
        # What the conditions above imply, for the index of requests that may still be pending.
        .where(of_any_account(request.provider_id), request.kind.in_(Kind), MAY_STILL_GO_MISSING)
        .order_by(since, request.id)
    )
    return query if account is None else query.where(provider_table.c.name == account)


def held_row(row: Row[Any]) -> HeldRow:
    """One row of `pending_requests`."""
    return HeldRow(
        account=row.name,
        kind=Kind(row.kind),
        id=row.pm_id,
        account_id=row.account_id,
        username=row.username,
        property_id=row.property_id,
        verdict=Verdict(row.verdict),
        rule=row.rule,
        reason=ReasonKind(row.reason),
        reason_text=row.kept_back_text or row.reason_text,
        tell=row.tell,
        since=row.since,
        requested_at=row.requested_at,
        missed=row.absent_reads > 0,
    )


def acknowledge(
    connection: Connection, key: RequestKey, *, account: str | None, why: str, by: str, at: datetime
) -> str:
    """Acknowledge an undecided connection or share, so that it is no longer listed and counted.

    Args:
        connection: within a transaction.
        key: the connection or share.
        account: the provider account's name; None if only one account can be meant.
        why: the reason in one sentence, as given.
        by: the person who acknowledges it.
        at: now.

    Returns:
        The name of the provider account.

    Raises:
        ConfigurationError: there is no such undecided connection or share, or it is already acknowledged.
    """
    item = inventory_table.c
    query = (
        select(item.id, item.origin, item.acknowledged_by, item.acknowledged_at, provider_table.c.name)
        .join(provider_table, provider_table.c.id == item.provider_id)
        .where(of_any_account(item.provider_id), item.kind == key.kind, item.pm_id == key.id, item.ended_at.is_(None))
    )
    if account is not None:
        query = query.where(provider_table.c.name == account)
    rows = [row for row in connection.execute(query) if row.origin == Origin.UNDECIDED]
    if not rows:
        raise ConfigurationError(
            f"nothing to acknowledge: {key} is not an undecided connection or share; see `decisions --undecided`"
        )
    if len(rows) > 1:
        names = ", ".join(sorted(row.name for row in rows))
        raise ConfigurationError(f"{key} is undecided in several accounts ({names}); pass --account NAME")
    (row,) = rows
    if row.acknowledged_at is not None:
        raise ConfigurationError(
            f"{key} was already acknowledged by {row.acknowledged_by} at {row.acknowledged_at:%Y-%m-%d %H:%M} UTC"
        )
    noted = {"acknowledged_at": at, "acknowledged_by": by, "acknowledged_why": why}
    connection.execute(inventory_table.update().where(item.id == row.id).values(**noted))
    return str(row.name)
