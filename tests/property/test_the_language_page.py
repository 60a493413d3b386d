"""The program's evaluator beside the language page, word by word, over policies and requests that are drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from pm_autoaccept.model import NotLearnt
from pm_autoaccept.policy import build_table, collect_claims, load
from pm_autoaccept.policy.operators import OPERATORS
from tests.forms import short_and_long
from tests.property import page
from tests.property.budget import asked_for
from tests.property.page_drawn import Question, questions
from tests.property.page_worlds import WHY


def answered(question: Question) -> tuple[object, ...]:
    """What the program says: verdict, rule, what is unknown, and what rules that are not enforced would have said."""
    policy = load({"policy.yaml": question.text.encode()})
    tables = {
        name: WHY if source.rows is page.OURS else build_table(policy.sources[name], source.rows)
        for name, source in question.world.sources.items()
    }
    asked = question.asked
    claims = asked.claims
    if not isinstance(claims, NotLearnt):
        claims = collect_claims(policy.taken, claims, missing=None if question.world.all_seen else WHY.why)
    judgement = policy.judge(asked.request, replace(asked.facts, claims=claims), tables)
    shadows = [(each.rule, each.verdict, frozenset(each.unknown)) for each in judgement.shadows]
    return judgement.verdict, judgement.rule, frozenset(judgement.unknown), shadows


def outcomes(condition: object, world: page.World) -> Iterator[tuple[str, str]]:
    """Each test outside of lookups, and each lookup, with how it comes out by itself."""
    if isinstance(condition, page.Not):
        yield from outcomes(condition.part, world)
    elif isinstance(condition, page.Group):
        for part in condition.parts:
            yield from outcomes(part, world)
    elif isinstance(condition, page.Parts):
        worlds = page.world_of_each(condition, world)
        yield condition.word, "absent" if worlds is None else _said(page.come_out(condition, world))
        for each in [] if worlds is None or isinstance(worlds, frozenset) else worlds:
            for operator, came in outcomes(condition.test, each):
                yield f"{condition.word} {operator}", came
    elif isinstance(condition, page.Lookup):
        yield "lookup", _said(page.row_of(condition, world))
        yield "lookup where", _said(page.come_out(condition, world))
    elif isinstance(condition, page.Test):
        yield condition.operator, _said(page.test(condition, world, None))


def _said(came: object) -> str:
    return "absent" if came is None else "unknown" if isinstance(came, frozenset) else "true" if came else "false"


AT_ONCE = 25
ALL_MET, ALL_PARTS_MET = 400, 1000
"""So many policies meet every outcome of every operator; fewer cannot show that none is missing."""
QUANTIFIERS = ("every", "some")
OUTCOMES = ("true", "false", "unknown", "absent")


def tried(questions: st.SearchStrategy[Question], times: int) -> tuple[Counter[str], set[tuple[str, str]]]:
    """The evaluator beside the page: what decided how often, and which operator came out how."""
    decided: Counter[str] = Counter()
    met: set[tuple[str, str]] = set()

    @settings(
        max_examples=AT_ONCE,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
    @given(questions)
    def agree(question: Question) -> None:
        expected = page.decided(question.rules, question.default, question.asked.request.kind, question.world)
        assert answered(question) == expected
        decided["a rule" if expected[1] and not expected[2] else "unknown" if expected[2] else "the default"] += 1
        for rule in question.rules:
            if question.asked.request.kind in rule.on:
                met.update(outcomes(rule.when, question.world))

    # Hypothesis varies what it tried before: many runs of few questions meet more than one run of many.
    for number in range(asked_for(times) // AT_ONCE):
        seed(number)(agree)()
    return decided, met


@short_and_long(100, ALL_MET)
def test_the_evaluator_does_what_the_page_says(tell, tries):
    """Verdict, rule and unknowns are those of the page, whatever a policy asks and a request says."""
    decided, met = tried(questions(), tries)
    tell(f"policies drawn: {', '.join(f'{count} decided by {what}' for what, count in decided.most_common())}")
    assert min(decided.values()) > sum(decided.values()) / 10
    if tries < ALL_MET:
        return
    every = {*OPERATORS, "in data", "lookup", "lookup where"}
    never = {(each, came) for each in every for came in OUTCOMES} - met
    assert never == {("present", "absent"), ("lookup where", "absent")}


@short_and_long(100, ALL_PARTS_MET)
def test_the_parts_of_an_answer_are_tested_as_the_page_says(tell, tries):
    """Each operator under `every` and under `some`, cleaned or not, plain or under `not`: as of a whole answer."""
    decided, met = tried(questions(("split", "split", "split", "not", "any")), tries)
    tell(f"policies with split: {', '.join(f'{count} decided by {what}' for what, count in decided.most_common())}")
    if tries < ALL_PARTS_MET:
        return
    every = {f"{word} {each}" for word in QUANTIFIERS for each in (*OPERATORS, "in data") if each not in QUANTIFIERS}
    never = {(each, came) for each in {*QUANTIFIERS, *every} for came in OUTCOMES} - met
    refused = {("every taken", came) for came in OUTCOMES}
    assert never == refused | {(f"{word} present", "absent") for word in QUANTIFIERS}
