"""The judge of limits: which periods hold more answers than a policy allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from pm_autoaccept.model import Action, Limit

A_CYCLE = timedelta(seconds=20)
"""No cycle takes longer on the story's clock: between an intent and what the world makes of it lies less."""


def too_many(
    answers: Iterable[tuple[Action, datetime]], limits: Iterable[Limit], *, within: timedelta = timedelta()
) -> Iterator[str]:
    """Each period, shorter by `within`, that holds more answers of an action than a limit allows."""
    answers = list(answers)
    for limit in limits:
        moments = sorted(moment for action, moment in answers if action is limit.action)
        for place, last in enumerate(moments):
            period = [each for each in moments[: place + 1] if each > last - limit.period + within]
            if len(period) > limit.at_most:
                yield f"{len(period)} {limit.action}s within {limit.period} to {last}, and {limit.at_most} are allowed"
