"""What is explained of a request is what decides it: over policies and requests that are drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from hypothesis import given, seed, settings

from pm_autoaccept.model import Evidence, Truth
from pm_autoaccept.policy import Clause, RuleResult
from tests.forms import short_and_long
from tests.property.asked_of import Case, cases
from tests.property.budget import asked_for

ALL_MET = 300
"""So many cases meet all that a rule may come out as; fewer cannot show that nothing is missing."""

NOT_LOOKED_AT = (RuleResult.NOT_ON, RuleResult.NOT_ASKED)


def evidence_of(clause: Clause) -> Iterator[Evidence]:
    """Every test of a clause, in order."""
    yield from clause.tests
    for part in clause.parts:
        yield from evidence_of(part)


@short_and_long(100, ALL_MET)
def test_the_rule_that_decides_is_the_first_one_that_is_explained_so(tell: Callable[[str], None], tries: int) -> None:
    """Rules above it were false or not enforced; its tests are the decision's evidence; what lacks is counted."""
    met: Counter[str] = Counter()

    @seed(7)
    @settings(max_examples=asked_for(tries), database=None, deadline=None)
    @given(cases())
    def the_same(case: Case) -> None:
        judged = case.policy.judge(case.request, case.facts, case.tables)
        looked = case.policy.explain(case.request, case.facts, case.tables)
        assert [rule.id for rule in looked] == [rule.id for rule in case.policy.rules]
        came = [rule for rule in looked if rule.came in (RuleResult.TRUE, RuleResult.UNKNOWN)]
        assert [rule.id for rule in came if not rule.enforce] == [shadow.rule for shadow in judged.shadows]
        enforced = [rule for rule in came if rule.enforce]
        assert [rule.id for rule in enforced] == ([] if judged.rule is None else [judged.rule])
        for rule in enforced:
            assert tuple(test for clause in rule.clauses for test in evidence_of(clause)) == judged.evidence
            assert (rule.came is RuleResult.UNKNOWN) is bool(judged.unknown)
        for rule in looked:
            if rule.came not in NOT_LOOKED_AT:
                assert (rule.missing == 0) is (rule.came is RuleResult.TRUE)
                assert rule.missing == len(rule.lacking)
                assert all(test.truth is not Truth.TRUE for test in rule.lacking)
                met[str(rule.came)] += 1
        met["not looked at"] += sum(rule.came in NOT_LOOKED_AT for rule in looked)

    the_same()
    tell(f"explained: {', '.join(f'{count:,} {what}' for what, count in met.items())}")
    assert tries < ALL_MET or min(met[each] for each in ("true", "false", "unknown", "not looked at")) >= 10
