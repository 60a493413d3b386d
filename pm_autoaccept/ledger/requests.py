"""Records what pends and what does not any more, and settles what thereby is known of earlier answers.

A request is gone only after two whole reads without it, also where it fell with a reject of ours
(docs/architecture.md#reading). An answer of unknown fate is settled by two whole reads, the second at least
`unknown_wait` after the POST by every clock (docs/architecture.md#rule-of-unknowns).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, or_, select

from pm_autoaccept.ledger.absence import proves_absence, unreadable_digest, unreadable_seen_with
from pm_autoaccept.ledger.cascade import cascade_outcome
from pm_autoaccept.ledger.db.queries import chunks, insert
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.db.tables import unreadable as unreadable_table
from pm_autoaccept.ledger.elapsed_time import UnknownWait
from pm_autoaccept.ledger.notifications import store_notifications
from pm_autoaccept.ledger.outcome_groups import UNSETTLED
from pm_autoaccept.ledger.private_values import PrivateFields
from pm_autoaccept.ledger.request_rows import (
    READS_UNTIL_GONE,
    STATE_COLUMNS,
    RequestRow,
    RowMatch,
    answers_to,
    last_intent,
    match_row,
    rows_by_key,
    with_zone,
)
from pm_autoaccept.model import (
    Action,
    Kind,
    NotLearnt,
    Outcome,
    PendingList,
    PendingRequest,
    Snapshot,
    Unreadable,
)
from pm_autoaccept.record import request_digest


def record_snapshot(
    connection: Connection,
    provider: int,
    snapshot: Snapshot,
    *,
    at: datetime,
    patience: UnknownWait,
    hiding: PrivateFields,
) -> None:
    """Record one snapshot. Requests of the same key with different content are recorded each; decide holds them."""
    table = request_table.c
    known_to_end = table.provider_id == provider, table.end_noted_at.is_not(None), table.ended_at.is_(None)
    connection.execute(request_table.update().where(*known_to_end).values(ended_at=at))
    present = {
        (request.key, request_digest(request)): request for pending in snapshot.lists for request in pending.requests
    }
    strange = {
        pending.kind: [unreadable_digest(element) for element in pending.unreadable] for pending in snapshot.lists
    }
    known = rows_by_key(connection, provider, (key for key, _ in present))
    still: dict[int, RequestRow] = {}
    back, new = [], []
    for (key, digest), request in present.items():
        rows = known.get(key, [])
        row, which = match_row(rows, request)
        if row is None:
            occurrence = 1 + max((each.occurrence for each in rows if each.content_digest == digest), default=0)
            first = _new_row(request, digest, occurrence=occurrence, at=at, hiding=hiding)
            new.append({"provider_id": provider, **first, "seen_with": unreadable_seen_with(None, strange[key.kind])})
            continue
        still[row.id] = row
        if which is RowMatch.REOPENED:
            back.append(row.id)
    _update(connection, still, {"last_seen": at, "absent_since": None, "absent_reads": 0})
    for number in back:
        _reopen(connection, number)
    _note_unreadable_seen_with(connection, still, strange)
    _count_pending_reads(connection, snapshot, still)
    for pending in snapshot.lists:
        for element in pending.unreadable:
            _record_unreadable(connection, provider, element, at=at, hiding=hiding)
    _record_absences(connection, provider, snapshot, still=still, strange=strange, patience=patience)
    if new:
        connection.execute(request_table.insert(), new)
    if not isinstance(snapshot.notifications, NotLearnt):
        store_notifications(connection, provider, snapshot.notifications, at=at)


def _reopen(connection: Connection, request: int) -> None:
    """Let a request that has come back stand as before it ended; what it was refused, and what fell, still counts."""
    answer = connection.execute(answers_to(request).limit(1)).one_or_none()
    refused = answer if answer is not None and answer.outcome == Outcome.REFUSED else None
    stood = {name: getattr(refused, name, None) for name in ("outcome", "outcome_at")}
    text = "" if refused is None else refused.outcome_text
    _update(connection, [request], {**stood, "outcome_text": text})


def _update(connection: Connection, requests: Iterable[int], values: Mapping[str, object]) -> None:
    for some in chunks(list(requests)):
        connection.execute(request_table.update().where(request_table.c.id.in_(some)).values(values))


def _note_unreadable_seen_with(
    connection: Connection, still: Mapping[int, RequestRow], strange: Mapping[Kind, list[str]]
) -> None:
    """Note for each request which unreadable elements its list shows with it."""
    changed = [
        {"number": row.id, "now": now}
        for row in still.values()
        if strange[Kind(row.kind)] and (now := unreadable_seen_with(row, strange[Kind(row.kind)])) != row.seen_with
    ]
    if changed:
        connection.execute(_SET_SEEN_WITH, changed)


_SET_SEEN_WITH = (
    request_table.update().where(request_table.c.id == bindparam("number")).values(seen_with=bindparam("now"))
)


def _count_pending_reads(connection: Connection, snapshot: Snapshot, still: Collection[int]) -> None:
    """Count the whole reads that show a request pending after an answer of unknown fate was sent."""
    table = request_table.c
    for pending in snapshot.lists:
        in_doubt = select(table.id, table.outcome_at).where(table.kind == pending.kind, table.outcome == Outcome.OPEN)
        rows = connection.execute(in_doubt) if pending.whole else ()
        shown = [row.id for row in rows if row.id in still and pending.begun > row.outcome_at]
        for some in chunks(shown):
            counted = request_table.update().where(table.id.in_(some))
            connection.execute(counted.values(present_reads=table.present_reads + 1))


def _new_row(
    request: PendingRequest, digest: str, *, occurrence: int, at: datetime, hiding: PrivateFields
) -> dict[str, object]:
    """The row of a request that pends for the first time, or again after it had ended and was absent."""
    return {
        "kind": request.kind,
        "pm_id": request.id,
        "content_digest": digest,
        "occurrence": occurrence,
        "account_id": request.account_id,
        "username": request.username,
        "sender_id": request.sender_id,
        "sender_username": request.sender_username,
        "property_id": request.property_id,
        "access_level": request.access_level,
        "custom": hiding.answers(request.custom),
        "requested_at": with_zone(request.requested_at),
        "source": hiding.source(request.source),
        "first_seen": at,
        "last_seen": at,
    }


def _record_unreadable(
    connection: Connection, provider: int, element: Unreadable, *, at: datetime, hiding: PrivateFields
) -> None:
    statement = insert(connection, unreadable_table).values(
        provider_id=provider,
        kind=element.kind,
        digest=unreadable_digest(element),
        why=element.why,
        source=hiding.source(element.source),
        first_seen=at,
        last_seen=at,
    )
    known = statement.on_conflict_do_update(index_elements=["provider_id", "digest"], set_={"last_seen": at})
    connection.execute(known)


def _record_absences(
    connection: Connection,
    provider: int,
    snapshot: Snapshot,
    *,
    still: Collection[int],
    strange: Mapping[Kind, Collection[str]],
    patience: UnknownWait,
) -> None:
    """Note each request that a whole read misses, and settle it where the rules say so."""
    table = request_table.c
    waiting = or_(table.absent_reads < READS_UNTIL_GONE, table.outcome.is_(None), table.outcome.in_(UNSETTLED))
    lists = {pending.kind: pending for pending in snapshot.lists if pending.whole}
    query = select(*STATE_COLUMNS).where(table.provider_id == provider, table.kind.in_(lists), waiting)
    for row in connection.execute(query).all():
        pending = lists[Kind(row.kind)]
        if row.id in still or not proves_absence(pending, row, strange=strange[pending.kind]):
            continue
        reads = row.absent_reads + 1
        settled = _settle(connection, row, pending, snapshot, reads=reads, patience=patience)
        values: dict[str, object] = {
            "absent_since": row.absent_since or pending.begun,
            "absent_reads": reads,
            "present_reads": 0,
        }
        if settled is not None:
            outcome, text = settled
            values |= {"outcome": outcome, "outcome_at": pending.ended, "outcome_text": text}
            connection.execute(
                intent_table.update()
                .where(intent_table.c.request_id == row.id, intent_table.c.outcome == Outcome.OPEN)
                .values(outcome=outcome, outcome_at=pending.ended, outcome_text=text)
            )
        # What another has recorded since the row was read is known better: an old holder that knows what it did.
        unchanged = table.outcome.is_not_distinct_from(row.outcome)
        connection.execute(request_table.update().where(table.id == row.id, unchanged).values(**values))


def _settle(
    connection: Connection,
    row: RequestRow,
    pending: PendingList,
    snapshot: Snapshot,
    *,
    reads: int,
    patience: UnknownWait,
) -> tuple[Outcome, str] | None:
    """What became of a request that does not pend any more; None if that is known already, or cannot be said yet."""
    if row.outcome == Outcome.OPEN:
        sent = last_intent(connection, row.id)
        if reads < READS_UNTIL_GONE or not patience.over(sent, read=pending.begun):
            return None
        return _infer(row, sent.action, snapshot)
    if row.outcome is not None and row.outcome not in UNSETTLED:
        return None
    if reads < READS_UNTIL_GONE:
        return None
    unexplained = Outcome.SETTLED_ELSEWHERE, "it is pending no more and no answer of ours explains it"
    return cascade_outcome(connection, row) or unexplained


def _infer(row: RequestRow, action: str, snapshot: Snapshot) -> tuple[Outcome, str]:
    """Whether Portfolio Manager shows the connection or the share that our accept of unknown fate asked for."""
    shown = False
    if action == Action.ACCEPT and row.kind == Kind.CONNECTION:
        shown = not isinstance(snapshot.connected, NotLearnt) and row.pm_id in snapshot.connected
    elif action == Action.ACCEPT and row.kind == Kind.PROPERTY:
        shared = snapshot.shared_properties.get(row.account_id)
        shown = shared is not None and not isinstance(shared, NotLearnt) and row.pm_id in shared
    if shown:
        return Outcome.DONE_INFERRED, "no answer came to our accept, and Portfolio Manager shows its effect"
    return Outcome.GONE, "no answer came to what we sent; the request is pending no more, by us or by another"
