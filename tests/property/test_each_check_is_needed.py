"""Each check of plan is needed, and each mend: without it, the judge finds a story that breaks a promise."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import strategies as st

from pm_autoaccept import plan
from pm_autoaccept.ledger import history
from tests.property.agreement import wrong
from tests.property.budget import try_stories
from tests.property.story import Drawn, doubted, flapping, lists_failing, returning, stories, stories_where

pytestmark = pytest.mark.long
"""Every check takes up to 400 stories, and the promises themselves are tried without them."""

LEDGER = "pm_autoaccept.ledger"
CHECKS = [("BEFORE_ACCEPT", check) for check in plan.BEFORE_ACCEPT]
CHECKS += [("BEFORE_REJECT", check) for check in plan.BEFORE_REJECT]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """A mend that can be taken out again.

    Attributes:
        name: what it was for.
        out: where in the program something stands (module, name in it; a dotted one for an attribute of a class), and
            what stands there without the mend.
        among: the stories in which that is looked for.
    """

    name: str
    out: tuple[tuple[str, str, object], ...]
    among: st.SearchStrategy[Drawn]


def _no_second_read(*_arguments: object, **_named: object) -> tuple[()]:
    """What one read misses pends no more."""
    return ()


MENDS: tuple[Mend, ...] = (
    Mend(
        name="A1: what one read misses still pends",
        out=((f"{LEDGER}.history", "missed_once", _no_second_read),),
        among=flapping,
    ),
    Mend(
        name="A4: what was sent before stays in doubt",
        out=((f"{LEDGER}.outcomes", "_in_doubt", lambda _answer, _outcome: False),),
        among=doubted,
    ),
    Mend(
        name="A6: an id stands as its weakest element",
        out=((f"{LEDGER}.history", "_WEAKEST_FIRST", tuple(reversed(history._WEAKEST_FIRST))),),
        among=returning,
    ),
    Mend(
        name="A8: the same sender and date are lag",
        out=((f"{LEDGER}.request_rows", "same_request", lambda _row, _request: False),),
        among=flapping,
    ),
)
"""Each mend of what the ledger and the lists were wrong about, with what takes it out again."""


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
    monkeypatch.setattr(plan, "_cascaded", lambda _key, _state: ())
    stories_until, what = first_broken(happen)
    tell(f"without _cascaded: broken by story {stories_until}: {what}")


@pytest.mark.parametrize("mend", MENDS, ids=[mend.name for mend in MENDS])
def test_without_this_mend_the_property_breaks(mend, happen, tell, monkeypatch):
    """With just this mend taken out again, a story is found that breaks a promise."""
    for module, name, instead in mend.out:
        monkeypatch.setattr(f"{module}.{name}", instead)
    stories_until, what = first_broken(happen, mend.among)
    tell(f"without {mend.name}: broken by story {stories_until}: {what}")
