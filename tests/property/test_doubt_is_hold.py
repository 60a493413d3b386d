"""Promise 2, over worlds, policies and doubts that are drawn."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from pm_autoaccept.simulator import Fault, FaultKind
from tests.forms import short_and_long
from tests.property.budget import asked_for, try_stories
from tests.property.story import Drawn, Story, stories

READ = (
    "list_pending_connections",
    "list_pending_properties",
    "list_pending_meters",
    "list_customers",
    "list_properties",
    "get_customer",
    "get_account_values",
    "list_custom_fields",
)
"""What a cycle reads before it answers."""

WAYS = (
    {"kind": FaultKind.STATUS, "status": 404},
    {"kind": FaultKind.STATUS, "status": 500},
    {"kind": FaultKind.HTML, "status": 200},
    {"kind": FaultKind.TRUNCATED},
    {"kind": FaultKind.RESET},
)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A service that answers nothing that can be believed, in the first cycle, in one of several ways."""

    service: str
    way: int
    cycle: int = 0
    answer: bool = False

    def fault(self) -> Fault:
        """The fault to put in force."""
        return Fault(service=self.service, **WAYS[self.way])


def sent(story: Story) -> dict[object, tuple[str, str | None]]:
    """What was answered in the first cycle."""
    return {posted.key: (posted.action, posted.note) for _, posted in story.posts if posted.look == 0}


@short_and_long(40, 100)
def test_doubt_is_hold(happen, tell, tries):
    """Doubt is hold: a list that is not whole, or a fact that could not be learnt, withholds answers and changes none.

    The same world is answered twice, once with a service that answers nothing believable. Every answer that is sent in
    doubt is the very one that is sent without; nothing of a list that failed is answered.
    """
    met: Counter[str] = Counter()

    def holds(drawn: Drawn) -> None:
        sure = happen.run(replace(drawn, failed=None))
        doubtful = happen.run(drawn)
        certain, doubted = sent(sure), sent(doubtful)
        other = {key: answer for key, answer in doubted.items() if certain.get(key) != answer}
        assert not other, f"{drawn.failed}: {other} instead of {certain}\n{drawn.policy.text}"
        failed = {pending.kind for pending in doubtful.looks[0].plan.not_whole}
        assert not [key for key in doubted if key.kind in failed]
        met["stories"] += 1
        met["answers were withheld"] += len(doubted) < len(certain)
        met["answers were sent in spite of the doubt"] += bool(doubted)

    doubts = st.builds(Doubt, st.sampled_from(READ), st.integers(0, len(WAYS) - 1))
    doubting = st.builds(lambda drawn, doubt: replace(drawn, failed=doubt, acts=()), stories, doubts)
    try_stories(holds, doubting, stories=asked_for(tries))
    for what, count in met.items():
        tell(f"doubt is hold: {what}: {count}")
    assert min(met.values()) >= 0.1 * met["stories"], met
