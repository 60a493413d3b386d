"""Replay: parses recorded requests from their stored bytes, so that another policy can judge them (what-if)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from pm_autoaccept.errors import DocumentRefused
from pm_autoaccept.ledger.audit import find_decisions
from pm_autoaccept.ledger.db.queries import ROWS_PER_FETCH, chunks
from pm_autoaccept.ledger.db.tables import inventory as inventory_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.private_values import DIGEST_PREFIX
from pm_autoaccept.model import Held, Kind, PendingRequest, RecordedHistory, RecordedRequest, RequestKey
from pm_autoaccept.parse import parse_pending_page
from pm_autoaccept.record import DecisionFilter, DecisionRow


def load_recorded_requests(connection: Connection, *, account: str | None = None) -> RecordedHistory:
    """Load every decided request of one provider account or of all, and the inventory over time."""
    requests = tuple(_recorded(connection, find_decisions(connection, DecisionFilter(account=account))))
    return RecordedHistory(requests, _inventory(connection))


def _recorded(connection: Connection, rows: Iterable[DecisionRow]) -> Iterator[RecordedRequest]:
    some: list[DecisionRow] = []
    for row in rows:
        some.append(row)
        if len(some) == ROWS_PER_FETCH:
            yield from _with_bytes(connection, some)
            some = []
    yield from _with_bytes(connection, some)


def _with_bytes(connection: Connection, rows: list[DecisionRow]) -> Iterator[RecordedRequest]:
    table = request_table.c
    kept: dict[int, Row[Any]] = {}
    for numbers in chunks([row.request for row in rows]):
        query = select(table.id, table.source, table.held_rule, table.held_since).where(table.id.in_(numbers))
        kept |= {each.id: each for each in connection.execute(query)}
    for row in rows:
        request, hidden = _request(row.kind, kept[row.request].source)
        since = kept[row.request].held_since
        yield RecordedRequest(
            account=row.account,
            key=row.key,
            username=row.username,
            request=request,
            hidden=hidden,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            decided_at=row.decided_at,
            verdict=row.verdict,
            rule=row.rule,
            reason=row.reason,
            held=None if since is None or since > row.decided_at else Held(kept[row.request].held_rule, since),
        )


def _request(kind: Kind, source: bytes) -> tuple[PendingRequest | None, frozenset[str]]:
    """The request parsed from its bytes, and the names of its custom fields that are stored only as a digest."""
    try:
        page = parse_pending_page(kind, b"<pendingList>" + source + b"</pendingList>")
    except DocumentRefused:
        return None, frozenset()
    if len(page.requests) != 1:
        return None, frozenset()
    (request,) = page.requests
    hidden = frozenset(each.name for each in request.custom if each.value.startswith(DIGEST_PREFIX))
    why = {f"custom.{name}": "the field was private, so the ledger has only a digest of its value" for name in hidden}
    return replace(request, faults={**request.faults, **why}), hidden


def _inventory(connection: Connection) -> dict[tuple[str, RequestKey], tuple[tuple[datetime, datetime | None], ...]]:
    table = inventory_table.c
    found: dict[tuple[str, RequestKey], list[tuple[datetime, datetime | None]]] = defaultdict(list)
    query = select(provider_table.c.name, table.kind, table.pm_id, table.first_seen, table.ended_at)
    for row in connection.execute(query.join(provider_table, provider_table.c.id == table.provider_id)):
        found[row.name, RequestKey(Kind(row.kind), row.pm_id)].append((row.first_seen, row.ended_at))
    return {which: tuple(spans) for which, spans in found.items()}
