"""Refusals: which answers Portfolio Manager refused, and when or after which change they may be retried.

The rules are those of the design's failure table. A refusal with a retry time (403, 404, 429) keeps every answer back
until then. A refusal without one waits for a newer program version or for a change: of the note's template (400/-100),
or of the request (any other 4xx).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from pm_autoaccept.ledger.elapsed_time import Moment, is_due
from pm_autoaccept.ledger.outcome_groups import UNSETTLED
from pm_autoaccept.ledger.request_rows import RequestRow
from pm_autoaccept.model import Action, Change, LastAnswer, Outcome


def last_answer(answer: Row[Any], *, program: str) -> LastAnswer:
    """The last answer as plan needs it. What an older program version was refused, this version may send."""
    awaits = Change(answer.awaits) if answer.awaits and answer.program == program else None
    return LastAnswer(action=Action(answer.action), note=answer.note, template=answer.template, awaits=awaits)


def blocking_refusal(
    row: RequestRow | None,
    known: Sequence[RequestRow],
    *,
    answers: Mapping[int, Row[Any]],
    program: str,
    now: Moment,
) -> LastAnswer | None:
    """Find the refused answer that keeps a request back; None if there is none.

    Args:
        row: the request's row; None if it has none yet.
        known: all rows of its id, because a refusal also counts for an edited version of the request.
        answers: row number → the last answer that was sent; no entry if there is none.
        program: the version of this program.
        now: the current time by every clock.
    """
    later, the_same = row, True
    for each in reversed(known):
        own = row is not None and each.id == row.id
        the_same = the_same and (own or not _had_ended(each, later))
        later = each
        if own and each.outcome != Outcome.REFUSED:
            continue
        answer = answers.get(each.id)
        if answer is None or answer.outcome != Outcome.REFUSED:
            continue
        sent = last_answer(answer, program=program)
        if each.retry_not_before is not None:
            if not is_due(answer, each.retry_not_before, now):
                return sent
        elif answer.program != program:
            continue
        elif own or (sent.awaits is Change.NOTE and the_same):
            return sent
    return None


def _had_ended(earlier: RequestRow, later: RequestRow | None) -> bool:
    """Whether a request had ended before it was made again: then it is the next occurrence, not an edit."""
    settled = earlier.outcome is not None and earlier.outcome not in UNSETTLED
    return bool(settled and (later is None or earlier.outcome_at <= later.first_seen))
