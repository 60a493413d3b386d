"""Run the test cases of a policy and report differences; no file or data source is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Held, NotLearnt, ReasonKind, Truth
from pm_autoaccept.policy.cases.case import Case
from pm_autoaccept.policy.cases.case_files import DEFAULT
from pm_autoaccept.policy.cases.requests import DERIVED_FIELDS, is_fact
from pm_autoaccept.policy.cases.taken import claims_of
from pm_autoaccept.policy.evaluation.judgement import Judgement, rule_outcome
from pm_autoaccept.policy.evaluation.request_view import RequestContext
from pm_autoaccept.policy.fields import CUSTOM, field_named, is_custom
from pm_autoaccept.policy.messages import listed
from pm_autoaccept.policy.policy import Policy

_NOBODY = "-"
"""An id that no rule has."""
_MAX_TESTS_SHOWN = 3
"""Tests of the expected rule that are shown for a failed case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """The result of a case.

    Attributes:
        fault: where and how the judgement differs from what was expected; None if the case passes.
    """

    case: Case
    judgement: Judgement
    fault: Fault | None = None


def run_cases(policy: Policy) -> tuple[CaseResult, ...]:
    """Run each case of a policy, in order."""
    return tuple(_run(case, policy) for case in policy.cases)


def rules_not_decided(policy: Policy, results: Iterable[CaseResult]) -> tuple[str, ...]:
    """The ids of the rules that decide no case (coverage); with `enforce: false`, that would decide none.

    A rule that holds only because it is unknown has not decided.
    """
    deciding = {ReasonKind.RULE, ReasonKind.EXPIRED}
    judgements = [result.judgement for result in results]
    decided = {judgement.rule for judgement in judgements if judgement.reason.kind in deciding}
    decided |= {shadow.rule for judgement in judgements for shadow in judgement.shadows if not shadow.unknown}
    return tuple(rule.id for rule in policy.rules if rule.id not in decided)


def _run(case: Case, policy: Policy) -> CaseResult:
    circumstances = _circumstances(case, policy)
    judgement = _judge(circumstances, policy)
    if case.held_for is not None and not isinstance(case.facts.now, NotLearnt):
        # First find the rule that holds the request; no condition depends on which rule that is.
        since = case.facts.now - case.held_for
        facts = replace(circumstances.facts, held=Held(_NOBODY, since))
        holding = _judge(replace(circumstances, facts=facts), policy)
        facts = replace(facts, held=Held(holding.rule, since))
        judgement = _judge(replace(circumstances, facts=facts), policy)
    return CaseResult(case=case, judgement=judgement, fault=_difference(case, judgement, circumstances, policy))


def _circumstances(case: Case, policy: Policy) -> RequestContext:
    """The circumstances of a case. Our account defines every custom field that the policy or the case names."""
    names = {name.removeprefix(prefix) for name in policy.fields for prefix in CUSTOM if name.startswith(prefix)}
    names |= {answer.name for answer in case.request.custom}
    stated = case.facts.defined
    defined = names if isinstance(stated, NotLearnt) else names | stated
    facts = replace(case.facts, defined=frozenset(defined))
    facts = replace(facts, claims=claims_of(policy.taken, case.taken, case.request, facts))
    return RequestContext(case.request, facts, case.tables, policy.time_zone)


def _judge(circumstances: RequestContext, policy: Policy) -> Judgement:
    return policy.judge(circumstances.request, circumstances.facts, circumstances.tables)


def _difference(case: Case, came: Judgement, circumstances: RequestContext, policy: Policy) -> Fault | None:
    """A fault with the expected and the actual result, at the first difference; None if there is none."""
    expect = case.expect
    differs = {
        "verdict": expect.verdict is not came.verdict,
        "rule": expect.rule != came.rule,
        "unknown": set(expect.unknown) != set(came.unknown),
        "note": expect.compares_note and expect.note != came.note,
    }
    different = [name for name, wrong in differs.items() if wrong]
    if not different:
        return None
    place = expect.places.get(different[0], expect.places["expect"])
    if different == ["note"]:
        message = f"expected {_note(expect.note)}, got {_note(came.note)}"
    else:
        wanted = _outcome(expect.verdict, expect.rule, expect.unknown)
        message = f"expected {wanted}, got {_outcome(came.verdict, came.rule, came.unknown)}: {came.reason.text}"
        message += _rule_difference(expect.rule, circumstances, policy) if differs["rule"] else ""
        message += _missing_inputs(case, came)
    return place.fault(f"case `{case.about}`: {message}")


def _outcome(verdict: str, rule: str | None, unknown: tuple[str, ...]) -> str:
    by = f"rule {rule}" if rule else f"the {DEFAULT}"
    return f"{verdict} by {by}" + (f" with {' and '.join(unknown)} unknown" if unknown else "")


def _note(note: str | None) -> str:
    return f"the note “{note}”" if note is not None else "no note"


def _rule_difference(rule: str | None, circumstances: RequestContext, policy: Policy) -> str:
    """Why the expected rule did not decide: its tests that are not true."""
    expected = next((each for each in policy.rules if each.id == rule), None)
    if expected is None:
        return ""
    if circumstances.request.kind not in expected.on:
        return f" Rule {expected.id} applies to {listed(sorted(expected.on), 'and')} requests only."
    outcome = rule_outcome(expected, circumstances)
    if outcome.truth is Truth.TRUE:
        return f" Rule {expected.id} matches too, but comes later."
    tests = [
        f"{test.field} should be {test.expected}, but is {'absent' if test.found is None else test.found}"
        for test in outcome.evidence
        if test.truth is not Truth.TRUE
    ]
    more = f" (and {len(tests) - _MAX_TESTS_SHOWN} more)" if len(tests) > _MAX_TESTS_SHOWN else ""
    return f" Rule {expected.id} is {outcome.truth}: {'; '.join(tests[:_MAX_TESTS_SHOWN])}{more}."


def _missing_inputs(case: Case, came: Judgement) -> str:
    """What the case must add so that nothing is unknown unexpectedly."""
    # A field with a value and an unknown test asks whether another owner has the same value.
    there = {test.field for test in came.evidence if test.truth is Truth.UNKNOWN and test.found is not None}
    unexpected = [name for name in came.unknown if name not in case.expect.unknown]
    give = [
        f"`taken: {{{name}: true}}`, or `false`, under `facts`"
        if name in there and is_custom(field_named(name))
        else _missing_input(name, case)
        for name in unexpected
    ]
    return f" The case must state everything that its rules test: add {' and '.join(give)}." if give else ""


def _missing_input(name: str, case: Case) -> str:
    if name == "now":
        return "`now`"
    if field_named(name) is None:
        return f"`{name}` under `data`"
    where = "facts" if is_fact(name, case.request.kind) else "request"
    return DERIVED_FIELDS.get(name, f"`{name}` under `{where}`")
