"""Replay: parses recorded requests from their stored bytes, so that another policy can judge them (what-if).

All functions need little memory, however many requests there are. They must run in one transaction.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, Select, bindparam, func, select

from pm_autoaccept.errors import DocumentRefused
from pm_autoaccept.ledger.audit import shown_decision
from pm_autoaccept.ledger.db.id_lists import id_list, is_one_of
from pm_autoaccept.ledger.db.queries import ROWS_PER_FETCH
from pm_autoaccept.ledger.db.tables import decision as decision_table
from pm_autoaccept.ledger.db.tables import inventory as inventory_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.private_values import DIGEST_PREFIX
from pm_autoaccept.model import (
    Held,
    Kind,
    PendingRequest,
    ReasonKind,
    RecordedBatch,
    RecordedRequest,
    RequestKey,
    Verdict,
)
from pm_autoaccept.parse import parse_pending_page

REQUESTS_PER_BATCH = 500
"""Recorded requests that are in memory at a time."""

_Which: TypeAlias = tuple[str, RequestKey]
"""The provider account's name, and the key."""


def count_recorded_requests(connection: Connection, *, account: str | None = None) -> int:
    """The number of decided requests of one provider account or of all."""
    return int(connection.execute(_of_account(select(func.count()).where(_IS_DECIDED), account)).scalar_one())


def recorded_field_names(connection: Connection, *, account: str | None = None) -> dict[str, frozenset[str]]:
    """Account → the names of the custom fields in its decided requests."""
    found: dict[str, set[str]] = defaultdict(set)
    query = _of_account(select(provider_table.c.name, request_table.c.custom).where(_IS_DECIDED), account)
    for row in connection.execute(query.execution_options(yield_per=ROWS_PER_FETCH)):
        found[row.name].update(name for name, _ in row.custom)
    return {name: frozenset(names) for name, names in found.items()}


def read_recorded_requests(connection: Connection, *, account: str | None = None) -> Iterator[RecordedBatch]:
    """Yield every decided request of one provider account or of all: connections first, then properties, then meters.

    Args:
        connection: within a transaction.
        account: only for the provider account with this name.
    """
    for kind in Kind:
        # Eight bytes for each request. A query for all of them would sort them together with their documents.
        query = _of_account(select(shown_decision().label("shown")), account).where(request_table.c.kind == kind)
        shown = connection.execute(
            query.where(_IS_DECIDED).order_by("shown").execution_options(yield_per=ROWS_PER_FETCH)
        )
        decisions = array("q", shown.scalars())
        for start in range(0, len(decisions), REQUESTS_PER_BATCH):
            some = decisions[start : start + REQUESTS_PER_BATCH].tolist()
            yield _batch(connection, [_recorded(row) for row in connection.execute(_BY_DECISION, {"decisions": some})])


def _batch(connection: Connection, requests: Sequence[RecordedRequest]) -> RecordedBatch:
    """The batch of these requests, with what is related to them."""
    wanted: set[_Which] = set()
    for each in requests:
        if each.request is not None and each.request.account_id is not None:
            wanted.add((each.account, RequestKey(Kind.CONNECTION, each.request.account_id)))
        if each.request is not None and each.key.kind is Kind.METER and each.request.property_id is not None:
            wanted.add((each.account, RequestKey(Kind.PROPERTY, each.request.property_id)))
    related: dict[_Which, list[RecordedRequest]] = defaultdict(list)
    inventory: dict[_Which, list[tuple[datetime, datetime | None]]] = defaultdict(list)
    known = {each.number: each for each in requests}
    for (account, kind), numbers in _grouped(wanted).items():
        said = {"account": account, "kind": kind, "numbers": numbers}
        for row in connection.execute(_BY_KEY, said):
            related[account, RequestKey(kind, row.pm_id)].append(known.get(row.id) or _recorded(row))
        for row in connection.execute(_INVENTORY, said):
            inventory[account, RequestKey(kind, row.pm_id)].append((row.first_seen, row.ended_at))
    return RecordedBatch(requests, related, inventory)


def _grouped(wanted: Collection[_Which]) -> dict[tuple[str, Kind], list[int]]:
    """Account and kind → the numbers."""
    numbers: dict[tuple[str, Kind], list[int]] = defaultdict(list)
    for account, key in wanted:
        numbers[account, key.kind].append(key.id)
    return numbers


_IS_DECIDED = (
    select(decision_table.c.id)
    .where(decision_table.c.request_id == request_table.c.id)
    .correlate(request_table)
    .exists()
)


def _of_account(query: Select[Any], account: str | None) -> Select[Any]:
    query = query.select_from(request_table).join(provider_table, provider_table.c.id == request_table.c.provider_id)
    return query if account is None else query.where(provider_table.c.name == account)


_RECORDED: Select[Any] = (
    select(
        provider_table.c.name.label("account"),
        *(request_table.c.id, request_table.c.kind, request_table.c.pm_id, request_table.c.username),
        *(request_table.c.source, request_table.c.held_rule, request_table.c.held_since),
        *(request_table.c.first_seen, request_table.c.last_seen),
        *(decision_table.c.decided_at, decision_table.c.verdict, decision_table.c.rule, decision_table.c.reason),
    )
    .join_from(request_table, provider_table, provider_table.c.id == request_table.c.provider_id)
    .order_by(decision_table.c.id)
)
_BY_DECISION = _RECORDED.join(decision_table, decision_table.c.request_id == request_table.c.id).where(
    is_one_of(decision_table.c.id, id_list("decisions"))
)
_BY_KEY = _RECORDED.join(decision_table, decision_table.c.id == shown_decision()).where(
    provider_table.c.name == bindparam("account"),
    request_table.c.kind == bindparam("kind"),
    is_one_of(request_table.c.pm_id, id_list("numbers")),
)
_INVENTORY: Select[Any] = (
    select(inventory_table.c.pm_id, inventory_table.c.first_seen, inventory_table.c.ended_at)
    .join(provider_table, provider_table.c.id == inventory_table.c.provider_id)
    .where(
        provider_table.c.name == bindparam("account"),
        inventory_table.c.kind == bindparam("kind"),
        is_one_of(inventory_table.c.pm_id, id_list("numbers")),
    )
)


def _recorded(row: Row[Any]) -> RecordedRequest:
    kind = Kind(row.kind)
    request, hidden = _request(kind, row.source)
    since = row.held_since
    return RecordedRequest(
        number=row.id,
        account=row.account,
        key=RequestKey(kind, row.pm_id),
        username=row.username,
        request=request,
        hidden=hidden,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        decided_at=row.decided_at,
        verdict=Verdict(row.verdict),
        rule=row.rule,
        reason=ReasonKind(row.reason),
        held=None if since is None or since > row.decided_at else Held(row.held_rule, since),
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
    if not hidden:
        return request, hidden
    why = {f"custom.{name}": "the field was private, so the ledger has only a digest of its value" for name in hidden}
    return replace(request, faults={**request.faults, **why}), hidden
