"""Counts what was answered within a limit's period: what was sent, whatever became of it, and what fell along.

An answer that was sent again counts when it was sent last: what was sent before was seen to have done nothing. Wall
clocks are set, so an answer counts as long as any clock puts it inside the period.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Subquery, func, literal, or_, select, union_all

from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import lift as lift_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.elapsed_time import Moment, Then
from pm_autoaccept.model import Action, Limit, Outcome, Tally


def tallies(connection: Connection, provider: int, limits: Iterable[Limit], *, now: Moment) -> tuple[Tally, ...]:
    """What counts at this moment for each limit that nobody has lifted."""
    limits = tuple(limits)
    lifted = _lifted(connection, provider, now=now) if limits else frozenset()
    return tuple(_tally(connection, provider, each, now=now) for each in limits if each.action not in lifted)


def counted(connection: Connection, provider: int, limit: Limit, *, now: Moment) -> tuple[int, int]:
    """How many answers of the limit's action, and of both actions, were sent within its period."""
    answers = _answers(provider, since=now.ago(limit.period))
    query = select(answers.c.action, func.count().label("answers")).group_by(answers.c.action)
    counts = {str(row.action): int(row.answers) for row in connection.execute(query)}
    return counts.get(limit.action, 0), sum(counts.values())


def _tally(connection: Connection, provider: int, limit: Limit, *, now: Moment) -> Tally:
    count, of = counted(connection, provider, limit, now=now)
    since = now.ago(limit.period)
    answers = _answers(provider, since=since)

    def oldest(sent_at: ColumnElement[datetime]) -> datetime | None:
        newest = select(sent_at.label("at")).where(answers.c.action == limit.action, sent_at.is_not(None))
        within = newest.order_by(sent_at.desc()).limit(limit.at_most).subquery("newest")
        found: datetime | None = connection.execute(select(func.min(within.c.at))).scalar_one()
        return found

    ours, theirs = oldest(answers.c.sent_at), None
    if ours is not None:
        ours += (now.at - limit.period) - since.ours  # by as much as our clock was set forward since
    if now.apart is not None and (there := oldest(answers.c.service_sent_at)) is not None:
        theirs = there - now.apart
    frees_from = max((each for each in (ours, theirs) if each is not None), default=None)
    return Tally(limit=limit, count=count, of=of, frees_from=frees_from)


def _lifted(connection: Connection, provider: int, *, now: Moment) -> frozenset[Action]:
    """The actions whose limits somebody has lifted until later, by every clock."""
    mine = select(provider_table.c.name).where(provider_table.c.id == provider).scalar_subquery()
    table = lift_table.c
    query = select(table.action).where(table.until > now.latest, or_(table.name.is_(None), table.name == mine))
    return frozenset(Action(action) for action in connection.execute(query).scalars())


def _answers(provider: int, *, since: Then) -> Subquery:
    """Every answer that was sent after this moment by any clock: its action, and when.

    What fell, or may fall, with a reject is a reject of the same moment, unless it got an answer of its own.
    """
    times = intent_table.c.sent_at, intent_table.c.service_sent_at
    later = intent_table.c.sent_at > since.ours
    if since.theirs is not None:
        later = or_(later, intent_table.c.service_sent_at > since.theirs)
    counts = request_table.c.provider_id == provider, intent_table.c.outcome != Outcome.NOT_SENT, later
    sent = (
        select(intent_table.c.action, *times)
        .join(request_table, request_table.c.id == intent_table.c.request_id)
        .where(*counts)
    )
    own = intent_table.alias("own")
    nothing_came = Outcome.REFUSED, Outcome.NOT_SENT
    answered_itself = select(own.c.id).where(own.c.request_id == request_table.c.id, own.c.outcome.not_in(nothing_came))
    fell = (
        select(literal(Action.REJECT.value), *times)
        .join(request_table, request_table.c.falls_with == intent_table.c.id)
        .where(*counts, ~answered_itself.exists())
    )
    return union_all(sent, fell).subquery("answer")
