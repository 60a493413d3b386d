"""Limit usage: counts the answers sent within a limit's period, whatever their outcome, and the cascaded rejects.

Answers by people do not count.

An answer that was sent again counts at its last attempt, because the earlier ones were seen to have had no effect. Wall
clocks can be set, so an answer counts as long as any clock puts it inside the period.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    Subquery,
    and_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
)

from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import lifted_limit as lifted_limit_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.elapsed_time import Moment, PastMoment
from pm_autoaccept.ledger.outcome_groups import NO_EFFECT
from pm_autoaccept.model import Action, Limit, LimitUsage, Outcome

_ALL = 2**62
"""A LIMIT that leaves nothing out."""


def limit_usage(
    connection: Connection, provider: int, limits: Iterable[Limit], *, now: Moment
) -> tuple[LimitUsage, ...]:
    """The current usage of each limit that nobody has lifted."""
    limits = tuple(limits)
    lifted = _lifted_actions(connection, provider, now=now) if limits else frozenset()
    return tuple(_usage_of(connection, provider, each, now=now) for each in limits if each.action not in lifted)


def count_answers(connection: Connection, provider: int, limit: Limit, *, now: Moment) -> tuple[int, int]:
    """Count the answers of the limit's action, and of both actions, that were sent within its period."""
    since = now.ago(limit.period)
    row = connection.execute(_queries(since).number, _parameters(provider, limit, since)).one()
    return int(row.of_action or 0), int(row.of_both)


def _usage_of(connection: Connection, provider: int, limit: Limit, *, now: Moment) -> LimitUsage:
    count, of = count_answers(connection, provider, limit, now=now)
    since = now.ago(limit.period)
    queries = _queries(since)
    newest = _parameters(provider, limit, since) | {"at_most": _ALL if limit.at_most is None else limit.at_most}
    ours, theirs = connection.execute(queries.oldest, newest).scalar_one(), None
    if ours is not None:
        ours += (now.at - limit.period) - since.ours  # by as much as our clock was set forward since then
    if now.skew is not None and (there := connection.execute(queries.oldest_there, newest).scalar_one()) is not None:
        theirs = there - now.skew
    frees_from = max((each for each in (ours, theirs) if each is not None), default=None)
    return LimitUsage(limit=limit, count=count, of=of, frees_from=frees_from)


def _lifted_actions(connection: Connection, provider: int, *, now: Moment) -> frozenset[Action]:
    """The actions whose limits are lifted now, by every clock."""
    mine = select(provider_table.c.name).where(provider_table.c.id == provider).scalar_subquery()
    table = lifted_limit_table.c
    query = select(table.action).where(table.until > now.latest, or_(table.name.is_(None), table.name == mine))
    return frozenset(Action(action) for action in connection.execute(query).scalars())


class _Queries(NamedTuple):
    """Queries about the answers of a period, built once: limits are counted for every batch of answers.

    Attributes:
        number: how many answers there are of one action, and of both.
        oldest, oldest_there: by our clock and by the service's, when the oldest of the newest `at_most` answers of one
            action was sent.
    """

    number: Select[int, Any]
    oldest: Select[Any]
    oldest_there: Select[Any]


def _queries(since: PastMoment) -> _Queries:
    return _BY_OUR_CLOCK if since.theirs is None else _BY_BOTH_CLOCKS


def _parameters(provider: int, limit: Limit, since: PastMoment) -> dict[str, object]:
    return {"provider": provider, "of": limit.action, "ours": since.ours, "theirs": since.theirs}


def _answers(*within: ColumnElement[bool]) -> Subquery:
    """A query for the answers of a period: action and times.

    A request that fell, or may fall, with a reject counts as a reject at the same time, unless it got its own answer.

    Args:
        within: conditions for the answers within the period, which no answer meets twice. Each is a range of one index:
            with OR between the two clocks, SQLite reads all answers of the account.
    """
    return union_all(*(part for each in within for part in _sent(each))).subquery("answer")


def _sent(within: ColumnElement[bool]) -> tuple[Select[Any], Select[Any]]:
    """The answers that were sent, and the requests that fell with one of them."""
    table = intent_table.c
    times = table.sent_at, table.service_sent_at
    counts = (
        *(table.provider_id == bindparam("provider"), within, table.outcome != Outcome.NOT_SENT),
        table.human_answer_id.is_(None),
    )
    own = intent_table.alias("own")
    answered_itself = select(own.c.id).where(own.c.request_id == request_table.c.id, own.c.outcome.not_in(NO_EFFECT))
    fell = (
        select(literal(Action.REJECT.value), *times)
        .join(request_table, request_table.c.cascade_intent_id == table.id)
        .where(*counts, table.action == Action.REJECT, ~answered_itself.exists())
    )
    return select(table.action, *times).where(*counts), fell


def _built(*within: ColumnElement[bool]) -> _Queries:
    answers = _answers(*within)
    of: BindParameter[str] = bindparam("of")

    def oldest(sent_at: ColumnElement[datetime]) -> Select[Any]:
        sent = select(sent_at.label("at")).where(answers.c.action == of, sent_at.is_not(None))
        newest = sent.order_by(sent_at.desc()).limit(bindparam("at_most", type_=BigInteger)).subquery("newest")
        return select(func.min(newest.c.at))

    return _Queries(
        number=select(
            func.count().label("of_both"), func.sum(case((answers.c.action == of, 1), else_=0)).label("of_action")
        ),
        oldest=oldest(answers.c.sent_at),
        oldest_there=oldest(answers.c.service_sent_at),
    )


_OURS = intent_table.c.sent_at > bindparam("ours")
_ONLY_THEIRS = and_(intent_table.c.service_sent_at > bindparam("theirs"), _OURS.is_(False))
_BY_OUR_CLOCK = _built(_OURS)
_BY_BOTH_CLOCKS = _built(_OURS, _ONLY_THEIRS)
