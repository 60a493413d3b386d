"""The loaded policy: judges a request by its rules, names the facts that they need, and explains each rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo

from pm_autoaccept.model import (
    Fact,
    Facts,
    Kind,
    Limit,
    Need,
    PendingRequest,
    Shadow,
    Verdict,
)
from pm_autoaccept.policy.analysis import comparisons, fields_tested
from pm_autoaccept.policy.cases.case import Case
from pm_autoaccept.policy.conditions import Comparison
from pm_autoaccept.policy.data.sources import Source
from pm_autoaccept.policy.data.tables import Table
from pm_autoaccept.policy.evaluation.compiler import Compiler
from pm_autoaccept.policy.evaluation.explanation import RuleExplanation, explain_rules
from pm_autoaccept.policy.evaluation.judgement import Judgement, default_judgement, rule_judgement
from pm_autoaccept.policy.evaluation.request_view import RequestContext, RequestView
from pm_autoaccept.policy.evaluation.rule_index import CompiledRule, RuleIndex
from pm_autoaccept.policy.fields import ALL, SHARES, Field
from pm_autoaccept.policy.limits import DEFAULT_LIMITS
from pm_autoaccept.policy.notes import Note
from pm_autoaccept.policy.rules import Default, Rule

_OF_THE_REQUEST = frozenset({"account.id", "account.username", "account.connected"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A valid policy.

    Attributes:
        digest: of the names and contents of its files.
        rules: in the order in which they are tried.
        default: applies if no rule matches.
        sources: the data sources it declares, by name.
        limits: how many answers may be sent per period.
        time_zone: the time zone of its dates.
        private: the names of custom fields that are never shown, as `name_key` writes them.
        cases: its tests, in the order of files and lines; `cases.runner` runs them.
    """

    digest: str
    rules: tuple[Rule, ...]
    default: Default
    sources: Mapping[str, Source]
    limits: tuple[Limit, ...] = DEFAULT_LIMITS
    time_zone: tzinfo = UTC
    private: frozenset[str] = frozenset()
    cases: tuple[Case, ...] = ()
    _indexes: Mapping[Kind, RuleIndex] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        compiler = Compiler()
        asked = [CompiledRule.of(rule, compiler) for rule in self.rules]
        indexes = {kind: RuleIndex.of(each for each in asked if kind in each.rule.on) for kind in Kind}
        object.__setattr__(self, "_indexes", indexes)

    @property
    def holding_for_ever(self) -> tuple[str, ...]:
        """The ids of the rules that hold requests without `expire`."""
        return tuple(rule.id for rule in self.rules if rule.enforce and rule.then is Verdict.HOLD and not rule.expire)

    @property
    def needs(self) -> frozenset[Need]:
        """The facts that its rules need in addition to the pending lists."""
        claims = frozenset({Need.CLAIMS} if self.taken else ())
        return claims | frozenset(need for field, on in self._asked() for need in _needs_of(field, on))

    @property
    def taken(self) -> tuple[Comparison, ...]:
        """Its `taken` tests: whether another owner has the same value."""
        tests = (test for rule in self.rules for test in comparisons(rule.when))
        return tuple(test for test in tests if test.operator.name == "taken")

    @property
    def told(self) -> frozenset[str]:
        """The groups of people that its rules notify (`tell`), or that must answer (`answer`)."""
        named = (name for rule in self.rules for name in (rule.tell, rule.answer.by))
        return frozenset(name for name in (*named, self.default.answer.by) if name is not None)

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields that its rules and notes use."""
        return frozenset(field.name for field, _ in self._asked())

    def _asked(self) -> Iterator[tuple[Field, frozenset[Kind]]]:
        """The fields in use, and the kinds of request that they are used for."""
        yield from ((field, rule.on) for rule in self.rules for field in _fields(rule))
        yield from ((field, ALL) for note in _notes(self.default) for field in note.fields)

    def judge(self, request: PendingRequest, facts: Facts, tables: Mapping[str, Fact[Table]]) -> Judgement:
        """The verdict of the first rule that matches. A rule that is unknown stops the search and holds the request.

        A rule with `enforce: false` never stops the search: what it would have decided is added to the judgement.
        """
        view = RequestView(request, facts, tables, self.time_zone)
        rule, passed = self._indexes[request.kind].first_match(view)
        judgement = (
            default_judgement(self.default, view)
            if rule is None
            else rule_judgement(rule.rule, rule.when.outcome(view), view)
        )
        if not passed:
            return judgement
        would = [rule_judgement(each.rule, each.when.outcome(view), view) for each in passed]
        return replace(judgement, shadows=tuple(Shadow(each.rule or "", each.verdict, each.unknown) for each in would))

    def deciding_rule(self, request: PendingRequest, facts: Facts, tables: Mapping[str, Fact[Table]]) -> Rule | None:
        """The rule that `judge` would decide by; None for the default."""
        rule, _ = self._indexes[request.kind].first_match(RequestView(request, facts, tables, self.time_zone))
        return None if rule is None else rule.rule

    def explain(
        self, request: PendingRequest, facts: Facts, tables: Mapping[str, Fact[Table]]
    ) -> tuple[RuleExplanation, ...]:
        """How each rule evaluates for a request, clause by clause, in order."""
        return explain_rules(self.rules, RequestContext(request, facts, tables, self.time_zone))


def _fields(rule: Rule) -> Iterator[Field]:
    yield from fields_tested(rule.when)
    for note in _notes(rule):
        yield from note.fields


def _notes(holder: Rule | Default) -> Iterator[Note]:
    yield from (note for note in (holder.note, holder.expire and holder.expire.note) if note)


def _needs_of(field: Field, on: frozenset[Kind]) -> Iterator[Need]:
    if field.name.startswith(("custom.", "connection.custom.", "property.custom.")):
        yield Need.CUSTOM_FIELDS
    if field.name.startswith("connection.custom."):
        yield Need.ANSWERS_AT_CONNECTION
    if field.name.startswith("account.") and field.name not in _OF_THE_REQUEST and on & SHARES:
        yield Need.ACCOUNTS
