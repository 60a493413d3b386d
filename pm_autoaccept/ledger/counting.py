"""Counts what was answered within a limit's period: intents, whatever became of them, and what fell along.

An answer that was sent again counts when it was sent last: what was sent before was seen to have done nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, Subquery, func, literal, or_, select, union_all

from pm_autoaccept.ledger.tables import intent as intent_table
from pm_autoaccept.ledger.tables import lift as lift_table
from pm_autoaccept.ledger.tables import provider as provider_table
from pm_autoaccept.ledger.tables import request as request_table
from pm_autoaccept.model import Action, Limit, Outcome, Tally


def tallies(connection: Connection, provider: int, limits: Iterable[Limit], *, at: datetime) -> tuple[Tally, ...]:
    """What counts at this moment for each limit that nobody has lifted."""
    limits = tuple(limits)
    lifted = _lifted(connection, provider, at=at) if limits else frozenset()
    return tuple(_tally(connection, provider, each, at=at) for each in limits if each.action not in lifted)


def counted(connection: Connection, provider: int, limit: Limit, *, at: datetime) -> tuple[int, int]:
    """How many answers of the limit's action, and of both actions, were sent within its period."""
    answers = _answers(provider, since=at - limit.period)
    query = select(answers.c.action, func.count().label("answers")).group_by(answers.c.action)
    counts = {str(row.action): int(row.answers) for row in connection.execute(query)}
    return counts.get(limit.action, 0), sum(counts.values())


def _tally(connection: Connection, provider: int, limit: Limit, *, at: datetime) -> Tally:
    count, of = counted(connection, provider, limit, at=at)
    answers = _answers(provider, since=at - limit.period)
    newest = (
        select(answers.c.sent_at)
        .where(answers.c.action == limit.action)
        .order_by(answers.c.sent_at.desc())
        .limit(limit.at_most)
        .subquery("newest")
    )
    oldest: datetime | None = connection.execute(select(func.min(newest.c.sent_at))).scalar_one()
    return Tally(limit=limit, count=count, of=of, frees_from=oldest)


def _lifted(connection: Connection, provider: int, *, at: datetime) -> frozenset[Action]:
    """The actions whose limits somebody has lifted until later."""
    mine = select(provider_table.c.name).where(provider_table.c.id == provider).scalar_subquery()
    table = lift_table.c
    query = select(table.action).where(table.until > at, or_(table.name.is_(None), table.name == mine))
    return frozenset(Action(action) for action in connection.execute(query).scalars())


def _answers(provider: int, *, since: datetime) -> Subquery:
    """Every answer that was sent after this moment: its action, and when.

    What fell, or may fall, with a reject is a reject of the same moment, unless it got an answer of its own.
    """
    sent = (
        select(intent_table.c.action, intent_table.c.sent_at)
        .join(request_table, request_table.c.id == intent_table.c.request_id)
        .where(request_table.c.provider_id == provider, intent_table.c.sent_at > since)
    )
    own = intent_table.alias("own")
    answered_itself = select(own.c.id).where(own.c.request_id == request_table.c.id, own.c.outcome != Outcome.REFUSED)
    fell = (
        select(literal(Action.REJECT.value), intent_table.c.sent_at)
        .join(request_table, request_table.c.falls_with == intent_table.c.id)
        .where(
            request_table.c.provider_id == provider,
            intent_table.c.sent_at > since,
            ~answered_itself.exists(),
        )
    )
    return union_all(sent, fell).subquery("answer")
