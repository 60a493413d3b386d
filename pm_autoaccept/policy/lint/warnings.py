"""Lint warnings about a policy that loads: rules never reached or never true, holds without expiry, unused data.

Every warning is certain.
"""

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
    """One warning: its code, for example `never-reached`, and where it is and what to do."""

    code: str
    fault: Fault


def warnings(policy: Policy, *, tables: Mapping[str, Fact[Table]], now: datetime) -> tuple[LintWarning, ...]:
    """All warnings about a policy that loads, in the order of its rules.

    Args:
        policy: the policy.
        tables: its data sources as read; a missing one is not checked.
        now: the current time, for `until`.
    """
    above = {kind: RulesAbove() for kind in Kind}
    found: list[LintWarning] = []
    for rule in policy.rules:
        condition = normal(rule.when)
        found.extend(_condition_warnings(rule, condition, above))
        found.extend(_time_warnings(rule, policy, now))
        # A rule that is not enforced shadows nothing, and one with `until` only temporarily.
        for kind in rule.on if rule.enforce and not rule.until else ():
            above[kind].add(rule.id, condition)
    found.extend(_data_warnings(policy, tables))
    return tuple(found)


def _warn(code: str, place: Place | None, message: str) -> LintWarning:
    return LintWarning(code, (place or _NOWHERE).fault(message))


def _condition_warnings(rule: Rule, condition: Normal, above: Mapping[Kind, RulesAbove]) -> Iterator[LintWarning]:
    """At most one kind of warning for each rule: one that is never true is also never reached."""
    impossible = tuple(_impossible_patterns(rule.when))
    for test in impossible:
        shown = test.literals[0].pattern
        message = f"no value of `{test.field.name}` can match `{shown}` here; check `clean`, capitals and length"
        yield _warn("pattern-matches-nothing", test.place, message)
    if impossible:
        return
    if never_true(condition):
        yield _warn("never-true", rule.place, f"rule {rule.id} can never match: its conditions contradict each other")
        return
    stops = {kind: above[kind].stopping(condition) for kind in rule.on}
    if dead := sorted(kind for kind, by in stops.items() if by):
        names = ", ".join(dict.fromkeys(name for kind in dead for name in stops[kind]))
        of = "" if len(dead) == len(stops) else f" for {listed(dead, 'and')} requests"
        message = f"rule {rule.id} is never reached{of}: all its matches are decided earlier, by {names}; move it up"
        yield _warn("never-reached", rule.place, message)


def _time_warnings(rule: Rule, policy: Policy, now: datetime) -> Iterator[LintWarning]:
    if rule.enforce and rule.then is Verdict.HOLD and rule.expire is None:
        message = (
            f"rule {rule.id} holds requests without a time limit, and their customers cannot send corrected requests "
            "meanwhile; add `expire: {after: 30d, then: reject}`"
        )
        yield _warn("hold-without-end", rule.place, message)
    if rule.until is not None and rule.until < now.astimezone(policy.time_zone).date():
        message = f"rule {rule.id} stopped applying after {rule.until}; remove it, or change `until`"
        yield _warn("until-passed", rule.place, message)


def _data_warnings(policy: Policy, tables: Mapping[str, Fact[Table]]) -> Iterator[LintWarning]:
    for name, table in tables.items():
        if not isinstance(table, NotLearnt) and not table.rows:
            yield _warn("empty-table", None, f"data {name} has no rows, so no lookup in it can match")
    used = lookups_by_source(policy.rules)
    for name, source in policy.sources.items():
        if name not in used:
            yield _warn("unused-data", None, f"data {name} is declared, but no rule uses it")
            continue
        read = tables.get(name)
        if isinstance(read, Table):
            never = impossible_key_check(source, used[name])
            keys = sorted(filter(never, read.keys))
            if keys:
                message = f"data {name}: {counted(len(keys), 'key')} can never match, for example {' '.join(keys[0])}"
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


def _impossible_patterns(condition: Condition) -> Iterator[Comparison]:
    """Patterns that nothing can match: no text that is possible after cleaning, or no value of a choice."""
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
