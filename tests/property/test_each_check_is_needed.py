"""Each check of plan is needed: without it, the property of promise 1 breaks."""

from __future__ import annotations

from itertools import count

import pytest

from pm_autoaccept import plan
from tests.property.agreement import wrong
from tests.property.budget import try_stories
from tests.property.story import Drawn, lists_failing, stories, stories_where

CHECKS = [("BEFORE_ACCEPT", check) for check in plan.BEFORE_ACCEPT]
CHECKS += [("BEFORE_REJECT", check) for check in plan.BEFORE_REJECT]


class Broken(Exception):
    """A story in which the property does not hold."""


def first_broken(happen, among=stories) -> tuple[int, str]:
    """How many stories it took to break the property, and what broke; fails if none does."""
    tried = count(1)
    found = (0, "")

    def holds(drawn: Drawn) -> None:
        nonlocal found
        if broken := wrong(happen.run(drawn)):
            found = (next(tried), broken[0])
            raise Broken
        next(tried)

    with pytest.raises(Broken):
        try_stories(holds, among, stories=400, shrink=False)
    return found


@pytest.mark.parametrize(("table", "check"), CHECKS, ids=[check.__name__ for _, check in CHECKS])
def test_without_this_check_the_property_breaks(table, check, happen, tell, monkeypatch):
    """With just this check left out of plan, a story is found that breaks a promise."""
    monkeypatch.setattr(plan, table, tuple(each for each in getattr(plan, table) if each is not check))
    among = stories_where(lists_failing) if check is plan.children_are_known else stories
    stories_until, what = first_broken(happen, among)
    tell(f"without {check.__name__}: broken by story {stories_until}: {what}")


def test_without_knowing_what_falls_the_ledger_is_wrong(happen, tell, monkeypatch):
    """With plan not saying what falls along with a reject, the ledger claims that others answered it."""
    monkeypatch.setattr(plan, "_falls", lambda _key, _family: ())
    stories_until, what = first_broken(happen)
    tell(f"without _falls: broken by story {stories_until}: {what}")
