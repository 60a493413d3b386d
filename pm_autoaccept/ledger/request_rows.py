"""Request rows: finds the ledger row of a pending request, and tells lag, a reopened request and a new one apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, case, func, or_, select, true

from pm_autoaccept.ledger.db.id_lists import id_list, is_one_of
from pm_autoaccept.ledger.db.queries import of_any_account
from pm_autoaccept.ledger.db.tables import decision as decision_table
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.outcome_groups import MAY_HAVE_TAKEN_EFFECT, UNSETTLED
from pm_autoaccept.model import Kind, Outcome, PendingRequest, RequestKey

RequestRow: TypeAlias = Row[Any]

_WHAT_WAS_ASKED = {
    "username",
    "sender_username",
    "property_id",
    "access_level",
    "custom",
    "source",
}

_MAY_HAVE_TAKEN_EFFECT = case(
    (request_table.c.outcome.not_in(MAY_HAVE_TAKEN_EFFECT), False),
    # It may be gone because its parent request was rejected, without an answer of its own.
    (
        request_table.c.outcome == Outcome.GONE,
        select(intent_table.c.id)
        .where(intent_table.c.request_id == request_table.c.id, intent_table.c.outcome == Outcome.GONE)
        .correlate(request_table)
        .exists(),
    ),
    (request_table.c.outcome.is_not(None), true()),
    else_=False,
).label("may_have_taken_effect")
STATE_COLUMNS = [*(column for column in request_table.c if column.name not in _WHAT_WAS_ASKED), _MAY_HAVE_TAKEN_EFFECT]
"""The columns that describe a row's state, without the request's content. Such rows are read by the thousands."""

READS_UNTIL_GONE = 2
"""Whole reads that must miss a request before it counts as no longer pending."""

MAX_RETRY_WAIT = timedelta(days=1)
"""The upper limit of the wait before an answer is retried, which doubles each time."""


# Built once, like every query that runs for each answer: SQLAlchemy takes longer to build one than SQLite to run it.
_BY_KEY = (
    select(*STATE_COLUMNS)
    .where(
        request_table.c.provider_id == bindparam("provider"),
        request_table.c.kind == bindparam("kind"),
        is_one_of(request_table.c.pm_id, id_list("numbers")),
    )
    .order_by(request_table.c.id)
)
_LAST_DECISION = (
    select(func.max(decision_table.c.id))
    .where(decision_table.c.request_id == request_table.c.id)
    .correlate(request_table)
    .scalar_subquery()
    .label("last_decision")
)
_LOCKED_COLUMNS = (
    *("id", "pm_id", "content_digest", "sender_id", "requested_at", "absent_reads", "present_reads"),
    *("outcome", "outcome_at", "retry_not_before", "ended_at"),
)
_BY_KEY_LOCKED = (
    _BY_KEY.with_only_columns(
        *(request_table.c[name] for name in _LOCKED_COLUMNS), _MAY_HAVE_TAKEN_EFFECT, _LAST_DECISION
    )
).with_for_update()


def rows_by_key(
    connection: Connection, provider: int, keys: Iterable[RequestKey]
) -> dict[RequestKey, list[RequestRow]]:
    """All rows of these keys of a provider account, oldest first, with `STATE_COLUMNS`."""
    return _rows_by_key(connection, _BY_KEY, provider, keys)


def lock_rows(connection: Connection, provider: int, keys: Iterable[RequestKey]) -> dict[RequestKey, list[RequestRow]]:
    """All rows of these keys, oldest first, which no other transaction can change until this one ends.

    They have only the columns that tell whether a request was answered, because they are read for every answer, and
    the row number of the last decision.
    """
    return _rows_by_key(connection, _BY_KEY_LOCKED, provider, keys)


def _rows_by_key(
    connection: Connection, query: Select[Any], provider: int, keys: Iterable[RequestKey]
) -> dict[RequestKey, list[RequestRow]]:
    ids: dict[Kind, list[int]] = defaultdict(list)
    for key in set(keys):
        ids[key.kind].append(key.id)
    found: dict[RequestKey, list[RequestRow]] = defaultdict(list)
    for kind, numbers in ids.items():
        for row in connection.execute(query, {"provider": provider, "kind": kind, "numbers": numbers}):
            found[RequestKey(kind, row.pm_id)].append(row)
    return found


def has_one_of(keys: Iterable[RequestKey]) -> ColumnElement[bool]:
    """A condition for requests: the request has one of these keys, in any account."""
    ids: dict[Kind, list[int]] = defaultdict(list)
    for key in sorted(set(keys)):
        ids[key.kind].append(key.id)
    table = request_table.c
    each_kind = [(table.kind == kind) & is_one_of(table.pm_id, numbers) for kind, numbers in ids.items()]
    return of_any_account(table.provider_id) & or_(*each_kind)


def _is_replaced() -> ColumnElement[bool]:
    newer = request_table.alias("newer")
    same = [newer.c[name] == request_table.c[name] for name in ("provider_id", "kind", "pm_id")]
    later = select(newer.c.id).where(*same, newer.c.id > request_table.c.id, newer.c.absent_reads < READS_UNTIL_GONE)
    return later.correlate(request_table).exists()


IS_REPLACED = _is_replaced()
"""A condition for requests: the customer has changed the request or sent it again, so its id means a newer one."""


class RowMatch(Enum):
    """How a pending element relates to the rows of its id."""

    SAME = "same"
    """It is this row's request: still pending, or answered while the list lags."""
    REOPENED = "reopened"
    """It is this row's request, which had ended without an answer of ours and is pending again."""
    NEW = "new"
    """It has no row yet: it is a new request, or the next occurrence of one."""


class MatchedRow(NamedTuple):
    """The row of a pending element; None if it is new."""

    row: RequestRow | None
    which: RowMatch

    @property
    def ended(self) -> bool:
        """Whether it was answered, by us or by others, but is still listed."""
        if self.row is None or self.which is not RowMatch.SAME:
            return False
        return self.row.outcome is not None and self.row.outcome not in UNSETTLED


def match_row(rows: Iterable[RequestRow], request: PendingRequest) -> MatchedRow:
    """Decide which of the rows with its id, oldest first, a pending element belongs to.

    If one of our answers may have taken effect, an element with the same sender and created date is lag, however often
    it disappears and whatever its content. It is the next occurrence only once what we accepted is known to have
    ended. Without an answer of ours, a returning element reopens its row. Without a created date, it is a new
    occurrence if it was absent in between.
    """
    rows, created = list(rows), with_zone(request.requested_at)
    if created is not None:
        answered = (row for row in reversed(rows) if row.may_have_taken_effect)
        lag = next((row for row in answered if same_request(row, request)), None)
        if lag is not None and lag.ended_at is None:
            return MatchedRow(lag, RowMatch.SAME)
        if lag is not None:
            rows = rows[rows.index(lag) + 1 :]
    row = next((row for row in reversed(rows) if row.content_digest == request.content_digest), None)
    if row is None:
        return MatchedRow(None, RowMatch.NEW)
    if row.outcome is None or row.outcome in UNSETTLED or row.absent_reads < READS_UNTIL_GONE:
        return MatchedRow(row, RowMatch.SAME)
    if created is None or row.may_have_taken_effect:
        return MatchedRow(None, RowMatch.NEW)
    return MatchedRow(row, RowMatch.REOPENED)


def same_request(row: RequestRow, request: PendingRequest) -> bool:
    """Whether an element with a row's id has the same created date and sender, whatever its other content.

    The sender is compared only if both have one; a masked row has none.
    """
    same_sender = row.sender_id is None or request.sender_id is None or row.sender_id == request.sender_id
    return bool(same_sender and row.requested_at == with_zone(request.requested_at))


def with_zone(moment: datetime | None) -> datetime | None:
    """The moment if it has a time zone; otherwise None, because it is ambiguous."""
    return moment if moment is not None and moment.tzinfo is not None else None


def last_intent(connection: Connection, request: int) -> Row[Any]:
    """The last sent answer to a request that has one."""
    return connection.execute(answers_to(request).limit(1)).one()


def answers_to(request: int) -> Select[Any]:
    """A query for the answers to a request that were sent or may have been, latest first."""
    mine = intent_table.c.request_id == request, intent_table.c.outcome != Outcome.NOT_SENT
    return select(intent_table).where(*mine).order_by(intent_table.c.id.desc())


def account_option(connection: Connection, provider: int) -> str | None:
    """The account name that commands need as --account; None if the ledger has only one account."""
    names = {row.id: row.name for row in connection.execute(select(provider_table.c.id, provider_table.c.name))}
    return names.get(provider) if len(names) > 1 else None
