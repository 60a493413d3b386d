"""The judgement of a rule or of the default: verdict, reason, note and evidence; also `expire` of held requests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from pm_autoaccept.model import (
    ANYBODY,
    AnswerRule,
    Evidence,
    NotLearnt,
    PropertyShare,
    Reason,
    ReasonKind,
    Shadow,
    Truth,
    Verdict,
)
from pm_autoaccept.policy.conditions import Comparison, Test
from pm_autoaccept.policy.durations import written_duration
from pm_autoaccept.policy.evaluation.compiler import Compiler
from pm_autoaccept.policy.evaluation.request_view import RequestContext, RequestView
from pm_autoaccept.policy.evaluation.rule_index import CompiledRule
from pm_autoaccept.policy.evaluation.truth import Outcome
from pm_autoaccept.policy.fields import held_for
from pm_autoaccept.policy.rules import Default, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a policy decides for one request.

    Attributes:
        rule: the id of the rule that decided or stopped the search; None for the default.
        evidence: the result of each test of that rule.
        unknown: the names of the fields and data sources that are unknown.
        note: the rendered note; None for none.
        template: identifies the template of the note.
        accepts_unshared_property: this accepts because of a plain test that `property.share` is `none`.
        tell: the group of people to notify, None for nobody.
        answer: who must answer the request, if a person does. It also applies to the reject of a hold that expired,
            because a person can still answer before that is sent.
        shadows: what the evaluated rules with `enforce: false` would have decided.
    """

    verdict: Verdict
    reason: Reason
    rule: str | None = None
    evidence: tuple[Evidence, ...] = ()
    unknown: tuple[str, ...] = ()
    note: str | None = None
    template: str | None = None
    accepts_unshared_property: bool = False
    tell: str | None = None
    answer: AnswerRule = ANYBODY
    shadows: tuple[Shadow, ...] = ()


def rule_outcome(rule: Rule, circumstances: RequestContext) -> Outcome:
    """Evaluate one rule: its conditions and its `until`."""
    return CompiledRule.of(rule, Compiler()).when.outcome(circumstances.view)


def default_judgement(default: Default, view: RequestView) -> Judgement:
    """The judgement if no rule matches."""
    if (expired := _expired(default, None, view)) is not None:
        return expired
    text = "held for review" if default.then is Verdict.HOLD else f"the default is {default.then}"
    return Judgement(
        verdict=default.then,
        reason=Reason(ReasonKind.DEFAULT, f"No rule matched; {text}."),
        note=default.note.render(view.request, view.facts) if default.note else None,
        template=default.note.digest if default.note else None,
        answer=default.answer,
    )


def rule_judgement(rule: Rule, outcome: Outcome, view: RequestView) -> Judgement:
    """The judgement of a rule that is true or unknown. An unknown rule holds."""
    return _stopped(rule, outcome) if outcome.truth is Truth.UNKNOWN else _decided(rule, outcome, view)


def _stopped(rule: Rule, outcome: Outcome) -> Judgement:
    names = tuple(dict.fromkeys(gap.name for gap in outcome.gaps))
    first = outcome.gaps[0]
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    text = f"Rule {rule.id} could not be evaluated because {first.name}{more} is unknown: {first.why}."
    return Judgement(
        verdict=Verdict.HOLD,
        reason=Reason(ReasonKind.UNKNOWN, text),
        rule=rule.id,
        evidence=outcome.evidence,
        unknown=names,
        answer=rule.answer,
    )


def _decided(rule: Rule, outcome: Outcome, view: RequestView) -> Judgement:
    if (expired := _expired(rule, rule.id, view)) is not None:
        return replace(expired, evidence=outcome.evidence, tell=rule.tell)
    request, facts = view.request, view.facts
    true = [f"{each.field} is {each.expected}" for each in outcome.evidence if each.truth is Truth.TRUE]
    why = rule.about or " and ".join(dict.fromkeys(true)) or "it matches every request of this kind"
    other = next(iter(outcome.others), None)
    # The owner's id, because it is kept when the ledger masks personal data.
    also = f" The same value is in {other.key} of account {other.owner}." if other is not None else ""
    # A negated test that names `none` is never true for a property that is not shared.
    unshared = any(map(_says_none, outcome.grounds)) and facts.property_share is PropertyShare.NONE
    return Judgement(
        verdict=rule.then,
        reason=Reason(
            ReasonKind.RULE,
            f"Rule {rule.id} matched ({rule.then}): {why.rstrip('.')}.{also}",
            other=other.key if other is not None else None,
        ),
        rule=rule.id,
        evidence=outcome.evidence,
        note=rule.note.render(request, facts) if rule.note else None,
        template=rule.note.digest if rule.note else None,
        accepts_unshared_property=rule.then is Verdict.ACCEPT and unshared,
        tell=rule.tell,
        answer=rule.answer,
    )


def _expired(holder: Rule | Default, rule: str | None, view: RequestView) -> Judgement | None:
    """The reject by `expire`, if this rule (None: the default) has held the request long enough; None otherwise.

    If it is unknown for how long, the request stays held: doubt means hold.
    """
    expire, facts = holder.expire, view.facts
    if expire is None or facts.held is None or isinstance(facts.held, NotLearnt) or facts.held.rule != rule:
        return None
    held = held_for(facts)
    if not isinstance(held, timedelta) or held < expire.after:
        return None
    who = "The default" if rule is None else f"Rule {rule}"
    length = written_duration(expire.after)
    text = f"{who} has held the request for {written_duration(held)}; it rejects requests held for {length}."
    return Judgement(
        verdict=Verdict.REJECT,
        reason=Reason(ReasonKind.EXPIRED, text),
        rule=rule,
        note=expire.note.render(view.request, facts) if expire.note else None,
        template=expire.note.digest if expire.note else None,
        answer=holder.answer,
    )


def _says_none(test: Test) -> bool:
    if not isinstance(test, Comparison):
        return False
    written = test.operator.name in {"equals", "in"} and PropertyShare.NONE.value in test.literals
    return test.field.name == "property.share" and written
