"""Notices: writes what people and other systems are told into the outbox, in the transaction of what has happened.

Each event has one row for each target that gets it. Another process sends them (`ledger/outbox.py`). The rows contain
no personal data of customers: where a target may have it, it is added when the notice is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, Select, and_, func, select

from pm_autoaccept.ledger.db.bulk_statements import BulkStatement
from pm_autoaccept.ledger.db.id_lists import id_list, is_one_of
from pm_autoaccept.ledger.db.queries import insert
from pm_autoaccept.ledger.db.tables import decision as decision_table
from pm_autoaccept.ledger.db.tables import human_answer as answer_table
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import notice as notice_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.outcome_groups import TOOK_EFFECT
from pm_autoaccept.ledger.private_values import QUOTING
from pm_autoaccept.model import (
    Action,
    Finding,
    FindingKind,
    HumanAnswerState,
    Kind,
    Mode,
    NoticeKind,
    NoticeState,
    NoticeTarget,
    Outcome,
    ReasonKind,
    RequestKey,
    TargetKind,
)
from pm_autoaccept.notice_schedule import GATHER_FOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that targets are told.

    Attributes:
        request: the row number of the request that it is about.
        group: the group that the policy notifies (`tell`).
        for_people: whether targets of people get it too; webhooks get everything.
        body: what it says, without personal data.
        personal: more of it for targets that may have personal data: the names of reviewers.
        mode: the account's mode; what happens in observe mode is recorded and not delivered.
    """

    kind: NoticeKind
    account: str
    request: int | None = None
    group: str | None = None
    for_people: bool
    body: Mapping[str, object]
    personal: Mapping[str, object] = field(default_factory=dict)
    mode: Mode | None


def add_events(
    connection: Connection, events: Iterable[Event], targets: Collection[NoticeTarget], *, at: datetime
) -> None:
    """Add these events to the outbox, one row for each target that gets them."""
    rows = []
    for event in events:
        identity = new_event_id()
        rows += [
            notice_values(
                target,
                event.kind,
                event_id=identity,
                account=event.account,
                request=event.request,
                body={**event.body, **(event.personal if target.personal else {})},
                at=at,
                observed=event.mode is not Mode.ENFORCE,
            )
            for target in targets
            if target.gets(event.group) and (event.for_people or target.kind is TargetKind.WEBHOOK)
        ]
    _ADDED.run(connection, rows)


def new_event_id() -> str:
    """A new random id of an event."""
    return f"evt_{uuid4().hex}"


def notice_values(
    target: NoticeTarget,
    kind: NoticeKind,
    *,
    event_id: str,
    account: str,
    body: Mapping[str, object],
    at: datetime,
    request: int | None = None,
    once: str | None = None,
    observed: bool = False,
) -> dict[str, object]:
    """The column values of a new notice for one target."""
    gathered = target.kind is TargetKind.PEOPLE and kind in GATHERED
    return {
        "event_id": event_id,
        "target": target.name,
        "account": account,
        "request_id": request,
        "once": once,
        "kind": kind,
        "body": dict(body),
        "created_at": at,
        "due_at": at + GATHER_FOR if gathered else at,
        "attempts": 0,
        "state": NoticeState.OBSERVED if observed else NoticeState.WAITING,
        "ended_at": at if observed else None,
        "claimed_until": None,
        "error": "",
    }


def add_once(connection: Connection, values: Mapping[str, object]) -> bool:
    """Add a notice with a key (`once`), unless its target has one with that key; returns whether it was added."""
    statement = insert(connection, notice_table).values(**values)
    # Inline, because otherwise PostgreSQL's driver returns the new number instead of how many rows were added.
    once = statement.on_conflict_do_nothing(index_elements=["target", "once"]).inline()
    return bool(connection.execute(once).rowcount)


GATHERED = frozenset(NoticeKind) - {NoticeKind.DIGEST, NoticeKind.STOPPED, NoticeKind.OVER, NoticeKind.TEST}
"""What people are told in one message if it happens within a short time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHold:
    """A request that is newly held, with the number of its row and the group to notify."""

    request: int
    rule: str | None
    reason: ReasonKind
    reason_text: str
    group: str


def add_holds(
    connection: Connection,
    provider: int,
    holds: Sequence[NewHold],
    targets: Collection[NoticeTarget],
    *,
    mode: Mode,
    at: datetime,
) -> None:
    """Add the notices of requests that are newly held."""
    if not holds or not targets:
        return
    account, _ = _account(connection, provider)
    asked = _requests(connection, [hold.request for hold in holds])
    events = [
        Event(
            kind=NoticeKind.REQUEST_HELD,
            account=account,
            request=hold.request,
            group=hold.group,
            for_people=True,
            body={
                "request": request_body(asked[hold.request]),
                "group": hold.group,
                "rule": hold.rule,
                "reason": hold.reason,
                "reason_text": "" if hold.reason in QUOTING else hold.reason_text,
            },
            mode=mode,
        )
        for hold in holds
    ]
    add_events(connection, events, targets, at=at)


def add_outcomes(
    connection: Connection, outcomes: Mapping[int, Outcome], targets: Collection[NoticeTarget], *, at: datetime
) -> None:
    """Add the notices of requests that were accepted or rejected: request row number → outcome.

    People are told only what the policy decided with `tell`; what people answered, they know.
    """
    ended = [number for number, outcome in outcomes.items() if outcome in (*TOOK_EFFECT, Outcome.FALLEN)]
    if not ended or not targets:
        return
    asked = _requests(connection, ended)
    answers = {row.request_id: row for row in connection.execute(_TOOK_EFFECT, {"requests": ended})}
    add_events(connection, [_outcome(asked[number], answers.get(number)) for number in ended], targets, at=at)


def _outcome(request: Row[Any], answer: Row[Any] | None) -> Event:
    """The event of a request that was accepted or rejected; without an answer, it was rejected with another one."""
    by_people = answer is not None and answer.human_answer_id is not None
    accepted = answer is not None and answer.action == Action.ACCEPT
    people = [name for name, _ in answer.people or ()] if answer is not None else []
    return Event(
        kind=NoticeKind.REQUEST_ACCEPTED if accepted else NoticeKind.REQUEST_REJECTED,
        account=request.name,
        request=request.id,
        group=request.tell,
        for_people=answer is not None and answer.tell is not None,
        body={
            "request": request_body(request),
            "group": request.tell,
            "rule": None if answer is None else answer.rule,
            "answered_by": "people" if by_people else "policy",
            "with_its_parent": answer is None,
        },
        personal={"people": people} if by_people else {},
        # Only in enforce mode is anything sent.
        mode=Mode.ENFORCE,
    )


def add_given_answers(
    connection: Connection, numbers: Collection[int], targets: Collection[NoticeTarget], *, at: datetime
) -> None:
    """Add the notices of answers that people recorded, by the numbers of the answers."""
    if not numbers or not targets:
        return
    events = [
        _of_an_answer(
            NoticeKind.REQUEST_ANSWERED,
            answer,
            request,
            for_people=False,
            mode=Mode.OBSERVE if answer.state == HumanAnswerState.OBSERVED else Mode.ENFORCE,
            more={
                "people_given": len(answer.people),
                "people_needed": answer.people_needed,
                "due_at": answer.due_at and answer.due_at.isoformat(),
            },
        )
        for answer, request in _answers(connection, numbers)
    ]
    add_events(connection, events, targets, at=at)


def add_voided_answers(
    connection: Connection,
    why: Mapping[int, str],
    targets: Collection[NoticeTarget],
    *,
    at: datetime,
    for_people: bool = True,
) -> None:
    """Add the notices of answers by people that will not be sent: the number of the answer → why."""
    if not why or not targets:
        return
    events = [
        _of_an_answer(
            NoticeKind.ANSWER_VOID,
            answer,
            request,
            for_people=for_people,
            mode=_mode(request.mode),
            more={"why": why[answer.id]},
        )
        for answer, request in _answers(connection, why)
    ]
    add_events(connection, events, targets, at=at)


def _of_an_answer(
    kind: NoticeKind,
    answer: Row[Any],
    request: Row[Any],
    *,
    for_people: bool,
    mode: Mode | None,
    more: Mapping[str, object],
) -> Event:
    """An event about an answer by people."""
    return Event(
        kind=kind,
        account=request.name,
        request=request.id,
        group=request.tell,
        for_people=for_people,
        body={
            "request": request_body(request),
            "group": request.tell,
            "action": str(answer.action).lower(),
            **more,
        },
        personal={"people": [name for name, _ in answer.people]},
        mode=mode,
    )


def _answers(connection: Connection, numbers: Collection[int]) -> list[tuple[Row[Any], Row[Any]]]:
    """The answers by people with these numbers, each with its request."""
    answers = connection.execute(_GIVEN, {"numbers": list(numbers)}).all()
    asked = _requests(connection, [answer.request_id for answer in answers])
    return [(answer, asked[answer.request_id]) for answer in answers]


def add_findings(
    connection: Connection,
    provider: int,
    findings: Iterable[Finding],
    targets: Collection[NoticeTarget],
    *,
    at: datetime,
) -> None:
    """Add the notices of what has changed in connections and shares."""
    news = [(kind, finding) for finding in findings if (kind := _finding_kind(finding)) is not None and finding.key]
    if not news or not targets:
        return
    account, mode = _account(connection, provider)
    add_events(
        connection,
        [
            Event(
                kind=kind,
                account=account,
                for_people=kind in _NEEDS_SOMEBODY,
                body={
                    "subject": {"key": str(finding.key), "kind": finding.key.kind, "id": finding.key.id},
                    "text": finding.text,
                },
                mode=mode,
            )
            for kind, finding in news
            if finding.key is not None
        ],
        targets,
        at=at,
    )


_FINDINGS = {
    FindingKind.CONNECTION_ENDED: NoticeKind.CONNECTION_ENDED,
    FindingKind.SHARE_ENDED: NoticeKind.SHARE_ENDED,
    FindingKind.OWNER_CHANGED: NoticeKind.PROPERTY_TRANSFERRED,
}
_NEEDS_SOMEBODY = (NoticeKind.ACCESS_LOWERED, NoticeKind.PROPERTY_TRANSFERRED)


def _finding_kind(finding: Finding) -> NoticeKind | None:
    """The kind of notice for a finding; None if there is none."""
    if finding.kind in (FindingKind.ACCESS_LOWERED, FindingKind.ACCESS_CHANGED):
        return NoticeKind.ACCESS_LOWERED if finding.lowered else NoticeKind.ACCESS_RAISED
    return _FINDINGS.get(finding.kind)


def request_body(row: Row[Any]) -> dict[str, object]:
    """A request as notices describe it. `row` is replaced by personal data, or removed, when the notice is sent."""
    return {
        "row": row.id,
        "key": str(RequestKey(Kind(row.kind), row.pm_id)),
        "kind": row.kind,
        "id": row.pm_id,
        "account_id": row.account_id,
        "property_id": row.property_id,
        "requested_at": row.requested_at and row.requested_at.isoformat(),
    }


def _requests(connection: Connection, numbers: Sequence[int]) -> dict[int, Row[Any]]:
    """Request row number → its row, with the account's name and mode, and the group that was last notified of it."""
    return {row.id: row for row in connection.execute(_ASKED, {"numbers": list(numbers)})}


def _account(connection: Connection, provider: int) -> tuple[str, Mode | None]:
    row = connection.execute(
        select(provider_table.c.name, provider_table.c.mode).where(provider_table.c.id == provider)
    ).one()
    return row.name, _mode(row.mode)


def _mode(mode: str | None) -> Mode | None:
    return None if mode is None else Mode(mode)


_ADDED = BulkStatement(notice_table.insert())
_told = decision_table.alias("told")
_last_told = decision_table.alias("last_told")
_LAST_TOLD = (
    select(func.max(_last_told.c.id))
    .where(_last_told.c.request_id == request_table.c.id, _last_told.c.tell.is_not(None))
    .correlate(request_table)
    .scalar_subquery()
)
_ASKED: Select[Any] = (
    select(
        *(
            request_table.c[name]
            for name in ("id", "kind", "pm_id", "account_id", "property_id", "requested_at", "provider_id")
        ),
        *(provider_table.c.name, provider_table.c.mode, _told.c.tell),
    )
    .select_from(request_table)
    .join(provider_table, provider_table.c.id == request_table.c.provider_id)
    .outerjoin(_told, _told.c.id == _LAST_TOLD)
    .where(is_one_of(request_table.c.id, id_list("numbers")))
)
_GIVEN: Select[Any] = (
    select(answer_table).where(is_one_of(answer_table.c.id, id_list("numbers"))).order_by(answer_table.c.id)
)
_TOOK_EFFECT: Select[Any] = (
    select(
        *(intent_table.c.request_id, intent_table.c.action, intent_table.c.human_answer_id),
        *(decision_table.c.rule, decision_table.c.tell, answer_table.c.people),
    )
    .join(decision_table, decision_table.c.id == intent_table.c.decision_id)
    .outerjoin(answer_table, answer_table.c.id == intent_table.c.human_answer_id)
    .where(and_(is_one_of(intent_table.c.request_id, id_list("requests")), intent_table.c.outcome.in_(TOOK_EFFECT)))
    .order_by(intent_table.c.id)
)
