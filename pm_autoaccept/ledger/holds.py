"""Records which rule holds a request in enforce mode, and since when: the start of its `expire` period.

Time during which the rule could not be evaluated does not count: afterwards the start is moved later by that much.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row

from pm_autoaccept.ledger.db.id_lists import is_one_of
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.request_rows import RequestRow
from pm_autoaccept.model import Decision, Held, Mode, ReasonKind, Verdict

DecisionRow: TypeAlias = Row[Any] | None

WITHOUT_DOUBT = (ReasonKind.RULE, ReasonKind.DEFAULT, ReasonKind.EXPIRED)
"""Reasons of decisions whose rule is certain."""


def current_hold(row: RequestRow, before: DecisionRow, *, at: datetime) -> Held | None:
    """The rule that holds a request, and since when; None if it is not held.

    Args:
        row: the request's row.
        before: its last decision.
        at: the end of the time in doubt that does not count.
    """
    if row.held_since is None:
        return None
    in_doubt = before is not None and before.reason not in WITHOUT_DOUBT
    return Held(row.held_rule, row.held_since + (at - before.decided_at) if before and in_doubt else row.held_since)


@dataclass(frozen=True, slots=True)
class DecidedRow:
    """A request's row, its previous decision, its current decision, and whether that makes a new row."""

    row: RequestRow
    before: DecisionRow
    decision: Decision
    new: bool


def record_holds(connection: Connection, decided: Iterable[DecidedRow], *, mode: Mode, at: datetime) -> None:
    """Record which requests are newly held, still held, or no longer held."""
    changed: dict[Held | None, list[int]] = defaultdict(list)
    for each in decided:
        was, now = current_hold(each.row, None, at=at), _hold_after(each, mode=mode, at=at)
        if was != now:
            changed[now].append(each.row.id)
    for now, numbers in changed.items():
        values = {"held_rule": now and now.rule, "held_since": now and now.since}
        connection.execute(request_table.update().where(is_one_of(request_table.c.id, numbers)).values(**values))


def _hold_after(decided: DecidedRow, *, mode: Mode, at: datetime) -> Held | None:
    """The hold to store after this decision."""
    decision = decided.decision
    since = current_hold(decided.row, decided.before if decided.new else None, at=at)
    if decision.reason.kind not in WITHOUT_DOUBT:
        return since
    goes_on = decision.verdict is Verdict.HOLD or decision.reason.kind is ReasonKind.EXPIRED
    if goes_on and since is not None and since.rule == decision.rule:
        return since
    return Held(decision.rule, at) if decision.verdict is Verdict.HOLD and mode is Mode.ENFORCE else None
