"""Promise 1, and of promise 3 that each request is answered at most once, over worlds and policies that are drawn."""

from __future__ import annotations

from pm_autoaccept.model import Mode
from tests.forms import short_and_long
from tests.property.agreement import told, wrong
from tests.property.budget import asked_for, try_stories
from tests.property.cascades_seen import Tally
from tests.property.story import EVERY, Drawn, stories

ALL_MET = 120
"""So many stories meet every cascade; fewer cannot show that none is missing."""


@short_and_long(36, ALL_MET)
def test_nothing_is_accepted_that_was_not_decided_and_the_ledger_says_what_happened(happen, tell, tries):
    """Nothing is accepted, by an answer of ours or along with one, whose own verdict was not accept.

    Each request gets at most one answer, its own verdict; each reject is sent before what stands above it is rejected;
    and ledger, world and log agree request by request. Customers act between our read and our answer, and while we
    read; lists and answers fail. Only in that window, and only on what a customer touched in it, may more go through.
    """
    tally = Tally()

    def holds(drawn: Drawn) -> None:
        story = happen.run(drawn)
        broken = wrong(story)
        assert not broken, "\n".join([*broken, told(story)])
        tally.count(story)

    try_stories(holds, EVERY, stories=asked_for(tries))
    for line in tally.table():
        tell(line)
    assert tries < ALL_MET or not tally.rare(below=0.05), tally.table()


@short_and_long(8, 20)
def test_observing_sends_nothing_and_decides_the_same(happen, tries):
    """In observe mode the same looks send no POST at all, and the first decides and plans just what enforce would."""

    def holds(drawn: Drawn) -> None:
        observed, enforced = happen.run(drawn, mode=Mode.OBSERVE), happen.run(drawn)
        assert not observed.posts
        assert not observed.unprocessed
        assert {row.outcome for row in observed.rows} <= {
            None,
            *(row.outcome for row in observed.rows if not row.answer),
        }
        first, same = observed.looks[0].plan, enforced.looks[0].plan
        assert [(each.key, each.verdict, each.rule) for each in first.decisions] == [
            (each.key, each.verdict, each.rule) for each in same.decisions
        ]
        assert [(each.key, each.action) for each in first.steps] == [(each.key, each.action) for each in same.steps]

    try_stories(holds, stories, stories=tries)
