"""Loads the history that decide and plan need: answer states, holds, missed requests and limit usage."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select

from pm_autoaccept import __version__
from pm_autoaccept.ledger.absence import missed_once
from pm_autoaccept.ledger.db.id_lists import is_one_of
from pm_autoaccept.ledger.db.tables import OPEN_REQUEST
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.decisions import last_decisions
from pm_autoaccept.ledger.elapsed_time import UnknownWait
from pm_autoaccept.ledger.holds import current_hold
from pm_autoaccept.ledger.human_answers import answers_to_send
from pm_autoaccept.ledger.limit_usage import limit_usage
from pm_autoaccept.ledger.outcome_groups import MAY_HAVE_TAKEN_EFFECT
from pm_autoaccept.ledger.refusals import blocking_refusal, last_answer
from pm_autoaccept.ledger.request_rows import MatchedRow, RequestRow, match_row, rows_by_key
from pm_autoaccept.ledger.unknown_outcomes import may_repeat
from pm_autoaccept.model import (
    Action,
    AnswerState,
    Held,
    History,
    HumanAnswer,
    Kind,
    LastAnswer,
    Limit,
    MissedRequest,
    Outcome,
    RequestKey,
    Snapshot,
)

OVERDUE_AFTER = timedelta(hours=1)
"""How long after its answer a request may still be listed. After that, lag does not explain it and people must look."""

_WEAKEST_FIRST = (
    AnswerState.IN_DOUBT,
    AnswerState.UNANSWERED,
    AnswerState.REPEATABLE,
    AnswerState.REFUSED,
    AnswerState.SETTLED,
    AnswerState.REJECTED,
    AnswerState.ACCEPTED,
)
"""If an id has several elements, the weakest state counts: an answer names only the id and would affect all of them."""


def load_history(
    connection: Connection,
    provider: int,
    snapshot: Snapshot,
    *,
    limits: Collection[Limit] = (),
    unknown_wait: UnknownWait,
) -> History:
    """Load each pending request's answer state, the rejected properties of pending meters, and the limit usage."""
    requests = [request for pending in snapshot.lists for request in pending.requests]
    rows = rows_by_key(connection, provider, (request.key for request in requests))
    begun = {pending.kind: pending.begun for pending in snapshot.lists if pending.whole}
    states: dict[RequestKey, AnswerState] = {}
    sent, held_rows = {}, {}
    overdue, shown, matched = set(), set(), {}
    now = unknown_wait.now
    answers = _last_answers(connection, list(_perhaps_answered(rows.values())))
    for request in requests:
        known, read = rows.get(request.key, []), begun.get(request.kind)
        listed = match_row(known, request)
        row = listed.row
        state, before = _answer_state(listed, known, answers=answers, read=read, unknown_wait=unknown_wait)
        states[request.key] = min(state, states.get(request.key, state), key=_WEAKEST_FIRST.index)
        if before is not None:
            sent[request.key] = before
        if row is not None:
            shown.add(row.id)
            matched[row.id] = request.key
            if row.held_since is not None and not listed.ended:
                held_rows[request.key] = row
            if listed.ended and now.at - row.outcome_at > OVERDUE_AFTER:
                overdue.add(request.key)
    missed = missed_once(connection, provider, snapshot, shown=shown)
    for each, known in _with_rows(connection, provider, missed):
        in_doubt = any(row.outcome == Outcome.OPEN for row in known)
        states.setdefault(each.request.key, AnswerState.IN_DOUBT if in_doubt else AnswerState.UNANSWERED)
    properties = {request.property_id for request in snapshot.meters.requests if request.property_id is not None}
    rejected = _rejected(connection, provider, sorted(properties))
    return History(
        answer_states=states,
        sent=sent,
        rejected_properties=rejected,
        held=_held(connection, held_rows, at=now.at),
        missed=missed,
        overdue=frozenset(overdue),
        limit_usage=limit_usage(connection, provider, limits, now=now),
        human_answers=_human_answers(connection, provider, matched, at=now.at),
    )


def _human_answers(
    connection: Connection, provider: int, matched: Mapping[int, RequestKey], *, at: datetime
) -> dict[RequestKey, HumanAnswer]:
    """The answers by people to these requests that may be sent now, or whose outcome is unknown."""
    answers = answers_to_send(connection, provider, at=at)
    return {matched[request]: answer for request, answer in answers.items() if request in matched}


def _held(
    connection: Connection, held_rows: Mapping[RequestKey, RequestRow], *, at: datetime
) -> dict[RequestKey, Held]:
    """The current hold of each of these requests, not counting time in doubt."""
    last = last_decisions(connection, [row.id for row in held_rows.values()])
    holders = {key: current_hold(row, last.get(row.id), at=at) for key, row in held_rows.items()}
    return {key: holder for key, holder in holders.items() if holder is not None}


def _with_rows(
    connection: Connection, provider: int, missed: Sequence[MissedRequest]
) -> Iterator[tuple[MissedRequest, list[RequestRow]]]:
    """Each request that one read missed, with all rows of its id."""
    rows = rows_by_key(connection, provider, (each.request.key for each in missed))
    return ((each, rows[each.request.key]) for each in missed)


def _perhaps_answered(rows: Iterable[Sequence[RequestRow]]) -> Iterator[int]:
    """The row numbers with an answer that matters: not those of the many ids with one row that nobody answered."""
    for known in rows:
        yield from (row.id for row in known if row.outcome is not None or len(known) > 1)


def _last_answers(connection: Connection, requests: list[int]) -> dict[int, Row[Any]]:
    """Request row number → the last answer to it that was sent or may have been."""
    if not requests:
        return {}
    table = intent_table.c
    # Hardly a request has several, so the last ones are not looked for by SQL.
    sent = select(intent_table).where(is_one_of(table.request_id, requests), table.outcome != Outcome.NOT_SENT)
    return {row.request_id: row for row in connection.execute(sent.order_by(table.id))}


def _answer_state(
    listed: MatchedRow,
    known: Sequence[RequestRow],
    *,
    answers: Mapping[int, Row[Any]],
    read: datetime | None,
    unknown_wait: UnknownWait,
) -> tuple[AnswerState, LastAnswer | None]:
    """The answer state of one pending request, and the last answer if that keeps it back.

    Args:
        listed: its matched row.
        known: all rows of its id.
        answers: row number → its last answer.
        read: when the whole read that shows it began; None if the read was not whole.
        unknown_wait: how long to wait for an answer of unknown outcome.
    """
    row = listed.row
    if any(each.outcome == Outcome.OPEN and each is not row for each in known):
        return AnswerState.IN_DOUBT, None
    if row is not None and row.outcome == Outcome.OPEN:
        last = answers[row.id]
        repeatable = read is not None and may_repeat(row, last, read=read, unknown_wait=unknown_wait)
        return (AnswerState.REPEATABLE if repeatable else AnswerState.IN_DOUBT), last_answer(last, program=__version__)
    if row is not None and listed.ended:
        return _answered(row, answers), None
    refused = blocking_refusal(row, known, answers=answers, program=__version__, now=unknown_wait.now)
    return (AnswerState.UNANSWERED, None) if refused is None else (AnswerState.REFUSED, refused)


def _answered(row: RequestRow, answers: Mapping[int, Row[Any]]) -> AnswerState:
    """The state of an answered request that is still listed."""
    if row.outcome != Outcome.DONE:
        return AnswerState.SETTLED
    return AnswerState.ACCEPTED if answers[row.id].action == Action.ACCEPT else AnswerState.REJECTED


def owners_with_open_answers(connection: Connection, provider: int) -> frozenset[int]:
    """The owners of property shares whose answer has an unknown outcome."""
    query = select(request_table.c.account_id).where(
        request_table.c.provider_id == provider,
        request_table.c.kind == Kind.PROPERTY,
        OPEN_REQUEST,
    )
    return frozenset(owner for owner in connection.execute(query).scalars() if owner is not None)


def count_open_intents(connection: Connection, provider: int) -> int:
    """Count the answers whose outcome is unknown."""
    query = select(func.count()).select_from(request_table).where(request_table.c.provider_id == provider, OPEN_REQUEST)
    return connection.execute(query).scalar_one()


def _rejected(connection: Connection, provider: int, properties: list[int]) -> frozenset[int]:
    """The properties among these whose share we last answered with a reject."""
    if not properties:
        return frozenset()
    query = (
        select(request_table.c.pm_id, intent_table.c.action)
        .join(intent_table, intent_table.c.request_id == request_table.c.id)
        .where(
            request_table.c.provider_id == provider,
            request_table.c.kind == Kind.PROPERTY,
            is_one_of(request_table.c.pm_id, properties),
            intent_table.c.outcome.in_(MAY_HAVE_TAKEN_EFFECT),
        )
        .order_by(intent_table.c.id)
    )
    last = {row.pm_id: row.action for row in connection.execute(query)}
    return frozenset(number for number, action in last.items() if action == Action.REJECT)
