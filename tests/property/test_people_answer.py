"""Answers by people, over worlds, policies, customers, reviewers and moments of death that are drawn."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import strategies as st

from pm_autoaccept.model import AnswerStatus, HumanAnswerState, ReasonKind
from tests.forms import short_and_long
from tests.property.agreement import (
    JUDGES,
    no_cycle_failed,
    nothing_was_answered_twice,
    only_what_was_decided_was_sent,
    told,
)
from tests.property.answers_kept import JUDGES_OF_PEOPLE
from tests.property.budget import asked_for, try_stories
from tests.property.reviewers_acting import reviews
from tests.property.story import Drawn, stories
from tests.property.test_killed_at_any_moment import deaths

JUDGES_OF_A_DEATH = (only_what_was_decided_was_sent, nothing_was_answered_twice, no_cycle_failed)


@short_and_long(60, 200)
def test_what_people_answer_is_sent_once_for_that_very_request_or_not_at_all(happen, tell, tries):
    """Reviewers answer at any moment by what they saw, while customers act, the policy changes and processes die.

    Answered twice: never. Sent without an answer or a rule: never. An answer used for another request: never. Nothing
    goes along that neither policy nor people decided, except what the reviewer was shown.
    """
    met: Counter[str] = Counter()

    def holds(drawn: Drawn) -> None:
        story = happen.run(drawn)
        # Whether a death breaks anything else is what `test_killed_at_any_moment` asks.
        judges = (*JUDGES_OF_PEOPLE, *(JUDGES_OF_A_DEATH if story.died else JUDGES))
        broken = [f"{judge.__name__}: {what}" for judge in judges for what in judge(story)]
        assert not broken, "\n".join([str(drawn.death), *map(str, drawn.reviews), *broken, told(story)])
        decisions = [each for look in story.looks for each in look.plan.decisions]
        met["stories"] += 1
        met["people answered"] += bool(story.desk.recorded)
        sent = [posted for _, posted in story.posts if _by_people(story, posted)]
        met["an answer by people was sent"] += bool(sent)
        met["it went against the policy"] += any(each.person is not None for each in decisions)
        met["an answer was taken back"] += bool(story.desk.taken_back)
        met["an answer was stale or given already"] += any(
            status in (AnswerStatus.STALE, AnswerStatus.ANSWERED, AnswerStatus.NOT_PENDING)
            for status in story.desk.results
        )
        met["an answer was void"] += HumanAnswerState.VOID in story.desk.states.values()
        met["(more would have gone along)"] += any(
            kept.reason.kind is ReasonKind.ANSWER_VOID for look in story.looks for kept in look.plan.kept_back
        )
        met["a process died"] += story.died

    some_deaths = st.sampled_from((True, False)).flatmap(lambda dies: deaths if dies else st.none())
    answering = st.builds(
        lambda drawn, death, reviewed: replace(
            drawn, death=death, failed=drawn.failed if death is None else None, reviews=reviewed
        ),
        stories,
        some_deaths,
        reviews,
    )
    try_stories(holds, answering, stories=asked_for(tries))
    for what, count in met.items():
        tell(f"people answer: {what}: {count}")
    rare = ("stories", "(more would have gone along)")
    assert min(count for what, count in met.items() if what not in rare) >= 0.05 * met["stories"], met


def _by_people(story, posted) -> bool:
    decision = story.looks[posted.look].decision(posted.key)
    return decision is not None and decision.person is not None
