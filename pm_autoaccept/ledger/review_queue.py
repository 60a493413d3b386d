"""The review queue: pending requests as a reviewer sees them, with what each answer would also do. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, CursorResult, Row, bindparam, or_, select

from pm_autoaccept.cascades import PendingTie, PendingTree
from pm_autoaccept.ledger.db.id_lists import is_one_of
from pm_autoaccept.ledger.db.queries import ROWS_PER_FETCH
from pm_autoaccept.ledger.db.tables import MAY_STILL_GO_MISSING
from pm_autoaccept.ledger.db.tables import decision as decision_table
from pm_autoaccept.ledger.db.tables import human_answer as answer_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.held_requests import held_row, pending_requests, waits_for_person
from pm_autoaccept.ledger.inventory import current_items
from pm_autoaccept.ledger.outcome_groups import UNSETTLED
from pm_autoaccept.ledger.request_rows import IS_REPLACED, READS_UNTIL_GONE, has_one_of
from pm_autoaccept.model import Action, AnswerRule, HumanAnswerState, Kind, Mode, Outcome, RequestKey
from pm_autoaccept.record import GivenAnswer, QueueEntry


def review_queue(
    connection: Connection, *, account: str | None = None, keys: Collection[RequestKey] | None = None
) -> Iterator[QueueEntry]:
    """Yield the requests that wait for a person, oldest first.

    Args:
        connection: within a transaction, so that all of it shows the same state.
        account: only for the provider account with this name.
        keys: all pending requests with these keys instead, whether or not they wait for a person. If a customer has
            changed one, only the newest.
    """
    query = pending_requests(*_COLUMNS, account=account)
    query = query.where(*([waits_for_person()] if keys is None else [has_one_of(keys), ~IS_REPLACED]))
    trees: dict[int, PendingTree] = {}
    for rows in connection.execute(query.execution_options(yield_per=ROWS_PER_FETCH)).partitions(ROWS_PER_FETCH):
        yield from _entries(connection, rows, trees)


_COLUMNS = (
    *(request_table.c[name] for name in ("id", "content_digest", "provider_id", "outcome")),
    *(decision_table.c[name] for name in ("answer_by", "answer_people")),
    decision_table.c.id.label("decision_id"),
    decision_table.c.mode.label("decided_in"),
    decision_table.c.note.label("rule_note"),
    provider_table.c.mode.label("account_mode"),
)


def _entries(connection: Connection, rows: Sequence[Row[Any]], trees: dict[int, PendingTree]) -> Iterator[QueueEntry]:
    """The entries of these rows, with the trees of pending requests by account."""
    answers = _answers(connection, [row.id for row in rows])
    for provider in {row.provider_id for row in rows}:
        if provider not in trees:
            trees[provider] = _pending_tree(connection, provider)
    ties = {row.id: _tie(row) for row in rows}
    there = {
        provider: _there(connection, provider, [ties[row.id] for row in rows if row.provider_id == provider])
        for provider in {row.provider_id for row in rows}
    }
    for row in rows:
        tree, tie = trees[row.provider_id], ties[row.id]
        given, unprocessed = answers.get(row.id), None
        if given is not None and given.state is HumanAnswerState.SENT and row.outcome != Outcome.OPEN:
            unprocessed, given = (given.number, None) if row.outcome in (None, Outcome.REFUSED) else (None, given)
        yield QueueEntry(
            row=held_row(row),
            accept_also=tree.consequences(tie, Action.ACCEPT, there=there[row.provider_id]),
            reject_also=tree.consequences(tie, Action.REJECT, there=there[row.provider_id]),
            note=row.rule_note,
            answer=given,
            answer_rule=AnswerRule(by=row.answer_by, people=row.answer_people or 1),
            answered_by_policy=_why_not(row, given),
            mode=Mode(row.account_mode or row.decided_in),
            provider_number=row.provider_id,
            request_number=row.id,
            decision_number=row.decision_id,
            unprocessed_answer=unprocessed,
        )


def _why_not(row: Row[Any], given: GivenAnswer | None) -> str | None:
    """Why nobody may answer this request now, unless people already have; None if somebody may."""
    if given is not None and given.state is HumanAnswerState.SENT:
        return None
    if row.outcome == Outcome.OPEN:
        return "an answer was sent, and its outcome is still unknown"
    if row.outcome is not None and row.outcome not in UNSETTLED:
        return "it was answered already, but is still listed; answer it in Portfolio Manager if it came back"
    return None


def _answers(connection: Connection, requests: list[int]) -> dict[int, GivenAnswer]:
    """Request row number → the last answer by people that has not ended."""
    rows = connection.execute(_LAST_ANSWERS.where(is_one_of(answer_table.c.request_id, requests)))
    return {
        row.request_id: GivenAnswer(
            number=row.id,
            action=Action(row.action),
            note=row.note,
            people=tuple((name, datetime.fromisoformat(when)) for name, when in row.people),
            people_needed=row.people_needed,
            due_at=row.due_at,
            state=HumanAnswerState(row.state),
        )
        for row in rows
    }


_LAST_ANSWERS = (
    select(answer_table)
    .where(
        answer_table.c.state.in_((HumanAnswerState.WAITING, HumanAnswerState.SENT, HumanAnswerState.OBSERVED)),
    )
    .order_by(answer_table.c.id)
)


def _pending_tree(connection: Connection, provider: int) -> PendingTree:
    """All pending requests of an account."""
    rows: CursorResult[Any] = connection.execute(_PENDING, {"provider": provider})
    return PendingTree.of(map(_tie, rows))


def _tie(row: Row[Any]) -> PendingTie:
    return PendingTie(RequestKey(Kind(row.kind), row.pm_id), row.content_digest, row.account_id, row.property_id)


_TABLE = request_table.c
_PENDING = select(_TABLE.kind, _TABLE.pm_id, _TABLE.content_digest, _TABLE.account_id, _TABLE.property_id).where(
    *(_TABLE.provider_id == bindparam("provider"), _TABLE.kind.in_(Kind), MAY_STILL_GO_MISSING),
    _TABLE.absent_reads < READS_UNTIL_GONE,
    or_(_TABLE.outcome.is_(None), _TABLE.outcome.in_(UNSETTLED)),
)


def _there(connection: Connection, provider: int, ties: Iterable[PendingTie]) -> dict[RequestKey, bool]:
    """Whether the connections and properties above these requests are there already, as far as reads have shown."""
    parents = {key for tie in ties for key in tie.parents}
    found: dict[RequestKey, bool] = {}
    for kind in (Kind.CONNECTION, Kind.PROPERTY):
        ids = [key.id for key in parents if key.kind is kind]
        current = current_items(connection, provider, kind, ids)
        found |= {RequestKey(kind, number): number in current for number in ids}
    return found
