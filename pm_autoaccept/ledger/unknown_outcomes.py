"""Unknown outcomes: whether an answer without a response was done, is gone, or may be sent again.

The rule of unknowns (docs/architecture.md#rule-of-unknowns): two whole reads decide, the second at least `unknown_wait`
after the POST by every clock.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from pm_autoaccept.ledger.cascade import cascade_outcome
from pm_autoaccept.ledger.elapsed_time import UnknownWait, is_due
from pm_autoaccept.ledger.outcome_groups import UNSETTLED
from pm_autoaccept.ledger.request_rows import READS_UNTIL_GONE, RequestRow, last_intent
from pm_autoaccept.model import Action, Kind, NotLearnt, Outcome, PendingList, Snapshot

READS_UNTIL_REPEATED = 2
"""Whole reads after an answer of unknown outcome that must still show its request pending before it is repeated."""


def may_repeat(row: RequestRow, sent: Row[Any], *, read: datetime, unknown_wait: UnknownWait) -> bool:
    """Whether an open answer may be sent again, by the rule of unknowns.

    Two whole reads must still show the request pending. The second one (begun at `read`) must be so long after the
    answer was sent that it can no longer take effect, and after any retry time that the last attempt's refusal gave.
    """
    # While this answer has no result, the retry time is that of an earlier one, and has passed.
    waited = None in (row.retry_not_before, sent.outcome_at) or is_due(sent, row.retry_not_before, unknown_wait.now)
    shown = row.present_reads >= READS_UNTIL_REPEATED
    return bool(waited and shown and unknown_wait.allows_retry(sent, read=read))


def settled_outcome(
    connection: Connection,
    row: RequestRow,
    pending: PendingList,
    snapshot: Snapshot,
    *,
    reads: int,
    unknown_wait: UnknownWait,
) -> tuple[Outcome, str] | None:
    """The outcome of a request that is no longer pending; None if it is already known or cannot be known yet."""
    if row.outcome == Outcome.OPEN:
        sent = last_intent(connection, row.id)
        if reads < READS_UNTIL_GONE or not unknown_wait.is_over(sent, read=pending.begun):
            return None
        return _inferred_outcome(row, sent.action, snapshot)
    if row.outcome is not None and row.outcome not in UNSETTLED:
        return None
    if reads < READS_UNTIL_GONE:
        return None
    unexplained = Outcome.SETTLED_ELSEWHERE, "it is no longer pending, and none of our answers explains it"
    return cascade_outcome(connection, row) or unexplained


def _inferred_outcome(row: RequestRow, action: str, snapshot: Snapshot) -> tuple[Outcome, str]:
    """Infer the outcome of an open answer from whether Portfolio Manager shows the connection or share."""
    shown = False
    if action == Action.ACCEPT and row.kind == Kind.CONNECTION:
        shown = not isinstance(snapshot.connected, NotLearnt) and row.pm_id in snapshot.connected
    elif action == Action.ACCEPT and row.kind == Kind.PROPERTY:
        shared = snapshot.shared_properties.get(row.account_id)
        shown = shared is not None and not isinstance(shared, NotLearnt) and row.pm_id in shared
    if shown:
        return Outcome.DONE_INFERRED, "our accept got no response, but Portfolio Manager shows its effect"
    return Outcome.GONE, "our answer got no response; the request is no longer pending, because of us or somebody else"
