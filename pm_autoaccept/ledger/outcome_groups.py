"""Groups of outcomes: took effect, not settled yet, may have taken effect, had no effect."""

from __future__ import annotations

from pm_autoaccept.model import Outcome

TOOK_EFFECT = (Outcome.DONE, Outcome.DONE_INFERRED)
"""Portfolio Manager processed our answer."""

UNSETTLED = (Outcome.OPEN, Outcome.REFUSED)
"""The request is still waiting for an answer to end it."""

MAY_HAVE_TAKEN_EFFECT = (Outcome.DONE, Outcome.DONE_INFERRED, Outcome.OPEN, Outcome.GONE)
"""The answer was processed, or nobody knows that it was not."""

NO_EFFECT = (Outcome.REFUSED, Outcome.NOT_SENT)
"""The answer changed nothing in Portfolio Manager."""
