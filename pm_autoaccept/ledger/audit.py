"""Audit queries: who was accepted and when, with the rule, the policy, the data and the note."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Label,
    Result,
    Select,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    null,
    or_,
    select,
)

from pm_autoaccept.ledger.db.id_lists import is_one_of
from pm_autoaccept.ledger.db.queries import ROWS_PER_FETCH, of_any_account
from pm_autoaccept.ledger.db.tables import decision as decision_table
from pm_autoaccept.ledger.db.tables import human_answer as answer_table
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

_COLUMNS = {
    "account": provider_table.c.name,
    "request": request_table.c.id,
    "id": request_table.c.pm_id,
    "time": request_table.c.occurrence,
    **{
        name: request_table.c[name]
        for name in (
            *("kind", "account_id", "username", "sender_id", "sender_username", "property_id", "access_level"),
            *("custom", "requested_at", "first_seen", "last_seen"),
        )
    },
    **{
        name: decision_table.c[name]
        for name in (
            *("decided_at", "mode", "verdict", "rule", "reason", "reason_text", "kept_back", "kept_back_text"),
            *("evidence", "unknown", "note", "policy_digest", "sources", "tell", "shadows"),
        )
    },
    "answered_by": answer_table.c.people,
    "answer": intent_table.c.action,
    "answered_at": intent_table.c.intended_at,
    "attempts": intent_table.c.attempts,
}
"""Attribute of a `DecisionRow` → the column with its value, or the value from which it is made."""

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
        return list(_decision_rows(connection.execute(query)))
    # The latest occurrence of each request.
    numbers = [max(row.id for row in rows) for rows in rows_by_key(connection, provider, keys).values()]
    return list(_decision_rows(connection.execute(query.where(is_one_of(request_table.c.id, numbers)))))


def find_decisions(connection: Connection, wanted: DecisionFilter) -> Iterator[DecisionRow]:
    """The decisions that match the filter, oldest first. Only a few hundred rows are in memory at a time."""
    query = _narrowed(_decisions(every=wanted.every), wanted)
    return _decision_rows(connection.execute(query.execution_options(yield_per=ROWS_PER_FETCH)))


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
    # Most decisions have no shadows, and others repeat the same ones.
    text = cast(decision_table.c.shadows, Text)
    tried = connection.execute(select(text).where(text != "[]").distinct())
    return {*decided.scalars(), *(each[0] for shadows in tried.scalars() for each in json.loads(shadows) or ())}


def account_names(connection: Connection) -> list[str]:
    """The names of the provider accounts in this ledger."""
    return list(connection.execute(select(provider_table.c.name).order_by(provider_table.c.name)).scalars())


def _decisions(*, every: bool) -> Select[Any]:
    cause_intent, cause_request = intent_table.alias("cause_intent"), request_table.alias("cause_request")
    # Of every decision, what came of its own answer, if it sent one; of a request's one decision, its end.
    end = intent_table.c if every else request_table.c
    query = (
        select(
            *(column.label(name) for name, column in _COLUMNS.items()),
            *(end.outcome, end.outcome_at, end.outcome_text, _not_sent()),
            *(intent_table.c.note.label("sent_note"), null().label("elsewhere") if every else _elsewhere()),
            *(cause_request.c.kind.label("cause_kind"), cause_request.c.pm_id.label("cause_id")),
        )
        .select_from(decision_table)
        .join(request_table, request_table.c.id == decision_table.c.request_id)
        .join(provider_table, provider_table.c.id == request_table.c.provider_id)
        .outerjoin(intent_table, intent_table.c.id == _answer())
        .outerjoin(answer_table, answer_table.c.id == intent_table.c.human_answer_id)
        .outerjoin(cause_intent, cause_intent.c.id == request_table.c.cascade_intent_id)
        .outerjoin(cause_request, cause_request.c.id == cause_intent.c.request_id)
        .order_by(decision_table.c.id)
    )
    return query if every else query.where(decision_table.c.id == shown_decision())


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
    if wanted.id is not None:
        kinds = request.kind.in_(Kind if wanted.kind is None else (wanted.kind,))
        found = select(request.id).where(of_any_account(request.provider_id), kinds, request.pm_id == wanted.id)
        query = query.where(decision.request_id.in_(found))
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


def shown_decision() -> ColumnElement[int]:
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


def _elsewhere() -> Label[str | None]:
    """For a request that was settled elsewhere, what reads show about it."""
    found = case(
        (_shown_since(), Elsewhere.ACCEPTED.value),
        (_looked_since(), Elsewhere.NOT_ACCEPTED.value),
        else_=Elsewhere.NOT_KNOWN.value,
    )
    return case((request_table.c.outcome == Outcome.SETTLED_ELSEWHERE, found)).label("elsewhere")


def _decision_rows(found: Result[Any]) -> Iterator[DecisionRow]:
    names = tuple(found.keys())
    for row in found:
        yield _decision_row(dict(zip(names, row, strict=True)))


def _decision_row(values: dict[str, Any]) -> DecisionRow:
    """One row from the values of the query's columns."""
    outcome, elsewhere, kept_back = values["outcome"], values["elsewhere"], values["kept_back"]
    cause_kind, cause_id, sent_note = values.pop("cause_kind"), values.pop("cause_id"), values.pop("sent_note")
    if values["answer"]:
        values["note"] = sent_note
    values |= {
        "kind": Kind(values["kind"]),
        "custom": [(name, value) for name, value in values["custom"]],
        "mode": Mode(values["mode"]),
        "verdict": Verdict(values["verdict"]),
        "reason": ReasonKind(values["reason"]),
        "kept_back": ReasonKind(kept_back) if kept_back else None,
        "evidence": [
            Evidence(field, expected, found, Truth(truth)) for field, expected, found, truth in values["evidence"]
        ],
        "sources": [SourceUse(name, rows, digest) for name, rows, digest in values["sources"]],
        "shadows": [
            Shadow(rule, Verdict(verdict), tuple(unknown)) for rule, verdict, unknown in values["shadows"] or ()
        ],
        "answered_by": tuple(name for name, _ in values["answered_by"] or ()),
        "attempts": values["attempts"] or 0,
        "outcome": Outcome(outcome) if outcome else None,
        "outcome_text": values["outcome_text"] or "",
        "cause": RequestKey(Kind(cause_kind), cause_id) if outcome == Outcome.FALLEN and cause_kind else None,
        "elsewhere": Elsewhere(elsewhere) if elsewhere else None,
    }
    return DecisionRow(**values)
