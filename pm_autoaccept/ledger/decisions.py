"""Appends decisions: a new row only if the verdict, rule, reason, notified group or shadows change."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select

from pm_autoaccept.errors import LedgerUnavailable
from pm_autoaccept.ledger.db.bulk_statements import BulkStatement
from pm_autoaccept.ledger.db.queries import last_numbers, last_of_each_request
from pm_autoaccept.ledger.db.tables import decision as decision_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.held_requests import KEPT_BACK_FOR_REVIEW
from pm_autoaccept.ledger.holds import WITHOUT_DOUBT, DecidedRow, record_holds
from pm_autoaccept.ledger.notices import NewHold, add_holds
from pm_autoaccept.ledger.request_rows import RequestRow, match_row, rows_by_key
from pm_autoaccept.model import Decision, KeptBack, Mode, NoticeTarget, Reason, Verdict
from pm_autoaccept.record import AppendedDecision


def record_decisions(
    connection: Connection,
    provider: int,
    decisions: Sequence[Decision],
    kept_back: Sequence[KeptBack],
    *,
    mode: Mode,
    at: datetime,
    targets: Collection[NoticeTarget] = (),
) -> list[AppendedDecision]:
    """Append the decisions that changed, to requests that `record_snapshot` recorded; returns those appended.

    Targets are told of requests that are newly held, if their rules name a group.
    """
    why = {kept.decision.key: kept.reason for kept in kept_back}
    rows = rows_by_key(connection, provider, (decision.key for decision in decisions))
    requests: list[tuple[RequestRow, Decision]] = []
    for decision in decisions:
        row = match_row(rows.get(decision.key, []), decision.request).row
        if row is None:
            raise LedgerUnavailable(f"internal error: {decision.key} was decided before it was recorded")
        requests.append((row, decision))
    last = last_decisions(connection, [row.id for row, _ in requests])
    new, decided = [], []
    appended: dict[int, Decision] = {}
    for row, decision in requests:
        back = why.get(decision.key)
        before = last.get(row.id)
        now = (
            *(decision.verdict, decision.rule, decision.reason.kind, back.kind if back else None, decision.tell),
            *(decision.answer_rule.by, decision.answer_rule.people),
        )
        tried = [[each.rule, each.verdict] for each in decision.shadows]
        changed = before is None or (_what_counts(before), _tried(before)) != (now, tried)
        if changed:
            new.append(decision_values(decision, row.id, back, mode=mode, at=at))
            appended[row.id] = decision
        decided.append(DecidedRow(row, before, decision, changed))
    record_holds(connection, decided, mode=mode, at=at)
    connection.execute(_MODE, {"provider": provider, "now": mode})
    _APPENDED.run(connection, new)
    if targets:
        holds = [hold for each in decided if (hold := _new_hold(each, why.get(each.decision.key))) is not None]
        add_holds(connection, provider, holds, targets, mode=mode, at=at)
    numbers = last_numbers(connection, _NEWEST, list(appended))
    return [AppendedDecision(decision, numbers[request]) for request, decision in appended.items()]


def _new_hold(decided: DecidedRow, back: Reason | None) -> NewHold | None:
    """What to tell a group of a request that now waits for a person; None if it did already, or no group is named."""
    row, before, decision = decided.row, decided.before, decided.decision
    kept_back = back is not None and back.kind in KEPT_BACK_FOR_REVIEW
    if not decided.new or decision.tell is None or not (decision.verdict is Verdict.HOLD or kept_back):
        return None
    if before is not None and before.reason not in WITHOUT_DOUBT:
        # It was only in doubt, for example because a table could not be read, and may have been held all the time.
        if row.held_since is not None and row.held_rule == decision.rule:
            return None
    elif before is not None and (before.rule, before.tell) == (decision.rule, decision.tell):
        waited = before.verdict == Verdict.HOLD or before.kept_back in KEPT_BACK_FOR_REVIEW
        if waited:
            return None
    reason = back if kept_back and back is not None else decision.reason
    return NewHold(request=row.id, rule=decision.rule, reason=reason.kind, reason_text=reason.text, group=decision.tell)


def _what_counts(row: Row[Any]) -> tuple[object, ...]:
    return row.verdict, row.rule, row.reason, row.kept_back, row.tell, row.answer_by, row.answer_people or 1


def _tried(row: Row[Any]) -> list[list[str]]:
    """What rules with `enforce: false` would have decided."""
    return [[rule, verdict] for rule, verdict, _ in row.shadows or ()]


def decision_values(
    decision: Decision, request: int, back: Reason | None, *, mode: Mode, at: datetime
) -> dict[str, object]:
    """The column values of a decision on the request with this row number."""
    return {
        "request_id": request,
        "decided_at": at,
        "mode": mode,
        "verdict": decision.verdict,
        "rule": decision.rule,
        "reason": decision.reason.kind,
        "reason_text": decision.reason.text,
        "kept_back": back.kind if back else None,
        "kept_back_text": back.text if back else "",
        "evidence": [[each.field, each.expected, each.found, each.truth] for each in decision.evidence],
        "unknown": list(decision.unknown),
        "note": decision.note,
        "policy_digest": decision.policy_digest,
        "sources": [[each.name, each.rows, each.digest] for each in decision.sources],
        "tell": decision.tell,
        "answer_by": decision.answer_rule.by,
        "answer_people": decision.answer_rule.people if decision.answer_rule.people > 1 else None,
        "shadows": [[each.rule, each.verdict, list(each.unknown)] for each in decision.shadows],
    }


def last_decisions(connection: Connection, requests: Iterable[int]) -> dict[int, Row[Any]]:
    """Request row number → its last decision."""
    return {row.request_id: row for row in connection.execute(_LAST, {"requests": list(requests)})}


_MODE = (
    provider_table.update()
    .where(provider_table.c.id == bindparam("provider"), provider_table.c.mode.is_distinct_from(bindparam("now")))
    .values(mode=bindparam("now"))
)
_APPENDED = BulkStatement(decision_table.insert())
_NEWEST = last_of_each_request(decision_table)
_LAST = select(decision_table).where(decision_table.c.id.in_(_NEWEST.with_only_columns(func.max(decision_table.c.id))))
