"""Decides whether a pending list proves that a request is gone, and finds requests that one read missed.

One read without a request proves nothing: a list shifts while its pages are read, and entries can vanish and return. A
request that is pending in the ledger (unanswered, refused or in doubt) counts as pending until a second whole read
misses it too.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select

from pm_autoaccept.ledger.claims import known_answers
from pm_autoaccept.ledger.db.tables import MAY_STILL_GO_MISSING
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.outcome_groups import UNSETTLED
from pm_autoaccept.ledger.request_rows import READS_UNTIL_GONE, STATE_COLUMNS, RequestRow, same_request
from pm_autoaccept.model import Claim, Kind, MissedRequest, PendingList, PendingRequest, Snapshot, Unreadable

MAX_UNREADABLE_PER_REQUEST = 50
"""Unreadable elements stored per request. The limit matters if the bytes of an element change with every read."""


def unreadable_digest(element: Unreadable) -> str:
    """The digest that identifies an element without a readable id."""
    return hashlib.sha256(element.kind.encode() + b":" + element.source).hexdigest()


def unreadable_seen_with(row: RequestRow | None, strange: Iterable[str]) -> list[str]:
    """The digests of the unreadable elements seen in the same read as a request, including this read; newest last."""
    before: Sequence[str] = () if row is None or row.seen_with is None else row.seen_with
    return list(dict.fromkeys([*before, *strange]))[-MAX_UNREADABLE_PER_REQUEST:]


def proves_absence(pending: PendingList, row: RequestRow, *, strange: Collection[str]) -> bool:
    """Whether a read that does not show a request proves that it is no longer pending.

    An element without a readable id may be the request, unless one read has shown both.

    Args:
        pending: the read.
        row: the request's row.
        strange: the digests of the read's unreadable elements.
    """
    if not pending.whole or not set(strange).issubset(row.seen_with or ()):
        return False
    # A read that began before the row last changed proves nothing.
    return bool(pending.begun > max(row.last_seen, row.outcome_at or row.last_seen))


def missed_once(
    connection: Connection, provider: int, snapshot: Snapshot, *, shown: Collection[int]
) -> tuple[MissedRequest, ...]:
    """Find the requests that count as pending although this read does not show them. Reads only.

    Args:
        connection: within a transaction.
        provider: the provider account.
        snapshot: the read, recorded or not.
        shown: the row numbers of the requests that it shows. A request that a customer has edited has another row.
    """
    found: list[MissedRequest] = []
    for pending in snapshot.lists:
        edited = _by_id(pending.requests)
        strange = [unreadable_digest(element) for element in pending.unreadable]
        which = {"provider": provider, "kind": pending.kind, "ended": pending.ended}
        rows: Sequence[Any] = connection.execute(_WAITING, which).all()
        missed = (row for row in rows if _reads(row, pending, strange=strange) < READS_UNTIL_GONE)
        unseen = (row for row in missed if row.id not in shown)
        found.extend(_missed(row) for row in unseen if not any(same_request(row, each) for each in edited[row.pm_id]))
    return tuple(found)


_ASKED = (
    request_table.c.username,
    request_table.c.property_id,
    request_table.c.access_level,
    request_table.c.custom,
    request_table.c.masked_at,
)


_WAITING = (
    select(*STATE_COLUMNS, *_ASKED)
    .where(
        request_table.c.provider_id == bindparam("provider"),
        request_table.c.kind == bindparam("kind"),
        MAY_STILL_GO_MISSING,  # implied by the next condition; names the index
        or_(request_table.c.outcome.is_(None), request_table.c.outcome.in_(UNSETTLED)),
        # An optimization: a request that this read shows, and that is recorded, was seen later.
        request_table.c.last_seen <= bindparam("ended"),
    )
    .order_by(request_table.c.id)
)


def _by_id(requests: Iterable[PendingRequest]) -> Mapping[int, list[PendingRequest]]:
    found: dict[int, list[PendingRequest]] = defaultdict(list)
    for request in requests:
        found[request.id].append(request)
    return found


def _reads(row: RequestRow, pending: PendingList, *, strange: Collection[str]) -> int:
    """How many whole reads, including this one, have missed a request since it was last seen."""
    recorded = row.absent_since == pending.begun
    return int(row.absent_reads) + (not recorded and proves_absence(pending, row, strange=strange))


def _missed(row: RequestRow) -> MissedRequest:
    request = PendingRequest(
        kind=Kind(row.kind),
        id=row.pm_id,
        account_id=row.account_id,
        username=row.username,
        sender_id=row.sender_id,
        requested_at=row.requested_at,
        access_level=row.access_level,
        property_id=row.property_id,
    )
    custom, unread = known_answers(row)
    return MissedRequest(
        request, Claim(key=request.key, owner=row.account_id, username=row.username, custom=custom, unread=unread)
    )
