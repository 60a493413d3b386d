"""Finds the ledger's rows for what pends now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection, Row, Select, bindparam, case, select, true

from pm_autoaccept.ledger.db.queries import chunks
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.outcome_groups import MAY_HAVE_TAKEN_EFFECT, UNSETTLED
from pm_autoaccept.model import Kind, Outcome, PendingRequest, RequestKey
from pm_autoaccept.record import request_digest

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
    # It may be gone by the reject of a request above it, without an answer of its own.
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
"""How a row stands, without what was asked: that is read by people, and rows are read by thousands."""

READS_UNTIL_GONE = 2
"""Whole reads that must miss a request before it counts as pending no more."""

MAX_RETRY_WAIT = timedelta(days=1)
"""To which the wait before an answer is tried again doubles."""


# Made once, as all that is asked for each answer: SQLAlchemy takes longer to make a query than SQLite to answer it.
_BY_KEY = (
    select(*STATE_COLUMNS)
    .where(
        request_table.c.provider_id == bindparam("provider"),
        request_table.c.kind == bindparam("kind"),
        request_table.c.pm_id.in_(bindparam("numbers", expanding=True)),
    )
    .order_by(request_table.c.id)
)
_BY_KEY_LOCKED = _BY_KEY.with_for_update()


def rows_by_key(
    connection: Connection, provider: int, keys: Iterable[RequestKey], *, lock: bool = False
) -> dict[RequestKey, list[RequestRow]]:
    """Every row that was ever made of these keys of a provider account, the oldest first.

    With `lock` no other transaction may change them until this one ends.
    """
    ids: dict[Kind, list[int]] = defaultdict(list)
    for key in set(keys):
        ids[key.kind].append(key.id)
    found: dict[RequestKey, list[RequestRow]] = defaultdict(list)
    for kind, numbers in ids.items():
        for some in chunks(numbers):
            said = {"provider": provider, "kind": kind, "numbers": some}
            for row in connection.execute(_BY_KEY_LOCKED if lock else _BY_KEY, said):
                found[RequestKey(kind, row.pm_id)].append(row)
    return found


class RowMatch(Enum):
    """How a pending element is related to the rows of its id."""

    SAME = "same"
    """It is this row's request: it pends, or it was answered and the list lags."""
    REOPENED = "reopened"
    """It is this row's request, which had ended without an answer of ours and has come back."""
    NEW = "new"
    """It has no row yet: it was never asked, or this is the next time."""


class MatchedRow(NamedTuple):
    """The row of a pending element; None where it is new."""

    row: RequestRow | None
    which: RowMatch

    @property
    def ended(self) -> bool:
        """Whether it was answered, by us or by others, and is listed all the same."""
        if self.row is None or self.which is not RowMatch.SAME:
            return False
        return self.row.outcome is not None and self.row.outcome not in UNSETTLED


def match_row(rows: Iterable[RequestRow], request: PendingRequest) -> MatchedRow:
    """Decide which row a pending element belongs to, of those with its id, the oldest first.

    Where an answer of ours may have taken effect, the same sender and created date are lag, however often the request
    disappears and whatever else it says now. It is the next time only after what we accepted is known to have ended.
    Without an answer of ours a return reopens its row. Without a created date, being absent in between decides.
    """
    rows, created = list(rows), with_zone(request.requested_at)
    if created is not None:
        answered = (row for row in reversed(rows) if row.may_have_taken_effect)
        lag = next((row for row in answered if same_request(row, request)), None)
        if lag is not None and lag.ended_at is None:
            return MatchedRow(lag, RowMatch.SAME)
        if lag is not None:
            rows = rows[rows.index(lag) + 1 :]
    digest = request_digest(request)
    row = next((row for row in reversed(rows) if row.content_digest == digest), None)
    if row is None:
        return MatchedRow(None, RowMatch.NEW)
    if row.outcome is None or row.outcome in UNSETTLED or row.absent_reads < READS_UNTIL_GONE:
        return MatchedRow(row, RowMatch.SAME)
    if created is None or row.may_have_taken_effect:
        return MatchedRow(None, RowMatch.NEW)
    return MatchedRow(row, RowMatch.REOPENED)


def same_request(row: RequestRow, request: PendingRequest) -> bool:
    """Whether a request with a row's id was sent at the same time by the same person, whatever else it says now.

    As far as both say who sent it: a masked row does not.
    """
    same_sender = row.sender_id is None or request.sender_id is None or row.sender_id == request.sender_id
    return bool(same_sender and row.requested_at == with_zone(request.requested_at))


def with_zone(moment: datetime | None) -> datetime | None:
    """A moment that says when it is; one without a zone does not."""
    return moment if moment is not None and moment.tzinfo is not None else None


def last_intent(connection: Connection, request: int) -> Row[Any]:
    """The last answer to a request that has one."""
    return connection.execute(answers_to(request).limit(1)).one()


def answers_to(request: int) -> Select[Any]:
    """A query for the answers to a request that were sent, or may have been, the last first."""
    mine = intent_table.c.request_id == request, intent_table.c.outcome != Outcome.NOT_SENT
    return select(intent_table).where(*mine).order_by(intent_table.c.id.desc())


def account_option(connection: Connection, provider: int) -> str | None:
    """The provider account's name, by which commands must be told it; None where the ledger has only one."""
    names = {row.id: row.name for row in connection.execute(select(provider_table.c.id, provider_table.c.name))}
    return names.get(provider) if len(names) > 1 else None
