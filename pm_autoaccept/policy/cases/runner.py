"""The cases of a policy, tried: pure, without one file or source being read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Held, NotLearnt, ReasonKind, Truth
from pm_autoaccept.policy.cases.case import Case
from pm_autoaccept.policy.cases.case_files import DEFAULT
from pm_autoaccept.policy.cases.requests import DERIVED_FIELDS, is_fact
from pm_autoaccept.policy.cases.taken import claims_of
from pm_autoaccept.policy.evaluation.judgement import Judgement, look_at
from pm_autoaccept.policy.evaluation.request_view import Circumstances
from pm_autoaccept.policy.fields import CUSTOM, field_named, is_custom
from pm_autoaccept.policy.messages import listed
from pm_autoaccept.policy.policy import Policy

_NOBODY = "-"
"""The id of no rule."""
_MOST_TESTS = 3
"""Tests of the expected rule that a failing case shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What came of a case.

    Attributes:
        fault: where and how it differs from what was expected; None where it does not.
    """

    case: Case
    judgement: Judgement
    fault: Fault | None = None


def run_cases(policy: Policy) -> tuple[CaseResult, ...]:
    """Each case of a policy, tried, in order."""
    return tuple(_run(case, policy) for case in policy.cases)


def rules_not_decided(policy: Policy, results: Iterable[CaseResult]) -> tuple[str, ...]:
    """The ids of the rules that decide none of the cases, nor would have, for `enforce: false`.

    One that only stopped a search has decided nothing.
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
        # Held by the rule that holds it, which is asked first; no condition hangs on which rule that is.
        since = case.facts.now - case.held_for
        facts = replace(circumstances.facts, held=Held(_NOBODY, since))
        holding = _judge(replace(circumstances, facts=facts), policy)
        facts = replace(facts, held=Held(holding.rule, since))
        judgement = _judge(replace(circumstances, facts=facts), policy)
    return CaseResult(case=case, judgement=judgement, fault=_difference(case, judgement, circumstances, policy))


def _circumstances(case: Case, policy: Policy) -> Circumstances:
    """What the policy is asked of. Our account defines each custom field that the policy or the case names."""
    names = {name.removeprefix(prefix) for name in policy.fields for prefix in CUSTOM if name.startswith(prefix)}
    names |= {answer.name for answer in case.request.custom}
    said = case.facts.defined
    defined = names if isinstance(said, NotLearnt) else names | said
    facts = replace(case.facts, defined=frozenset(defined))
    facts = replace(facts, claims=claims_of(policy.taken, case.taken, case.request, facts))
    return Circumstances(case.request, facts, case.tables, policy.time_zone)


def _judge(circumstances: Circumstances, policy: Policy) -> Judgement:
    return policy.judge(circumstances.request, circumstances.facts, circumstances.tables)


def _difference(case: Case, came: Judgement, circumstances: Circumstances, policy: Policy) -> Fault | None:
    """What was expected and what came, at the first thing that differs."""
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
        told = f"expected {_note(expect.note)}; the customer reads {_note(came.note)}"
    else:
        wanted = _outcome(expect.verdict, expect.rule, expect.unknown)
        told = f"expected {wanted}; came out {_outcome(came.verdict, came.rule, came.unknown)}: {came.reason.text}"
        told += _why_not(expect.rule, circumstances, policy) if differs["rule"] else ""
        told += _what_to_give(case, came)
    return place.fault(f"case `{case.about}`: {told}")


def _outcome(verdict: str, rule: str | None, unknown: tuple[str, ...]) -> str:
    by = f"rule {rule}" if rule else f"the {DEFAULT}"
    return f"{verdict} by {by}" + (f" with {' and '.join(unknown)} unknown" if unknown else "")


def _note(note: str | None) -> str:
    return f"the note “{note}”" if note is not None else "no note"


def _why_not(rule: str | None, circumstances: Circumstances, policy: Policy) -> str:
    """The tests of the expected rule that are not true of the case."""
    expected = next((each for each in policy.rules if each.id == rule), None)
    if expected is None:
        return ""
    if circumstances.request.kind not in expected.on:
        return f" Rule {expected.id} is on {listed(sorted(expected.on))} requests only."
    outcome = look_at(expected, circumstances)
    if outcome.truth is Truth.TRUE:
        return f" Rule {expected.id} is true too, but stands below."
    tests = [
        f"{test.field} was to be {test.expected}, and is {'absent' if test.found is None else test.found}"
        for test in outcome.evidence
        if test.truth is not Truth.TRUE
    ]
    more = f" (and {len(tests) - _MOST_TESTS} more)" if len(tests) > _MOST_TESTS else ""
    return f" Rule {expected.id} is {outcome.truth}: {'; '.join(tests[:_MOST_TESTS])}{more}."


def _what_to_give(case: Case, came: Judgement) -> str:
    """What the case would have to say so that nothing is unknown that it does not expect to be."""
    # Whose value is there and whose test is unknown all the same asks whether another owner has it.
    there = {test.field for test in came.evidence if test.truth is Truth.UNKNOWN and test.found is not None}
    unexpected = [name for name in came.unknown if name not in case.expect.unknown]
    give = [
        f"`taken: {{{name}: true}}`, or `false`, under `facts`"
        if name in there and is_custom(field_named(name))
        else _to_say(name, case)
        for name in unexpected
    ]
    return f" A case says all that its rules ask for: give {' and '.join(give)}." if give else ""


def _to_say(name: str, case: Case) -> str:
    if name == "now":
        return "`now`"
    if field_named(name) is None:
        return f"`{name}` under `data`"
    where = "facts" if is_fact(name, case.request.kind) else "request"
    return DERIVED_FIELDS.get(name, f"`{name}` under `{where}`")
