"""Loads the custom fields of accepted requests, so that policies with `taken` can find duplicate claims.

An old ledger has very many of them, so a process loads them once and keeps them (`KeptClaims`). A kept copy must never
miss a claim, because a duplicate could then be accepted. So triggers in the database note every change that may change
a claim in the table `claim_change`, whatever process makes it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, Text, and_, bindparam, cast, delete, func, or_, select

from pm_autoaccept.ledger.db.id_lists import id_list, is_one_of
from pm_autoaccept.ledger.db.tables import claim_change as change_table
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.outcome_groups import NO_EFFECT, TOOK_EFFECT
from pm_autoaccept.ledger.private_values import DIGEST_PREFIX
from pm_autoaccept.model import Action, Claim, CustomField, Kind, Outcome, RequestKey
from pm_autoaccept.policy.evaluation.custom_answers import name_key

_DOUBTS = {
    Outcome.OPEN: "it is not known yet whether it was accepted",
    Outcome.GONE: "nobody knows whether it was accepted",
    Outcome.SETTLED_ELSEWHERE: "it was answered elsewhere, and nobody knows how",
}
"""Outcomes after which a request may have been accepted, and what is uncertain about each."""

KEPT_TRANSACTIONS = 100_000
"""The changes of so many transactions are kept at least. A process that has not looked for longer loads all claims."""


class KeptClaims:
    """The claims of one account: loaded once, and brought up to date with each further look.

    Two rules make sure that no change is missed:

    - a look reads every change of a transaction that the previous look's snapshot could not see. In PostgreSQL a
      transaction with a lower number may commit after one with a higher number, so the look begins with the oldest
      transaction that was in progress then. In SQLite transactions commit in the order of their numbers;
    - if those changes may have been deleted, or if the database is an older copy, everything is loaded again.
    """

    def __init__(self) -> None:
        self._by_request: dict[int, tuple[Claim, ...]] = {}
        self._claims: tuple[Claim, ...] = ()
        self._unseen_from: int | None = None

    def look(self, connection: Connection, provider: int) -> tuple[Claim, ...]:
        """The claims of every request that was accepted, or may have been, even if it has ended since. Reads only."""
        unseen_from, known = first_unseen_transaction(connection), self._unseen_from
        self._unseen_from = None  # if this fails halfway, the next look loads everything
        if known is None or unseen_from < known or _may_have_been_deleted(connection, known):
            self._keep(_claims(connection, provider, None))
        else:
            changes = select(change_table.c.request_id).where(change_table.c.tx >= known).distinct()
            changed = list(connection.execute(changes).scalars())
            found = _claims(connection, provider, changed) if changed else {}
            if found != {request: self._by_request[request] for request in changed if request in self._by_request}:
                for request in changed:
                    self._by_request.pop(request, None)
                self._keep(self._by_request | found)
        self._unseen_from = unseen_from
        return self._claims

    def _keep(self, by_request: dict[int, tuple[Claim, ...]]) -> None:
        """Keep these claims, in the order of their requests."""
        self._by_request = dict(sorted(by_request.items()))
        self._claims = tuple(claim for claims in self._by_request.values() for claim in claims)


def first_unseen_transaction(connection: Connection) -> int:
    """The lowest number of a transaction that may have changes this transaction does not see. Reads only."""
    if connection.dialect.name == "postgresql":
        return _as_number(connection, func.pg_snapshot_xmin(func.pg_current_snapshot()))
    return int(connection.execute(select(func.coalesce(func.max(change_table.c.tx), 0))).scalar_one()) + 1


def prune_changes(connection: Connection) -> None:
    """Delete changes that every process has seen long ago, once there are many. The newest one always stays.

    It shows a process that has not looked for long that changes may have been deleted.
    """
    oldest, newest = connection.execute(_OLDEST).scalar(), connection.execute(_NEWEST).scalar()
    if oldest is None or newest is None:
        return
    now, table = first_unseen_transaction(connection), change_table.c
    if oldest < now - 2 * KEPT_TRANSACTIONS:
        connection.execute(delete(change_table).where(table.tx < min(now - KEPT_TRANSACTIONS, newest)))
    if connection.dialect.name == "postgresql":
        # Numbers that do not exist yet come from another server, whose data was restored here.
        next_number = _as_number(connection, func.pg_snapshot_xmax(func.pg_current_snapshot()))
        if newest >= next_number:
            connection.execute(delete(change_table).where(table.tx >= next_number))


_OLDEST = select(func.min(change_table.c.tx))
_NEWEST = select(func.max(change_table.c.tx))


def _as_number(connection: Connection, transaction: Any) -> int:  # noqa: ANN401 — a function of PostgreSQL
    return int(connection.execute(select(cast(cast(transaction, Text), BigInteger))).scalar_one())


def _may_have_been_deleted(connection: Connection, first: int) -> bool:
    """Whether changes from this transaction on may have been deleted: not while an older one is still there."""
    oldest = connection.execute(_OLDEST).scalar()
    return oldest is not None and oldest > first


def _claims(connection: Connection, provider: int, requests: Iterable[int] | None) -> dict[int, tuple[Claim, ...]]:
    """Request row number → its claims, for these requests or for all.

    A request that we did not answer may have been accepted by people in Portfolio Manager's own pages.
    """
    said = {"provider": provider} | ({} if requests is None else {"requests": requests})
    found: dict[int, list[Claim]] = defaultdict(list)
    for row in connection.execute(_ALL if requests is None else _SOME, said):
        if row.custom:
            found[row.id].append(_claim(row))
    return {request: tuple(claims) for request, claims in found.items()}


def _query() -> Any:  # noqa: ANN401 — a query of SQLAlchemy's own long type
    request, intent = request_table.c, intent_table.c
    by_us = and_(intent.action == Action.ACCEPT, intent.outcome.in_((*TOOK_EFFECT, *_DOUBTS)))
    by_others = and_(intent.id.is_(None), request.outcome == Outcome.SETTLED_ELSEWHERE)
    return (
        select(request.id, request.kind, request.pm_id, request.account_id, request.username, request.custom)
        .add_columns(request.masked_at, func.coalesce(intent.outcome, request.outcome).label("outcome"))
        .outerjoin(intent_table, and_(intent.request_id == request.id, intent.outcome.not_in(NO_EFFECT)))
        .where(or_(by_us, by_others))
        # Many requests have no custom fields, and need not be read.
        .where(cast(request.custom, Text) != "[]")
    )


_OURS = request_table.c.provider_id == bindparam("provider")
_ALL = _query().where(_OURS)
# With IS, SQLite does not search by the account, but by the requests' numbers.
_SOME = _query().where(is_one_of(request_table.c.id, id_list("requests")), _OURS.is_(True))


def known_answers(row: Row[Any]) -> tuple[tuple[CustomField, ...], frozenset[str]]:
    """The known custom fields of a row's request, and the names of those whose values are no longer known."""
    masked = row.masked_at is not None
    gone = {name for name, value in row.custom if masked or value.startswith(DIGEST_PREFIX)}
    known = tuple(CustomField(name, value) for name, value in row.custom if name not in gone)
    return known, frozenset(map(name_key, gone)) if gone else _NONE


_NONE: frozenset[str] = frozenset()


def _claim(row: Row[Any]) -> Claim:
    custom, unread = known_answers(row)
    return Claim(
        key=RequestKey(Kind(row.kind), row.pm_id),
        owner=row.account_id,
        username=row.username,
        custom=custom,
        unread=unread,
        doubt=_DOUBTS.get(Outcome(row.outcome)),
    )
