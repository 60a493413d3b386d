"""Finding the rule that decides among the likely ones gives what asking all of them in order would give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, seed, settings

from pm_autoaccept.model import Truth
from pm_autoaccept.policy.evaluation.judgement import rule_outcome
from pm_autoaccept.policy.evaluation.request_view import RequestContext, RequestView
from pm_autoaccept.policy.evaluation.rule_index import CompiledRule, RuleIndex
from tests.forms import short_and_long
from tests.property.asked_of import Case, cases
from tests.property.budget import asked_for


def plain(search: RuleIndex) -> RuleIndex:
    """The same rules, all of which are asked, in order."""
    return replace(search, always=tuple(range(len(search.rules))), named=())


def in_order(case: Case) -> tuple[str | None, list[str]]:
    """The language page word by word: each rule in order, made ready by itself; the first that is not false."""
    circumstances = RequestContext(case.request, case.facts, case.tables, case.policy.time_zone)
    passed = []
    for rule in case.policy.rules:
        if case.request.kind in rule.on and rule_outcome(rule, circumstances).truth is not Truth.FALSE:
            if rule.enforce:
                return rule.id, passed
            passed.append(rule.id)
    return None, passed


def ids(found: tuple[CompiledRule | None, tuple[CompiledRule, ...]]) -> tuple[str | None, list[str]]:
    """The ids of what was found."""
    first, passed = found
    return None if first is None else first.rule.id, [each.rule.id for each in passed]


@short_and_long(100, 300)
def test_the_likely_rules_are_all_that_may_be_true(tell: Callable[[str], None], tries: int) -> None:
    """With the index and without it the same rule decides, and the same ones that are not enforced would have."""
    met: Counter[str] = Counter()

    @seed(7)
    @settings(max_examples=asked_for(tries), database=None, deadline=None)
    @given(cases())
    def the_same(case: Case) -> None:
        search = case.policy._indexes[case.request.kind]

        def view() -> RequestView:
            return RequestView(case.request, case.facts, case.tables, case.policy.time_zone)

        found = ids(search.first_match(view()))
        assert found == ids(plain(search).first_match(view()))
        assert found == in_order(case)
        judgement = case.policy.judge(case.request, case.facts, case.tables)
        assert (judgement.rule, [shadow.rule for shadow in judgement.shadows]) == found
        met["cases"] += 1
        met["with rules passed over"] += len(list(search._places(view()))) < len(search.rules)
        met["unknown"] += bool(judgement.unknown)
        met["decided by a rule"] += judgement.rule is not None

    the_same()
    tell(f"search: {', '.join(f'{count:,} {what}' for what, count in met.items())}")
    assert min(met.values()) >= met["cases"] // 20
