"""Warnings about a policy that loads: what stands there in vain, or will wait for ever. Each of them is sure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Fact, Kind, NotLearnt, Verdict
from pm_autoaccept.policy.cleaning import Cleaning
from pm_autoaccept.policy.conditions import Comparison, Condition, Lookup, Not, SameAs, Split
from pm_autoaccept.policy.custom_fields.possible_answers import PossibleAnswers
from pm_autoaccept.policy.data.tables import Table
from pm_autoaccept.policy.fields import Field
from pm_autoaccept.policy.lint.implication import never_true
from pm_autoaccept.policy.lint.normal_form import Normal, normal
from pm_autoaccept.policy.lint.shadowing import RulesAbove
from pm_autoaccept.policy.lookup_keys import describe_lookups, impossible_key_check, lookups_by_source
from pm_autoaccept.policy.messages import counted, listed
from pm_autoaccept.policy.parser.source_text import Place
from pm_autoaccept.policy.policy import Policy
from pm_autoaccept.policy.rules import Rule
from pm_autoaccept.policy.values import FieldType

_NOWHERE = Place("", 0, 0, "")


@dataclass(frozen=True, slots=True)
class LintWarning:
    """One warning: its kind, as `never-reached`, and where it stands with what to do."""

    code: str
    fault: Fault


def warnings(policy: Policy, *, tables: Mapping[str, Fact[Table]], now: datetime) -> tuple[LintWarning, ...]:
    """Everything that is to be said of a policy without faults, in the order of its rules.

    Args:
        policy: it.
        tables: its data as read; what is not among them is not spoken of.
        now: the time, for `until`.
    """
    above = {kind: RulesAbove() for kind in Kind}
    told: list[LintWarning] = []
    for rule in policy.rules:
        condition = normal(rule.when)
        told.extend(_of_conditions(rule, condition, above))
        told.extend(_of_time(rule, policy, now))
        # A rule that is not enforced stops nothing, and one with `until` does so for a time only.
        for kind in rule.on if rule.enforce and not rule.until else ():
            above[kind].add(rule.id, condition)
    told.extend(_of_data(policy, tables))
    return tuple(told)


def _warn(code: str, place: Place | None, message: str) -> LintWarning:
    return LintWarning(code, (place or _NOWHERE).fault(message))


def _of_conditions(rule: Rule, condition: Normal, above: Mapping[Kind, RulesAbove]) -> Iterator[LintWarning]:
    """One warning of a rule is enough: what is never true is never reached either."""
    describe_lookups = tuple(_patterns_in_vain(rule.when))
    for test in describe_lookups:
        shown = test.literals[0].pattern
        message = f"no value of `{test.field.name}` can match `{shown}` here; check `clean`, capitals and length"
        yield _warn("pattern-matches-nothing", test.place, message)
    if describe_lookups:
        return
    if never_true(condition):
        yield _warn("never-true", rule.place, f"rule {rule.id} is never true: what it asks for excludes itself")
        return
    stops = {kind: above[kind].stopping(condition) for kind in rule.on}
    if dead := sorted(kind for kind, by in stops.items() if by):
        names = ", ".join(dict.fromkeys(name for kind in dead for name in stops[kind]))
        of = "" if len(dead) == len(stops) else f" by {listed(dead)} requests"
        message = f"rule {rule.id} is never reached{of}: what it is about is decided above it, by {names}; move it up"
        yield _warn("never-reached", rule.place, message)


def _of_time(rule: Rule, policy: Policy, now: datetime) -> Iterator[LintWarning]:
    if rule.enforce and rule.then is Verdict.HOLD and rule.expire is None:
        message = (
            f"what rule {rule.id} holds waits for people, however long, and its customer cannot send a corrected "
            "request meanwhile; say `expire: {after: 30d, then: reject}`"
        )
        yield _warn("hold-without-end", rule.place, message)
    if rule.until is not None and rule.until < now.astimezone(policy.time_zone).date():
        message = f"rule {rule.id} has not applied since {rule.until}; take it out, or give it another `until`"
        yield _warn("until-passed", rule.place, message)


def _of_data(policy: Policy, tables: Mapping[str, Fact[Table]]) -> Iterator[LintWarning]:
    for name, table in tables.items():
        if not isinstance(table, NotLearnt) and not table.rows:
            yield _warn("empty-table", None, f"data {name} has no rows, so nobody is found there")
    used = lookups_by_source(policy.rules)
    for name, source in policy.sources.items():
        if name not in used:
            yield _warn("unused-data", None, f"data {name} is declared, and no rule looks there")
            continue
        read = tables.get(name)
        if isinstance(read, Table):
            never = impossible_key_check(source, used[name])
            keys = sorted(filter(never, read.keys))
            if keys:
                message = f"data {name}: {counted(len(keys), 'key')} can never be found, as {' '.join(keys[0])}"
                yield _warn("key-in-vain", None, f"{message}: {describe_lookups(used[name])}")


def _tests(condition: Condition) -> Iterator[Comparison | SameAs | Lookup]:
    if isinstance(condition, Not):
        yield from _tests(condition.part)
    elif isinstance(condition, Split):
        yield from _tests(condition.test)
    elif isinstance(condition, Comparison | SameAs):
        yield condition
    elif isinstance(condition, Lookup):
        yield condition
        yield from _tests(condition.where)
    else:
        for part in condition.parts:
            yield from _tests(part)


def _patterns_in_vain(condition: Condition) -> Iterator[Comparison]:
    """Patterns that nothing can fit: no text that is left after cleaning, or none of a choice's values."""
    for test in _tests(condition):
        if not isinstance(test, Comparison) or test.operator.name != "matches":
            continue
        (pattern,) = test.literals
        if test.field.type is FieldType.CHOICE:
            fits = any(pattern.fullmatch(member) for member in test.field.members)
        else:
            clean = (*test.clean, *([Cleaning("fold_case")] if test.field.lower_case else []))
            form = test.field.form if isinstance(test.field, Field) else None
            texts = form.texts if form is not None else PossibleAnswers.anything()
            fits = texts.after(clean).may_fit(pattern.pattern)
        if not fits:
            yield test
