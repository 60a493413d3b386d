"""Records what pends and what does not any more, and settles what thereby is known of earlier answers.

The rules (design, "poll", "record" and "The rule of unknowns"): a request is gone only after two whole reads without
it; what fell with a reject of ours is known after one, since the step explains it; an answer of unknown fate is settled
by two whole reads, the second at least `unknown_wait` after the POST by every clock.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import Connection, or_, select

from pm_autoaccept.ledger.elapsed import Patience
from pm_autoaccept.ledger.falling import ended_without_us
from pm_autoaccept.ledger.hiding import Hiding
from pm_autoaccept.ledger.noticing import store
from pm_autoaccept.ledger.rows import (
    STANDING,
    UNSETTLED,
    RequestRow,
    chunks,
    current,
    insert,
    is_over,
    last_intent,
    rows_by_key,
)
from pm_autoaccept.ledger.tables import intent as intent_table
from pm_autoaccept.ledger.tables import request as request_table
from pm_autoaccept.ledger.tables import unreadable as unreadable_table
from pm_autoaccept.model import (
    Action,
    Kind,
    NotLearnt,
    Outcome,
    PendingList,
    PendingRequest,
    RequestKey,
    Snapshot,
    Unreadable,
)
from pm_autoaccept.record import asked

READS_UNTIL_GONE = 2


def see(
    connection: Connection,
    provider: int,
    snapshot: Snapshot,
    *,
    at: datetime,
    patience: Patience,
    hiding: Hiding,
) -> None:
    """Record one snapshot. Requests of the same key with different content are recorded each; decide holds them."""
    present = {(request.key, asked(request)): request for pending in snapshot.lists for request in pending.requests}
    known = rows_by_key(connection, provider, (key for key, _ in present))
    still, new = [], []
    for (key, digest), request in present.items():
        row = current(known.get(key, []), request)
        if row is None or is_over(row):
            time = 1 if row is None else row.time + 1
            new.append({"provider_id": provider, **_first_seen(request, digest, time=time, at=at, hiding=hiding)})
        else:
            still.append(row.id)
    for some in chunks(still):
        seen = request_table.update().where(request_table.c.id.in_(some))
        connection.execute(seen.values(last_seen=at, absent_since=None, absent_reads=0))
    _still_open(connection, snapshot, frozenset(still))
    for pending in snapshot.lists:
        for element in pending.unreadable:
            _see_unreadable(connection, provider, element, at=at, hiding=hiding)
        if pending.shows_absence:
            _miss(connection, provider, pending, frozenset(present), snapshot, patience=patience)
    if new:
        connection.execute(request_table.insert(), new)
    if not isinstance(snapshot.notifications, NotLearnt):
        store(connection, provider, snapshot.notifications, at=at)


def _still_open(connection: Connection, snapshot: Snapshot, still: frozenset[int]) -> None:
    """Count the whole reads that show a request pending after an answer of unknown fate was sent."""
    table = request_table.c
    for pending in snapshot.lists:
        in_doubt = select(table.id, table.outcome_at).where(table.kind == pending.kind, table.outcome == Outcome.OPEN)
        rows = connection.execute(in_doubt) if pending.whole else ()
        shown = [row.id for row in rows if row.id in still and pending.begun > row.outcome_at]
        for some in chunks(shown):
            counted = request_table.update().where(table.id.in_(some))
            connection.execute(counted.values(present_reads=table.present_reads + 1))


def _first_seen(request: PendingRequest, digest: str, *, time: int, at: datetime, hiding: Hiding) -> dict[str, object]:
    """The row of a request that pends for the first time, or again after it had ended and was absent."""
    return {
        "kind": request.kind,
        "pm_id": request.id,
        "asked": digest,
        "time": time,
        "account_id": request.account_id,
        "username": request.username,
        "sender_id": request.sender_id,
        "sender_username": request.sender_username,
        "property_id": request.property_id,
        "access_level": request.access_level,
        "custom": hiding.answers(request.custom),
        "requested_at": _with_zone(request.requested_at),
        "source": hiding.source(request.source),
        "first_seen": at,
        "last_seen": at,
    }


def _with_zone(moment: datetime | None) -> datetime | None:
    return moment if moment is not None and moment.tzinfo is not None else None


def _see_unreadable(
    connection: Connection, provider: int, element: Unreadable, *, at: datetime, hiding: Hiding
) -> None:
    statement = insert(connection, unreadable_table).values(
        provider_id=provider,
        kind=element.kind,
        digest=hashlib.sha256(element.kind.encode() + b":" + element.source).hexdigest(),
        why=element.why,
        source=hiding.source(element.source),
        first_seen=at,
        last_seen=at,
    )
    known = statement.on_conflict_do_update(index_elements=["provider_id", "digest"], set_={"last_seen": at})
    connection.execute(known)


def _miss(
    connection: Connection,
    provider: int,
    pending: PendingList,
    present: frozenset[tuple[RequestKey, str]],
    snapshot: Snapshot,
    *,
    patience: Patience,
) -> None:
    """Note each request of this kind that does not pend any more, and settle it where the rules say so."""
    table = request_table.c
    waiting = or_(table.absent_since.is_(None), table.outcome.is_(None), table.outcome.in_(UNSETTLED))
    for row in connection.execute(
        select(*STANDING).where(table.provider_id == provider, table.kind == pending.kind, waiting)
    ).all():
        if (RequestKey(pending.kind, row.pm_id), row.asked) in present:
            continue
        if pending.begun <= max(row.last_seen, row.outcome_at or row.last_seen):
            continue  # this read had begun before the row was last touched: it proves nothing
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
    patience: Patience,
) -> tuple[Outcome, str] | None:
    """What became of a request that does not pend any more; None if that is known already, or cannot be said yet."""
    if row.outcome == Outcome.OPEN:
        sent = last_intent(connection, row.id)
        if reads < READS_UNTIL_GONE or not patience.over(sent, read=pending.begun):
            return None
        return _infer(row, sent.action, snapshot)
    if row.outcome is not None and row.outcome not in UNSETTLED:
        return None
    explained = ended_without_us(connection, row)
    if explained is not None and explained[0] is Outcome.FALLEN:
        return explained
    if reads >= READS_UNTIL_GONE:
        return explained or (Outcome.SETTLED_ELSEWHERE, "it is pending no more and no answer of ours explains it")
    return None


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
