"""Human answers: which may be sent now, which were taken back, and which are void because something has changed.

Once an answer is recorded (`ledger/new_answers.py`), the policy no longer matters. Only these end it before it is sent:
it is taken back, its request has changed or is gone, more would go along than was shown, or it is too old. The
transaction that records its intent marks it sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, CursorResult, Row, bindparam, func, select

from pm_autoaccept.ledger.db.tables import ANSWER_IN_FORCE, OPEN_REQUEST, WAITING_ANSWER
from pm_autoaccept.ledger.db.tables import human_answer as answer_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.notices import add_voided_answers
from pm_autoaccept.ledger.outcome_groups import UNSETTLED
from pm_autoaccept.ledger.request_rows import IS_REPLACED, has_one_of
from pm_autoaccept.model import (
    Action,
    HumanAnswer,
    HumanAnswerState,
    Kind,
    NoticeTarget,
    RequestKey,
    Reviewer,
    VoidedAnswer,
)


def take_back(
    connection: Connection,
    keys: Sequence[RequestKey],
    *,
    account: str | None,
    by: Reviewer,
    at: datetime,
    targets: Collection[NoticeTarget] = (),
) -> list[tuple[RequestKey, bool, str]]:
    """Take back waiting answers; returns for each key whether that was possible, and one sentence.

    Anybody may take back an answer whose intent was not recorded: its request is then back in the queue.
    """
    found = _in_force(connection, keys, account=account)
    results = []
    taken_back = {}
    for key in keys:
        rows = found.get(key, [])
        if len(rows) > 1:
            results.append((key, False, f"{key} is answered in several accounts; pass --account NAME"))
            continue
        row = rows[0] if rows else None
        waiting = row is not None and _end(
            connection, row.id, HumanAnswerState.TAKEN_BACK, f"taken back by {by.name}", at=at
        )
        if row is None:
            results.append((key, False, f"{key} has no answer that could be taken back"))
        elif waiting:
            taken_back[row.id] = "it was taken back"
            results.append((key, True, f"{key}: the answer of {_names(row.people)} is taken back"))
        else:
            results.append((key, False, f"{key} was already sent; Portfolio Manager cannot undo an answer"))
    # Other systems heard of the answer. The people in the queue did not.
    add_voided_answers(connection, taken_back, targets, at=at, for_people=False)
    return results


def answers_to_send(connection: Connection, provider: int, *, at: datetime) -> dict[int, HumanAnswer]:
    """Request row number → the answer by people that may be sent now, or whose outcome is unknown. Reads only."""
    ours = {"provider": provider, "at": at}
    rows = [*connection.execute(_DUE, ours), *connection.execute(_OF_UNKNOWN_OUTCOME, ours)]
    return {row.request_id: _human_answer(row) for row in rows}


def due_answers(connection: Connection, *, at: datetime) -> dict[str, frozenset[int]]:
    """Account name → the numbers of its answers that may be sent now, for all accounts of the ledger. Reads only."""
    found: dict[str, frozenset[int]] = {}
    for row in connection.execute(_DUE_ANYWHERE, {"at": at}):
        found[row.name] = found.get(row.name, frozenset()) | {row.id}
    return found


def last_due(connection: Connection, account: str, *, until: datetime) -> datetime | None:
    """When the last of an account's answers is due that are due by then; None if there is none. Reads only."""
    last = (
        select(func.max(answer_table.c.due_at))
        .join(provider_table, provider_table.c.id == answer_table.c.provider_id)
        .where(provider_table.c.name == account, WAITING_ANSWER, answer_table.c.due_at <= until)
    )
    due: datetime | None = connection.execute(last).scalar_one()
    return due


def void_stale_answers(
    connection: Connection, provider: int, *, at: datetime, expiry: timedelta
) -> Sequence[VoidedAnswer]:
    """Void the waiting answers whose request has changed, was answered or is gone, and those that are too old."""
    voided = []
    for row in connection.execute(_WAITING, {"provider": provider}).all():
        key = RequestKey(Kind(row.kind), row.pm_id)
        if row.outcome is not None and row.outcome not in UNSETTLED:
            why = f"{key} was answered otherwise or is no longer pending"
        elif row.changed:
            why = f"the customer has changed {key} or sent it again"
        elif at - row.recorded_at > expiry:
            why = f"the answer waited longer than {round(expiry.total_seconds() / 3600)} hours"
        else:
            continue
        voided.append(
            VoidedAnswer(number=row.id, key=key, action=Action(row.action), people=tuple(_people(row.people)), why=why)
        )
    return void_answers(connection, voided, at=at)


def void_answers(connection: Connection, voided: Iterable[VoidedAnswer], *, at: datetime) -> Sequence[VoidedAnswer]:
    """Void these answers; returns those that were still waiting."""
    return [each for each in voided if _end(connection, each.number, HumanAnswerState.VOID, each.why, at=at)]


def mark_sent(connection: Connection, number: int, intent: int) -> bool:
    """Mark an answer as sent by this intent; False if it is not waiting, for example because it was taken back."""
    return bool(connection.execute(_SENT, {"number": number, "intent": intent}).rowcount)


def mark_waiting_again(connection: Connection, number: int, intent: int) -> None:
    """Mark an answer as waiting again, because its intent was not sent or may be retried."""
    connection.execute(_WAITS_AGAIN, {"number": number, "intent": intent})


def end_sent(
    connection: Connection, number: int, intent: int, state: HumanAnswerState, why: str, *, at: datetime
) -> None:
    """End an answer whose intent Portfolio Manager did not process."""
    connection.execute(_ENDED_SENT, {"number": number, "intent": intent, "now": state, "at": at, "why": why})


def _in_force(
    connection: Connection, keys: Sequence[RequestKey], *, account: str | None
) -> dict[RequestKey, list[Row[Any]]]:
    """The waiting or sent answers to the pending requests with these keys."""
    query = (
        select(answer_table.c.id, answer_table.c.people, request_table.c.kind, request_table.c.pm_id)
        .join(request_table, request_table.c.id == answer_table.c.request_id)
        .join(provider_table, provider_table.c.id == answer_table.c.provider_id)
        .where(ANSWER_IN_FORCE)
    )
    if account is not None:
        query = query.where(provider_table.c.name == account)
    found: dict[RequestKey, list[Row[Any]]] = {}
    rows: CursorResult[Any] = connection.execute(query.where(has_one_of(keys)).order_by(answer_table.c.id))
    for row in rows:
        found.setdefault(RequestKey(Kind(row.kind), row.pm_id), []).append(row)
    return found


def _end(connection: Connection, number: int, state: HumanAnswerState, why: str, *, at: datetime) -> bool:
    """End a waiting answer; False if it is not waiting any more."""
    return bool(connection.execute(_ENDED, {"number": number, "now": state, "at": at, "why": why}).rowcount)


def _human_answer(row: Row[Any]) -> HumanAnswer:
    return HumanAnswer(
        number=row.id,
        action=Action(row.action),
        note=row.note,
        people=tuple(_people(row.people)),
        goes_along=frozenset(row.goes_along),
    )


def _people(people: Sequence[Sequence[str]]) -> list[str]:
    return [name for name, _ in people]


def _names(people: Sequence[Sequence[str]]) -> str:
    return " and ".join(_people(people))


# Built once: they run in each cycle, for each answer, or once a second.
_ANSWER = answer_table.c
_OURS = _ANSWER.provider_id == bindparam("provider")
_TO_SEND = select(*(_ANSWER[name] for name in ("id", "request_id", "action", "note", "people", "goes_along")))
_DUE = _TO_SEND.where(_OURS, WAITING_ANSWER, _ANSWER.due_at <= bindparam("at"))
_OF_UNKNOWN_OUTCOME = (
    _TO_SEND.join(request_table, request_table.c.id == _ANSWER.request_id)
    .where(request_table.c.provider_id == bindparam("provider"), request_table.c.kind.in_(Kind), OPEN_REQUEST)
    .where(_ANSWER.state == HumanAnswerState.SENT)
)
_DUE_ANYWHERE = (
    select(provider_table.c.name, _ANSWER.id)
    .join(provider_table, provider_table.c.id == _ANSWER.provider_id)
    .where(WAITING_ANSWER, _ANSWER.due_at <= bindparam("at"))
)
_WAITING = (
    select(
        *(_ANSWER[name] for name in ("id", "action", "people", "recorded_at")),
        *(request_table.c[name] for name in ("kind", "pm_id", "outcome")),
        IS_REPLACED.label("changed"),
    )
    .join(request_table, request_table.c.id == _ANSWER.request_id)
    .where(_OURS, WAITING_ANSWER)
    .order_by(_ANSWER.id)
)
_SENT = (
    answer_table.update()
    .where(_ANSWER.id == bindparam("number"), WAITING_ANSWER)
    .values(state=HumanAnswerState.SENT, intent_id=bindparam("intent"))
)
_SENT_BY = (
    *(_ANSWER.id == bindparam("number"), _ANSWER.intent_id == bindparam("intent")),
    _ANSWER.state == HumanAnswerState.SENT,
)
_WAITS_AGAIN = answer_table.update().where(*_SENT_BY).values(state=HumanAnswerState.WAITING, intent_id=None)
_ENDING: dict[str, BindParameter[Any]] = {
    "state": bindparam("now"),
    "ended_at": bindparam("at"),
    "ended_why": bindparam("why"),
}
_ENDED = answer_table.update().where(_ANSWER.id == bindparam("number"), WAITING_ANSWER).values(_ENDING)
_ENDED_SENT = answer_table.update().where(*_SENT_BY).values(_ENDING)
