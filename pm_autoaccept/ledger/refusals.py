"""Says what Portfolio Manager refused, and what must change before anything is sent again (design, the failure table).

A refusal with a time (403, 404, 429) keeps everything back until then, whatever changes. One without a time waits for a
newer program, or for what its row names: another template of the note (400/-100), or another request (any other 4xx).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from pm_autoaccept.ledger.elapsed_time import Moment, due
from pm_autoaccept.ledger.request_rows import UNSETTLED, RequestRow, answers_to
from pm_autoaccept.model import Action, Change, Outcome, Sent


def as_sent(answer: Row[Any], *, program: str) -> Sent:
    """An answer as plan must know it: what an older program was refused, this one may send."""
    awaits = Change(answer.awaits) if answer.awaits and answer.program == program else None
    return Sent(action=Action(answer.action), note=answer.note, template=answer.template, awaits=awaits)


def refusal(
    connection: Connection, row: RequestRow | None, known: Sequence[RequestRow], *, program: str, now: Moment
) -> Sent | None:
    """The answer that was refused, and that keeps a request back; None where none does.

    Args:
        connection: within a transaction.
        row: the request's; None where it has none yet.
        known: every row of its id: what was refused of a request counts for the same one in other words.
        program: this one's version.
        now: by every clock.
    """
    later, the_same = row, True
    for each in reversed(known):
        own = row is not None and each.id == row.id
        the_same = the_same and (own or not _had_ended(each, later))
        later = each
        if own and each.outcome != Outcome.REFUSED:
            continue
        answer = connection.execute(answers_to(each.id).limit(1)).one_or_none()
        if answer is None or answer.outcome != Outcome.REFUSED:
            continue
        sent = as_sent(answer, program=program)
        if each.again_after is not None:
            if not due(answer, each.again_after, now):
                return sent
        elif answer.program != program:
            continue
        elif own or (sent.awaits is Change.NOTE and the_same):
            return sent
    return None


def _had_ended(earlier: RequestRow, later: RequestRow | None) -> bool:
    """Whether a request had ended before it was asked again: that is no change of it, but the next time."""
    settled = earlier.outcome is not None and earlier.outcome not in UNSETTLED
    return bool(settled and (later is None or earlier.outcome_at <= later.first_seen))
