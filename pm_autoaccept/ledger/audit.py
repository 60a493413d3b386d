"""Audit queries: who was accepted and when, with the rule, the policy, the data and the note."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import (
    LABEL_STYLE_TABLENAME_PLUS_COL,
    ColumnElement,
    Connection,
    Label,
    Select,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    or_,
    select,
)

from pm_autoaccept.ledger.db.queries import ROWS_PER_FETCH, chunks
from pm_autoaccept.ledger.db.tables import decision as decision_table
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import inventory as inventory_table
from pm_autoaccept.ledger.db.tables import owner as owner_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.outcome_groups import NO_EFFECT, TOOK_EFFECT
from pm_autoaccept.ledger.request_rows import rows_by_key
from pm_autoaccept.model import (
    Action,
    Evidence,
    Kind,
    Mode,
    Outcome,
    ReasonKind,
    RequestKey,
    Shadow,
    SourceUse,
    Truth,
    Verdict,
)
from pm_autoaccept.record import DecisionFilter, DecisionRow, Elsewhere

_COLUMNS = [column for column in request_table.c if column.name != "source"]
"""All columns but the element's bytes, which no query here needs."""

LARGEST_ID = 2**63 - 1


def list_decisions(
    connection: Connection, provider: int | None, *, every: bool, keys: Collection[RequestKey] | None = None
) -> Sequence[DecisionRow]:
    """The decision behind each request's answer, or its last decision if it has none. Oldest first.

    Args:
        connection: within a transaction.
        provider: only for this provider account; None for all.
        every: return all decisions ever made.
        keys: only for these requests of that account, the latest occurrence of each; None for all.
    """
    query = _decisions(every=every)
    if provider is not None:
        query = query.where(request_table.c.provider_id == provider)
    if keys is None or provider is None:
        return [_decision_row(row, every=every) for row in connection.execute(query)]
    # The latest occurrence of each request.
    numbers = [max(row.id for row in rows) for rows in rows_by_key(connection, provider, keys).values()]
    found = [connection.execute(query.where(request_table.c.id.in_(some))) for some in chunks(numbers)]
    return [_decision_row(row, every=every) for rows in found for row in rows]


def find_decisions(connection: Connection, wanted: DecisionFilter) -> Iterator[DecisionRow]:
    """Yield the decisions that match the filter, oldest first. Only a few hundred rows are in memory at a time."""
    query = _narrowed(_decisions(every=wanted.every), wanted)
    for row in connection.execute(query.execution_options(yield_per=ROWS_PER_FETCH)):
        yield _decision_row(row, every=wanted.every)


def custom_field_names(connection: Connection, wanted: DecisionFilter) -> list[str]:
    """The names of all custom fields in the requests of the matching decisions, sorted."""
    query = _narrowed(_decisions(every=wanted.every), wanted).order_by(None)
    rows = connection.execute(
        query.with_only_columns(request_table.c.custom).execution_options(yield_per=ROWS_PER_FETCH)
    )
    return sorted({name for custom in rows.scalars() for name, _ in custom})


def rule_ids(connection: Connection) -> set[str]:
    """The ids of all rules that ever decided, or would have decided with `enforce: false`."""
    decided = connection.execute(select(decision_table.c.rule).where(decision_table.c.rule.is_not(None)).distinct())
    tried = connection.execute(select(decision_table.c.shadows).where(decision_table.c.shadows.is_not(None)))
    return {*decided.scalars(), *(each[0] for shadows in tried.scalars() for each in shadows or ())}


def account_names(connection: Connection) -> list[str]:
    """The names of the provider accounts in this ledger."""
    return list(connection.execute(select(provider_table.c.name).order_by(provider_table.c.name)).scalars())


def _decisions(*, every: bool) -> Select[Any]:
    cause_intent, cause_request = intent_table.alias("cause_intent"), request_table.alias("cause_request")
    cause = cause_request.c.kind, cause_request.c.pm_id
    query = (
        select(*_COLUMNS, decision_table, intent_table, *cause, provider_table.c.name, _not_sent())
        .add_columns(_shown_since().label("shown"), _looked_since().label("looked"))
        .select_from(decision_table)
        .join(request_table, request_table.c.id == decision_table.c.request_id)
        .join(provider_table, provider_table.c.id == request_table.c.provider_id)
        .outerjoin(intent_table, intent_table.c.id == _answer())
        .outerjoin(cause_intent, cause_intent.c.id == request_table.c.cascade_intent_id)
        .outerjoin(cause_request, cause_request.c.id == cause_intent.c.request_id)
        .order_by(decision_table.c.id)
        .set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
    )
    return query if every else query.where(decision_table.c.id == _shown())


def _answer() -> ColumnElement[int]:
    """The number of the last intent of a decision that was sent."""
    sent = select(func.max(intent_table.c.id)).where(
        intent_table.c.decision_id == decision_table.c.id, intent_table.c.outcome != Outcome.NOT_SENT
    )
    return sent.correlate(decision_table).scalar_subquery()


def _not_sent() -> Label[int]:
    """How often an answer of a decision was recorded but never sent."""
    unsent = intent_table.alias("unsent")
    count = select(func.count(unsent.c.id)).where(
        unsent.c.decision_id == decision_table.c.id, unsent.c.outcome == Outcome.NOT_SENT
    )
    return count.correlate(decision_table).scalar_subquery().label("not_sent")


def _narrowed(query: Select[Any], wanted: DecisionFilter) -> Select[Any]:
    request, decision, intent = request_table.c, decision_table.c, intent_table.c
    when = intent.intended_at if wanted.accepted else decision.decided_at
    tests = {
        request.kind: wanted.kind,
        request.pm_id: wanted.id,
        decision.verdict: wanted.verdict,
        provider_table.c.name: wanted.account,
    }
    query = query.where(*(column == value for column, value in tests.items() if value is not None))
    if wanted.rule is not None:
        tried = cast(decision.shadows, Text).contains(f'["{wanted.rule}", ', autoescape=True)
        query = query.where(or_(decision.rule == wanted.rule, tried))
    if wanted.since is not None:
        query = query.where(when >= wanted.since)
    if wanted.until is not None:
        query = query.where(when < wanted.until)
    if wanted.accepted:
        query = query.where(intent.action == Action.ACCEPT, intent.outcome.in_(TOOK_EFFECT))
    if wanted.owner is not None:
        named = request.username == wanted.owner
        digits = wanted.owner.isascii() and wanted.owner.isdigit() and int(wanted.owner) <= LARGEST_ID
        query = query.where(or_(named, request.account_id == int(wanted.owner)) if digits else named)
    return query


def _shown() -> ColumnElement[int]:
    """The number of the decision behind the answer that ended a request, or of its last decision."""
    mine = decision_table.alias("mine")
    last = select(func.max(mine.c.id)).where(mine.c.request_id == request_table.c.id)
    answer = (
        select(intent_table.c.decision_id)
        .where(
            intent_table.c.request_id == request_table.c.id,
            intent_table.c.outcome.not_in(NO_EFFECT),
        )
        .order_by(intent_table.c.id.desc())
        .limit(1)
    )
    return func.coalesce(
        answer.correlate(request_table).scalar_subquery(), last.correlate(request_table).scalar_subquery()
    )


def _shown_since() -> ColumnElement[bool]:
    """Whether a read shows the connection or share of a request, and no other request's answer explains it."""
    item = inventory_table.c
    itself = and_(
        item.provider_id == request_table.c.provider_id,
        item.kind == request_table.c.kind,
        item.pm_id == request_table.c.pm_id,
        or_(item.request_id.is_(None), item.request_id == request_table.c.id),
        item.first_seen >= request_table.c.first_seen,
    )
    return select(item.id).where(itself).correlate(request_table).exists()


def _looked_since() -> ColumnElement[bool]:
    """Whether customers or the owner's shares were read after a request ended, so that its effect would show."""
    ended, mine = request_table.c.outcome_at, owner_table.c.provider_id == request_table.c.provider_id
    shares = select(owner_table.c.read_at).where(mine, owner_table.c.account_id == request_table.c.account_id)
    read = case(
        (request_table.c.kind == Kind.CONNECTION, provider_table.c.watched_at),
        (request_table.c.kind == Kind.PROPERTY, shares.correlate(request_table).scalar_subquery()),
    )
    return func.coalesce(read >= ended, false())


def _elsewhere(row: Any) -> Elsewhere | None:  # noqa: ANN401 — a row of the joined tables
    if row.request_outcome != Outcome.SETTLED_ELSEWHERE:
        return None
    if row.shown:
        return Elsewhere.ACCEPTED
    return Elsewhere.NOT_ACCEPTED if row.looked else Elsewhere.NOT_KNOWN


def _decision_row(row: Any, *, every: bool) -> DecisionRow:  # noqa: ANN401 — a row of the joined tables
    """One row. Of every decision, what came of its own answer, if it sent one; of a request's one decision, its end."""
    of = "intent" if every else "request"
    outcome, outcome_at, outcome_text = (
        getattr(row, f"{of}_{name}") for name in ("outcome", "outcome_at", "outcome_text")
    )
    fallen = outcome == Outcome.FALLEN
    return DecisionRow(
        account=row.provider_name,
        request=row.request_id,
        kind=Kind(row.request_kind),
        id=row.request_pm_id,
        time=row.request_occurrence,
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
        tell=row.decision_tell,
        shadows=[
            Shadow(rule, Verdict(verdict), tuple(unknown)) for rule, verdict, unknown in row.decision_shadows or ()
        ],
        answer=row.intent_action,
        note=row.intent_note if row.intent_action else row.decision_note,
        answered_at=row.intent_intended_at,
        attempts=row.intent_attempts or 0,
        not_sent=row.not_sent,
        outcome=Outcome(outcome) if outcome else None,
        outcome_at=outcome_at,
        outcome_text=outcome_text or "",
        cause=RequestKey(Kind(row.cause_request_kind), row.cause_request_pm_id)
        if fallen and row.cause_request_kind
        else None,
        elsewhere=None if every else _elsewhere(row),
    )
