"""Records the requests of each snapshot: new, still pending, reopened, missed, or gone.

A request is gone only after two whole reads without it, even if it fell with one of our rejects
(docs/architecture.md#reading).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from pm_autoaccept.ledger.absence import proves_absence, unreadable_digest, unreadable_seen_with
from pm_autoaccept.ledger.db.bulk_statements import BulkStatement
from pm_autoaccept.ledger.db.id_lists import is_one_of
from pm_autoaccept.ledger.db.queries import insert
from pm_autoaccept.ledger.db.tables import END_JUST_NOTED, MAY_STILL_GO_MISSING, OPEN_REQUEST
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.db.tables import unreadable as unreadable_table
from pm_autoaccept.ledger.elapsed_time import UnknownWait
from pm_autoaccept.ledger.notifications import store_notifications
from pm_autoaccept.ledger.private_values import PrivateFields
from pm_autoaccept.ledger.request_rows import (
    STATE_COLUMNS,
    RequestRow,
    RowMatch,
    answers_to,
    match_row,
    rows_by_key,
    with_zone,
)
from pm_autoaccept.ledger.unknown_outcomes import settled_outcome
from pm_autoaccept.model import (
    Kind,
    NotLearnt,
    Outcome,
    PendingRequest,
    Snapshot,
    Unreadable,
)


def record_snapshot(
    connection: Connection,
    provider: int,
    snapshot: Snapshot,
    *,
    at: datetime,
    unknown_wait: UnknownWait,
    private_fields: PrivateFields,
) -> Mapping[int, Outcome]:
    """Record one snapshot. Requests with the same key but different content each get a row; decide holds them.

    Returns:
        The row numbers of the requests whose outcome this read settles, each with that outcome.
    """
    table = request_table.c
    known_to_end = table.provider_id == provider, END_JUST_NOTED
    connection.execute(request_table.update().where(*known_to_end).values(ended_at=at))
    present = {
        (request.key, request.content_digest): request for pending in snapshot.lists for request in pending.requests
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
            first = _new_row(request, digest, occurrence=occurrence, at=at, private_fields=private_fields)
            new.append({"provider_id": provider, **first, "seen_with": unreadable_seen_with(None, strange[key.kind])})
            continue
        still[row.id] = row
        if which is RowMatch.REOPENED:
            back.append(row.id)
    _update(connection, still, {"last_seen": at})
    # Indexes contain what says that a request was missed, so it is only changed where it has to be.
    missed = [row.id for row in still.values() if row.absent_reads or row.absent_since is not None]
    _update(connection, missed, {"absent_since": None, "absent_reads": 0})
    for number in back:
        _reopen(connection, number)
    _note_unreadable_seen_with(connection, still, strange)
    _count_pending_reads(connection, provider, snapshot, still)
    for pending in snapshot.lists:
        for element in pending.unreadable:
            _record_unreadable(connection, provider, element, at=at, private_fields=private_fields)
    settled = _record_absences(connection, provider, snapshot, still=still, strange=strange, unknown_wait=unknown_wait)
    _INSERTED.run(connection, new)
    if not isinstance(snapshot.notifications, NotLearnt):
        store_notifications(connection, provider, snapshot.notifications, at=at)
    return settled


def _reopen(connection: Connection, request: int) -> None:
    """Restore a returned request to its state before it ended. Earlier refusals and cascades still count."""
    answer = connection.execute(answers_to(request).limit(1)).one_or_none()
    refused = answer if answer is not None and answer.outcome == Outcome.REFUSED else None
    stood = {name: getattr(refused, name, None) for name in ("outcome", "outcome_at")}
    text = "" if refused is None else refused.outcome_text
    _update(connection, [request], {**stood, "outcome_text": text})


def _update(connection: Connection, requests: Collection[int], values: Mapping[str, object]) -> None:
    if requests:
        connection.execute(request_table.update().where(is_one_of(request_table.c.id, list(requests))).values(values))


def _note_unreadable_seen_with(
    connection: Connection, still: Mapping[int, RequestRow], strange: Mapping[Kind, list[str]]
) -> None:
    """Record for each request the unreadable elements in the same list."""
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


def _count_pending_reads(connection: Connection, provider: int, snapshot: Snapshot, still: Collection[int]) -> None:
    """Count the whole reads that show a request pending after an answer of unknown outcome was sent."""
    table = request_table.c
    for pending in snapshot.lists:
        in_doubt = select(table.id, table.outcome_at).where(
            table.provider_id == provider, table.kind == pending.kind, OPEN_REQUEST
        )
        rows = connection.execute(in_doubt) if pending.whole else ()
        shown = [row.id for row in rows if row.id in still and pending.begun > row.outcome_at]
        if shown:
            counted = request_table.update().where(is_one_of(table.id, shown))
            connection.execute(counted.values(present_reads=table.present_reads + 1))


def _new_row(
    request: PendingRequest, digest: str, *, occurrence: int, at: datetime, private_fields: PrivateFields
) -> dict[str, object]:
    """The column values of a new request, or of the next occurrence of one."""
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
        "custom": private_fields.answers(request.custom),
        "requested_at": with_zone(request.requested_at),
        "source": private_fields.source(request.source),
        "first_seen": at,
        "last_seen": at,
        "absent_reads": 0,
        "present_reads": 0,
        "outcome_text": "",
    }


_INSERTED = BulkStatement(request_table.insert())


def _record_unreadable(
    connection: Connection, provider: int, element: Unreadable, *, at: datetime, private_fields: PrivateFields
) -> None:
    statement = insert(connection, unreadable_table).values(
        provider_id=provider,
        kind=element.kind,
        digest=unreadable_digest(element),
        why=element.why,
        source=private_fields.source(element.source),
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
    unknown_wait: UnknownWait,
) -> Mapping[int, Outcome]:
    """Record each request that a whole read misses, and settle it if the rules say so; returns those outcomes."""
    table = request_table.c
    lists = {pending.kind: pending for pending in snapshot.lists if pending.whole}
    query = select(*STATE_COLUMNS).where(table.provider_id == provider, table.kind.in_(lists), MAY_STILL_GO_MISSING)
    outcomes: dict[int, Outcome] = {}
    for row in connection.execute(query).all():
        pending = lists[Kind(row.kind)]
        if row.id in still or not proves_absence(pending, row, strange=strange[pending.kind]):
            continue
        reads = row.absent_reads + 1
        settled = settled_outcome(connection, row, pending, snapshot, reads=reads, unknown_wait=unknown_wait)
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
        # A newer record by another process, such as a former lease holder, takes precedence.
        unchanged = table.outcome.is_not_distinct_from(row.outcome)
        changed = connection.execute(request_table.update().where(table.id == row.id, unchanged).values(**values))
        if settled is not None and changed.rowcount:
            outcomes[row.id] = settled[0]
    return outcomes
