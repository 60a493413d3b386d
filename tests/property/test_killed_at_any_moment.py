"""Promise 3, over worlds, policies, customers and moments of death that are drawn."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import strategies as st

from tests.forms import short_and_long
from tests.property.agreement import told, wrong
from tests.property.budget import asked_for, try_stories
from tests.property.dying import Boundary, Death
from tests.property.story import Drawn, stories

deaths = st.builds(
    Death,
    st.sampled_from((0, 0, 0, 1)),
    st.sampled_from((*Boundary, Boundary.INTEND, Boundary.ANSWER, Boundary.ANSWER, Boundary.CONCLUDE)),
    st.sampled_from((1, 1, 2, 3)),
    st.booleans(),
)


@short_and_long(40, 120)
def test_each_request_is_answered_at_most_once_and_the_ledger_says_what_happened(happen, tell, tries):
    """Each request is answered at most once, and the ledger says what happened.

    The process dies at any boundary of a cycle: before or after it records what it saw, what it decided, an intent, an
    answer on the wire, or what came of it. The next process goes on with the same ledger and world. After a few cycles
    ledger, world and log agree, and what was not known to have arrived was sent again, or is said to be unknown.
    """
    met: Counter[str] = Counter()

    def holds(drawn: Drawn) -> None:
        story = happen.run(drawn)
        broken = wrong(story)
        assert not broken, "\n".join([str(drawn.death), *broken, told(story)])
        met["stories"] += 1
        met["a process died"] += story.died
        met["an answer was processed, and its end never recorded"] += bool(story.lost)
        met["an answer was recorded and never left"] += bool(story.unprocessed)
        met["an answer was sent again"] += any(row.attempts > 1 for row in story.rows)

    dying = st.builds(lambda drawn, death: replace(drawn, death=death, failed=None), stories, deaths)
    try_stories(holds, dying, stories=asked_for(tries))
    for what, count in met.items():
        tell(f"killed at any moment: {what}: {count}")
    assert min(met.values()) >= 0.05 * met["stories"], met
    assert len(met) == 5
