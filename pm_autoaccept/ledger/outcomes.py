"""Records the outcome of each intent (done, refused, unknown) after its POST; withdraws unsent intents."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, Row, bindparam, func, select

from pm_autoaccept.ledger.cascade import cascade_outcome, undo_cascade
from pm_autoaccept.ledger.db.bulk_statements import BulkStatement
from pm_autoaccept.ledger.db.id_lists import is_one_of
from pm_autoaccept.ledger.db.queries import by_number, numbered
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.human_answers import end_sent, mark_waiting_again
from pm_autoaccept.ledger.intents import RecordedIntent
from pm_autoaccept.ledger.notices import add_outcomes, add_voided_answers
from pm_autoaccept.ledger.request_rows import MAX_RETRY_WAIT, answers_to
from pm_autoaccept.model import Change, HumanAnswerState, NoticeTarget, Outcome, Receipt


class IntentOutcome(NamedTuple):
    """The receipt for an intent, when it arrived, for which attempt if there were several, and whom to tell."""

    intent: int
    receipt: Receipt
    at: datetime
    attempt: int | None = None
    targets: Collection[NoticeTarget] = ()


def record_outcomes(connection: Connection, conclusions: Sequence[IntentOutcome]) -> list[None]:
    """Record the outcomes of intents. Each intent appears once."""
    sent = by_number(connection, _SENT, [each.intent for each in conclusions])
    elsewhere = [each.intent for each in conclusions if each.receipt.outcome is Outcome.SETTLED_ELSEWHERE]
    rows = by_number(connection, _REQUESTS, [sent[intent].request_id for intent in elsewhere])
    ended, not_done = [], []
    of_people = {}
    for intent, receipt, at, attempt, targets in conclusions:
        answer = sent[intent]
        outcome, text = receipt.outcome, receipt.text
        known_better = answer.outcome != Outcome.OPEN or attempt not in (None, answer.attempts)
        if known_better and outcome is not Outcome.DONE:
            continue  # reads or another replica have settled it or sent it again meanwhile; only `done` is news
        retry_not_before = _again_after(connection, answer, receipt, at=at)
        awaits = _awaits(receipt)
        if _in_doubt(answer, outcome):
            outcome = Outcome.OPEN
        if outcome is Outcome.SETTLED_ELSEWHERE:
            outcome, text = cascade_outcome(connection, rows[answer.request_id]) or (outcome, text)
        known = {"ended": outcome, "at": at, "text": text}
        ended.append(
            known
            | {"intent": intent, "request": answer.request_id, "retry_not_before": retry_not_before, "change": awaits}
        )
        if outcome not in (Outcome.DONE, Outcome.OPEN):
            not_done.append(intent)
            if answer.human_answer_id is not None:
                of_people[intent] = answer.human_answer_id, outcome, text, retry_not_before, at, targets
    _INTENT_ENDED.run(connection, ended)
    _REQUEST_ENDED.run(connection, ended)
    for intent in not_done:
        # It was not processed, so no other request was rejected with it.
        undo_cascade(connection, intent)
    for intent, (number, outcome, text, retry_not_before, at, targets) in of_people.items():
        if outcome is Outcome.REFUSED and retry_not_before is not None:
            mark_waiting_again(connection, number, intent)
        else:
            state = HumanAnswerState.REFUSED if outcome is Outcome.REFUSED else HumanAnswerState.VOID
            end_sent(connection, number, intent, state, text, at=at)
            # Portfolio Manager's text may quote the customer, so it stays in the ledger.
            why = "Portfolio Manager refused it" if outcome is Outcome.REFUSED else "it was not processed"
            add_voided_answers(connection, {number: why}, targets, at=at)
    _add_notices(connection, conclusions, ended)
    return [None] * len(conclusions)


def _add_notices(
    connection: Connection, conclusions: Sequence[IntentOutcome], ended: Sequence[Mapping[str, Any]]
) -> None:
    """Tell the targets of each account which requests were accepted or rejected."""
    outcomes: dict[tuple[tuple[NoticeTarget, ...], datetime], dict[int, Outcome]] = {}
    targets = {each.intent: tuple(each.targets) for each in conclusions if each.targets}
    for known in ended:
        if (told := targets.get(known["intent"])) is not None:
            outcomes.setdefault((told, known["at"]), {})[known["request"]] = known["ended"]
    for (those, at), some in outcomes.items():
        add_outcomes(connection, some, those, at=at)


def _in_doubt(answer: Row[Any], outcome: Outcome | None) -> bool:
    """Whether an earlier attempt may have taken effect, or still may, whatever the result of the last one.

    The last result only decides when the answer may be sent again; reads will settle the outcome.
    """
    return bool(answer.attempts > 1) and outcome is not Outcome.DONE


def withdraw_intents(connection: Connection, intents: Sequence[RecordedIntent]) -> list[None]:
    """Withdraw attempts that were not sent, and restore their requests to the previous state.

    Attempts that reads or another replica have settled, or sent again, stay as they are.
    """
    sent = by_number(connection, _SENT, [intent.number for intent in intents])
    requests = request_table.select().where(is_one_of(request_table.c.id, [row.request_id for row in sent.values()]))
    connection.execute(requests.with_for_update())
    taken_back = []
    for intent in intents:
        table = intent_table.c
        own = table.id == intent.number, table.attempts == intent.attempt, table.outcome == Outcome.OPEN
        before = intent.before or {"outcome": Outcome.NOT_SENT}
        if connection.execute(intent_table.update().where(*own).values(**before)).rowcount:
            taken_back.append(intent)
    for intent in taken_back:
        request = sent[intent.number].request_id
        stood = intent.request_before
        if not intent.before:
            if (number := sent[intent.number].human_answer_id) is not None:
                mark_waiting_again(connection, number, intent.number)
            undo_cascade(connection, intent.number)
            answer = connection.execute(answers_to(request).limit(1)).one_or_none()
            stood = {name: getattr(answer, name, None) for name in ("outcome", "outcome_at")}
        connection.execute(request_table.update().where(request_table.c.id == request).values(**stood))
    return [None] * len(intents)


def _awaits(receipt: Receipt) -> Change | None:
    """What must change before the answer may be sent again: the request, unless the receipt says otherwise."""
    if receipt.outcome in (Outcome.DONE, Outcome.OPEN) or receipt.retry_not_before is not None:
        return None
    return receipt.awaits or Change.REQUEST


_SENT = numbered(intent_table, "request_id", "outcome", "attempts", "human_answer_id")
_REQUESTS = numbered(request_table, "cascade_intent_id", "last_seen")
_ENDED: dict[str, BindParameter[Any]] = {
    "outcome": bindparam("ended"),
    "outcome_at": bindparam("at"),
    "outcome_text": bindparam("text"),
}
_INTENT_ENDED = BulkStatement(
    intent_table.update().where(intent_table.c.id == bindparam("intent")).values(**_ENDED, awaits=bindparam("change"))
)
_REQUEST_ENDED = BulkStatement(
    request_table.update()
    .where(request_table.c.id == bindparam("request"))
    .values(**_ENDED, retry_not_before=bindparam("retry_not_before"))
)


def _again_after(connection: Connection, sent: Row[Any], receipt: Receipt, *, at: datetime) -> datetime | None:
    """When the same answer may be retried: each refusal of this request doubles the wait, up to a day.

    If there were several attempts, the first had an unknown outcome and each further one counts as a refusal.
    """
    if receipt.retry_not_before is None:
        return None
    refused = (
        select(func.count())
        .select_from(intent_table)
        .where(
            intent_table.c.request_id == sent.request_id,
            intent_table.c.id != sent.id,
            intent_table.c.outcome == Outcome.REFUSED,
        )
    )
    wait = receipt.retry_not_before - at
    earlier = int(connection.execute(refused).scalar_one()) + max(sent.attempts - 2, 0)
    doubled = wait * int(2 ** min(earlier, 10))
    return at + max(wait, min(doubled, MAX_RETRY_WAIT))
