"""Limit usage: counts the answers sent within a limit's period, whatever their outcome, and the cascaded rejects.

An answer that was sent again counts at its last attempt, because the earlier ones were seen to have had no effect. Wall
clocks can be set, so an answer counts as long as any clock puts it inside the period.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Subquery, func, literal, or_, select, union_all

from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import lifted_limit as lifted_limit_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.elapsed_time import Moment, PastMoment
from pm_autoaccept.ledger.outcome_groups import NO_EFFECT
from pm_autoaccept.model import Action, Limit, LimitUsage, Outcome


def limit_usage(
    connection: Connection, provider: int, limits: Iterable[Limit], *, now: Moment
) -> tuple[LimitUsage, ...]:
    """The current usage of each limit that nobody has lifted."""
    limits = tuple(limits)
    lifted = _lifted_actions(connection, provider, now=now) if limits else frozenset()
    return tuple(_usage_of(connection, provider, each, now=now) for each in limits if each.action not in lifted)


def count_answers(connection: Connection, provider: int, limit: Limit, *, now: Moment) -> tuple[int, int]:
    """Count the answers of the limit's action, and of both actions, that were sent within its period."""
    answers = _answers(provider, since=now.ago(limit.period))
    query = select(answers.c.action, func.count().label("answers")).group_by(answers.c.action)
    counts = {str(row.action): int(row.answers) for row in connection.execute(query)}
    return counts.get(limit.action, 0), sum(counts.values())


def _usage_of(connection: Connection, provider: int, limit: Limit, *, now: Moment) -> LimitUsage:
    count, of = count_answers(connection, provider, limit, now=now)
    since = now.ago(limit.period)
    answers = _answers(provider, since=since)

    def oldest(sent_at: ColumnElement[datetime]) -> datetime | None:
        newest = select(sent_at.label("at")).where(answers.c.action == limit.action, sent_at.is_not(None))
        within = newest.order_by(sent_at.desc()).limit(limit.at_most).subquery("newest")
        found: datetime | None = connection.execute(select(func.min(within.c.at))).scalar_one()
        return found

    ours, theirs = oldest(answers.c.sent_at), None
    if ours is not None:
        ours += (now.at - limit.period) - since.ours  # by as much as our clock was set forward since then
    if now.apart is not None and (there := oldest(answers.c.service_sent_at)) is not None:
        theirs = there - now.apart
    frees_from = max((each for each in (ours, theirs) if each is not None), default=None)
    return LimitUsage(limit=limit, count=count, of=of, frees_from=frees_from)


def _lifted_actions(connection: Connection, provider: int, *, now: Moment) -> frozenset[Action]:
    """The actions whose limits are lifted now, by every clock."""
    mine = select(provider_table.c.name).where(provider_table.c.id == provider).scalar_subquery()
    table = lifted_limit_table.c
    query = select(table.action).where(table.until > now.latest, or_(table.name.is_(None), table.name == mine))
    return frozenset(Action(action) for action in connection.execute(query).scalars())


def _answers(provider: int, *, since: PastMoment) -> Subquery:
    """A query for the answers sent after this moment by any clock: action and times.

    A request that fell, or may fall, with a reject counts as a reject at the same time, unless it got its own answer.
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
    answered_itself = select(own.c.id).where(own.c.request_id == request_table.c.id, own.c.outcome.not_in(NO_EFFECT))
    fell = (
        select(literal(Action.REJECT.value), *times)
        .join(request_table, request_table.c.cascade_intent_id == intent_table.c.id)
        .where(*counts, ~answered_itself.exists())
    )
    return union_all(sent, fell).subquery("answer")
