"""How many stories a run tries, always the same ones: few in a plain run, more in `.ci/run`, many by hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.property.story import Drawn

ASKED = "PM_AUTOACCEPT_STORIES"
"""Environment variable: how many stories a run by hand tries, as 3000."""

AT_ONCE = 20
"""Hypothesis varies what it tried before: many runs of few stories meet more than one run of many."""


def try_stories(
    test: Callable[[Drawn], None],
    among: st.SearchStrategy[Drawn] | Sequence[st.SearchStrategy[Drawn]],
    *,
    stories: int,
    shrink: bool = True,
) -> None:
    """Let a test look at so many stories, by turns among several sorts of them.

    A story that it does not like is made small, then raised.
    """
    sorts = among if isinstance(among, Sequence) else (among,)
    at_once = min(AT_ONCE, max(1, stories // len(sorts)))
    for number in range(1, stories // at_once + 1):
        seed(number)(_few(at_once, shrink=shrink)(given(sorts[(number - 1) % len(sorts)])(test)))()


def _few(at_once: int, *, shrink: bool) -> settings:
    return settings(
        max_examples=at_once,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        # A story is large and runs a whole server: slow to draw and to run by nature.
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        print_blob=False,
    )


def asked_for(otherwise: int) -> int:
    """How many stories the environment asks for."""
    return int(os.environ.get(ASKED, otherwise))
