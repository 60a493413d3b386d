"""Judges of answers by people: what was sent was answered by them, for that very request, and not taken back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pm_autoaccept.model import HumanAnswerState, Kind, RequestKey
from pm_autoaccept.simulator import State
from tests.property.endings import interfered, states
from tests.property.reads import Reads
from tests.property.story import Posted, Story, identity


def answers_by_people_are_their_own(story: Story) -> Iterator[str]:
    """Each POST that people decided is an answer that they recorded before, to this very request, and took not back."""
    for place, posted in story.posts:
        decision = story.looks[posted.look].decision(posted.key)
        if decision is None or decision.person is None:
            continue
        recorded = story.desk.recorded.get(decision.person.number)
        if recorded is None or recorded.place > place:
            yield f"{posted.key} was answered by people, and nobody had recorded an answer"
            continue
        if recorded.observed:
            yield f"{posted.key} was sent an answer that was recorded in observe mode"
        if (recorded.action, recorded.note) != (posted.action, posted.note):
            said = f"{recorded.action} {recorded.note!r}"
            yield f"{posted.key} was sent {posted.action} {posted.note!r}, and people said {said}"
        if recorded.request != story.meant(posted):
            yield f"the answer to {recorded.request} was used for {story.meant(posted)}"
        back = story.desk.taken_back.get(recorded.number)
        if back is not None and back < place:
            yield f"{posted.key} was sent an answer that had been taken back"


def one_answer_is_sent_once(story: Story) -> Iterator[str]:
    """One answer by people takes effect once at most, and what was sent says so in the ledger."""
    effects: Counter[int] = Counter()
    for _, posted in story.posts:
        decision = story.looks[posted.look].decision(posted.key)
        if decision is not None and decision.person is not None and posted.effects:
            effects[decision.person.number] += 1
    yield from (f"answer {number} took effect {count} times" for number, count in effects.items() if count > 1)
    for number in effects:
        if (state := story.desk.states[number]) is not HumanAnswerState.SENT:
            yield f"answer {number} took effect, and is {state} in the ledger"


def nothing_goes_along_that_was_not_shown(story: Story) -> Iterator[str]:
    """What an answer by people also answered or created is what they were shown, as far as anybody could know."""
    reads = Reads(story)
    for place, posted in story.posts:
        decision = story.looks[posted.look].decision(posted.key)
        if decision is None or decision.person is None:
            continue
        shown = {each.partition(" ")[0] for each in decision.person.goes_along}
        for effect in states(posted):
            key = RequestKey(Kind(effect.kind), effect.id)
            if key == posted.key or str(key) in shown:
                continue
            if effect.before == State.PENDING and not reads.known(posted.look, identity(posted.ties[key])):
                continue
            if not interfered(story, key, look=posted.look, place=place) and not _decided_itself(story, posted, key):
                yield f"{posted.action} of {posted.key} by people also took {key}, which they were not shown"


def _decided_itself(story: Story, posted: Posted, key: RequestKey) -> bool:
    """Whether the request had the same answer of its own in that look."""
    decision = story.looks[posted.look].decision(key)
    return decision is not None and decision.verdict == posted.action.lower()


JUDGES_OF_PEOPLE = (
    answers_by_people_are_their_own,
    one_answer_is_sent_once,
    nothing_goes_along_that_was_not_shown,
)
