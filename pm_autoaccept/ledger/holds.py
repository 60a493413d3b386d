"""Keeps by which rule a request is held in enforce mode, and since when: what `expire` counts from.

Time in which the rule could not be judged does not count: when the doubt is over, the beginning is that much later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row

from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.request_rows import RequestRow, chunks
from pm_autoaccept.model import Decision, Held, Mode, ReasonKind, Verdict

DecisionRow: TypeAlias = Row[Any] | None

_WITHOUT_DOUBT = (ReasonKind.RULE, ReasonKind.DEFAULT, ReasonKind.EXPIRED)


def held(row: RequestRow, before: DecisionRow, *, at: datetime) -> Held | None:
    """Who holds a request since when, None where nobody does.

    Args:
        row: the request's.
        before: its last decision.
        at: until when time in doubt is left out.
    """
    if row.held_since is None:
        return None
    in_doubt = before is not None and before.reason not in _WITHOUT_DOUBT
    return Held(row.held_rule, row.held_since + (at - before.decided_at) if before and in_doubt else row.held_since)


@dataclass(frozen=True, slots=True)
class Decided:
    """A request's row, its last decision, the one that was made now, and whether that is a new row."""

    row: RequestRow
    before: DecisionRow
    decision: Decision
    new: bool


def hold(connection: Connection, decided: Iterable[Decided], *, mode: Mode, at: datetime) -> None:
    """Record which requests are held from now on, which still are, and which are no more."""
    changed: dict[Held | None, list[int]] = defaultdict(list)
    for each in decided:
        was, now = held(each.row, None, at=at), _holds(each, mode=mode, at=at)
        if was != now:
            changed[now].append(each.row.id)
    for now, numbers in changed.items():
        values = {"held_rule": now and now.rule, "held_since": now and now.since}
        for some in chunks(numbers):
            connection.execute(request_table.update().where(request_table.c.id.in_(some)).values(**values))


def _holds(decided: Decided, *, mode: Mode, at: datetime) -> Held | None:
    """Who holds the request after this decision, as it is to be kept."""
    decision = decided.decision
    since = held(decided.row, decided.before if decided.new else None, at=at)
    if decision.reason.kind not in _WITHOUT_DOUBT:
        return since
    goes_on = decision.verdict is Verdict.HOLD or decision.reason.kind is ReasonKind.EXPIRED
    if goes_on and since is not None and since.rule == decision.rule:
        return since
    return Held(decision.rule, at) if decision.verdict is Verdict.HOLD and mode is Mode.ENFORCE else None
