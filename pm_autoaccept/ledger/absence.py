"""Decides whether a read proves that a request is pending no more, and finds the requests that were missed only once.

One read without a request is no proof: a list shifts while its pages are read, and lists flap. What the ledger has as
pending (unanswered, refused or in doubt) counts as pending until a second whole read misses it too.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, or_, select

from pm_autoaccept.ledger.claims import said
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.request_rows import READS_UNTIL_GONE, STANDING, UNSETTLED, RequestRow, same_ask
from pm_autoaccept.model import Claim, Kind, Missed, PendingList, PendingRequest, Snapshot, Unreadable

MOST_BESIDE = 50
"""How many unreadable elements are kept for a request: one whose bytes change with every read would add up."""


def digest_of(element: Unreadable) -> str:
    """Names an element without a readable id by its bytes."""
    return hashlib.sha256(element.kind.encode() + b":" + element.source).hexdigest()


def beside(row: RequestRow | None, strange: Iterable[str]) -> list[str]:
    """The unreadable elements that a request has been read beside, with those of this read; the newest last."""
    before: Sequence[str] = () if row is None or row.beside is None else row.beside
    return list(dict.fromkeys([*before, *strange]))[-MOST_BESIDE:]


def proves_absence(pending: PendingList, row: RequestRow, *, strange: Collection[str]) -> bool:
    """Whether a read that does not show a request proves that it is pending no more.

    An element without a readable id may be the request, unless both were once read side by side.

    Args:
        pending: the read.
        row: the request's.
        strange: the digests of the read's unreadable elements.
    """
    if not pending.whole or not set(strange).issubset(row.beside or ()):
        return False
    # A read that had begun before the row was last touched proves nothing.
    return bool(pending.begun > max(row.last_seen, row.outcome_at or row.last_seen))


def missed_once(
    connection: Connection, provider: int, snapshot: Snapshot, *, shown: Collection[int]
) -> tuple[Missed, ...]:
    """The requests that count as pending although this read does not show them. Reads only.

    Args:
        connection: within a transaction.
        provider: whose.
        snapshot: the read; whether `see` has recorded it makes no difference.
        shown: the rows of the requests that it shows. What a customer has edited since is shown in another row.
    """
    table = request_table.c
    found: list[Missed] = []
    for pending in snapshot.lists:
        edited = _by_id(pending.requests)
        strange = [digest_of(element) for element in pending.unreadable]
        waiting = select(*STANDING, *_ASKED).where(
            table.provider_id == provider,
            table.kind == pending.kind,
            or_(table.outcome.is_(None), table.outcome.in_(UNSETTLED)),
            # Faster, and as good: what this read shows and `see` has recorded was seen later.
            table.last_seen <= pending.ended,
        )
        rows: Sequence[Any] = connection.execute(waiting.order_by(table.id)).all()
        missed = (row for row in rows if _reads(row, pending, strange=strange) < READS_UNTIL_GONE)
        unseen = (row for row in missed if row.id not in shown)
        found.extend(_missed(row) for row in unseen if not any(same_ask(row, each) for each in edited[row.pm_id]))
    return tuple(found)


_ASKED = (
    request_table.c.username,
    request_table.c.property_id,
    request_table.c.access_level,
    request_table.c.custom,
    request_table.c.masked_at,
)


def _by_id(requests: Iterable[PendingRequest]) -> Mapping[int, list[PendingRequest]]:
    found: dict[int, list[PendingRequest]] = defaultdict(list)
    for request in requests:
        found[request.id].append(request)
    return found


def _reads(row: RequestRow, pending: PendingList, *, strange: Collection[str]) -> int:
    """How many whole reads, with this one, have missed a request since it was last seen."""
    recorded = row.absent_since == pending.begun
    return int(row.absent_reads) + (not recorded and proves_absence(pending, row, strange=strange))


def _missed(row: RequestRow) -> Missed:
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
    custom, unread = said(row)
    return Missed(
        request, Claim(key=request.key, owner=row.account_id, username=row.username, custom=custom, unread=unread)
    )
