"""Brings back what was asked, from the bytes that the ledger keeps, for another policy to be asked about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from pm_autoaccept.errors import DocumentRefused
from pm_autoaccept.ledger.audit import AT_ONCE, wanted_decisions
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.db.tables import tie as tie_table
from pm_autoaccept.ledger.private_values import DIGEST
from pm_autoaccept.ledger.request_rows import chunks
from pm_autoaccept.model import Held, Kind, Memory, PendingRequest, Recalled, RequestKey
from pm_autoaccept.parse import parse_pending_page
from pm_autoaccept.record import DecisionRow, Wanted


def recall(connection: Connection, *, account: str | None = None) -> Memory:
    """Every request that was decided, of one provider account or of all, and what stood when."""
    requests = tuple(_recalled(connection, wanted_decisions(connection, Wanted(account=account))))
    return Memory(requests, _ties(connection))


def _recalled(connection: Connection, rows: Iterable[DecisionRow]) -> Iterator[Recalled]:
    some: list[DecisionRow] = []
    for row in rows:
        some.append(row)
        if len(some) == AT_ONCE:
            yield from _with_bytes(connection, some)
            some = []
    yield from _with_bytes(connection, some)


def _with_bytes(connection: Connection, rows: list[DecisionRow]) -> Iterator[Recalled]:
    table = request_table.c
    kept: dict[int, Row[Any]] = {}
    for numbers in chunks([row.request for row in rows]):
        query = select(table.id, table.source, table.held_rule, table.held_since).where(table.id.in_(numbers))
        kept |= {each.id: each for each in connection.execute(query)}
    for row in rows:
        request, hidden = _request(row.kind, kept[row.request].source)
        since = kept[row.request].held_since
        yield Recalled(
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
    """The request as its bytes say it, and the names of its custom fields of which only a digest was kept."""
    try:
        page = parse_pending_page(kind, b"<pendingList>" + source + b"</pendingList>")
    except DocumentRefused:
        return None, frozenset()
    if len(page.requests) != 1:
        return None, frozenset()
    (request,) = page.requests
    hidden = frozenset(each.name for each in request.custom if each.value.startswith(DIGEST))
    why = {f"custom.{name}": "it was private, and the ledger has only a digest of it" for name in hidden}
    return replace(request, faults={**request.faults, **why}), hidden


def _ties(connection: Connection) -> dict[tuple[str, RequestKey], tuple[tuple[datetime, datetime | None], ...]]:
    table = tie_table.c
    found: dict[tuple[str, RequestKey], list[tuple[datetime, datetime | None]]] = defaultdict(list)
    query = select(provider_table.c.name, table.kind, table.pm_id, table.first_seen, table.ended_at)
    for row in connection.execute(query.join(provider_table, provider_table.c.id == table.provider_id)):
        found[row.name, RequestKey(Kind(row.kind), row.pm_id)].append((row.first_seen, row.ended_at))
    return {which: tuple(spans) for which, spans in found.items()}
