"""A policy that can be asked, and that can explain itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from pm_autoaccept.model import (
    Evidence,
    Fact,
    Facts,
    Kind,
    Limit,
    Need,
    NotLearnt,
    PendingRequest,
    PropertyShare,
    Reason,
    ReasonKind,
    Truth,
    Verdict,
)
from pm_autoaccept.policy.conditions import Comparison, Test
from pm_autoaccept.policy.durations import written_duration
from pm_autoaccept.policy.fields import ALL, SHARES, Field, held_for
from pm_autoaccept.policy.implied import fields_tested
from pm_autoaccept.policy.judging import Circumstances, Outcome, judge
from pm_autoaccept.policy.limits import DEFAULT_LIMITS
from pm_autoaccept.policy.notes import Note
from pm_autoaccept.policy.rules import Default, Rule
from pm_autoaccept.policy.sources import Source
from pm_autoaccept.policy.tables import Table

_OF_THE_REQUEST = frozenset({"account.id", "account.username", "account.connected"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a policy says of one request.

    Attributes:
        rule: the id of the rule that decided or stopped the search; None for the default.
        evidence: each test of that rule.
        unknown: the names of what could not be learnt.
        note: the note, rendered; None for none.
        accepts_unshared_property: this accepts, and rests on a plain test that `property.share` is `none`.
    """

    verdict: Verdict
    reason: Reason
    rule: str | None = None
    evidence: tuple[Evidence, ...] = ()
    unknown: tuple[str, ...] = ()
    note: str | None = None
    accepts_unshared_property: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy that has no faults.

    Attributes:
        digest: of the names and contents of its files.
        rules: in the order in which they are tried.
        default: what is said where none is true.
        sources: the data it declares, by name.
        limits: how many answers may leave within which periods.
        tests_not_run: names of its test files, which this version does not run.
    """

    digest: str
    rules: tuple[Rule, ...]
    default: Default
    sources: Mapping[str, Source]
    limits: tuple[Limit, ...] = DEFAULT_LIMITS
    tests_not_run: tuple[str, ...] = ()

    @property
    def holding_for_ever(self) -> tuple[str, ...]:
        """The ids of the rules that hold and say no end of it."""
        return tuple(rule.id for rule in self.rules if rule.then is Verdict.HOLD and rule.expire is None)

    @property
    def needs(self) -> frozenset[Need]:
        """The facts that its rules ask for beyond the pending lists."""
        return frozenset(need for field, on in self._asked() for need in _needs_of(field, on))

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields that its rules and notes ask for."""
        return frozenset(field.name for field, _ in self._asked())

    def _asked(self) -> Iterator[tuple[Field, frozenset[Kind]]]:
        """The fields that are asked for, and of which kinds of request."""
        yield from ((field, rule.on) for rule in self.rules for field in _fields(rule))
        yield from ((field, ALL) for note in _notes(self.default) for field in note.fields)

    def judge(self, request: PendingRequest, facts: Facts, tables: Mapping[str, Fact[Table]]) -> Judgement:
        """The verdict of the first rule that is true; a rule that is unknown stops the search and holds."""
        circumstances = Circumstances(request, facts, tables)
        for rule in self.rules:
            if request.kind not in rule.on:
                continue
            outcome = judge(rule.when, circumstances)
            if outcome.truth is Truth.UNKNOWN:
                return _stopped(rule, outcome)
            if outcome.truth is Truth.TRUE:
                return _decided(rule, outcome, circumstances)
        if (expired := _expired(self.default, None, circumstances)) is not None:
            return expired
        then, note = self.default.then, self.default.note
        text = "so people decide" if then is Verdict.HOLD else f"and the default says {then}"
        return Judgement(
            verdict=then,
            reason=Reason(ReasonKind.DEFAULT, f"No rule is true of it, {text}."),
            note=note.render(request, facts) if note else None,
        )


def _stopped(rule: Rule, outcome: Outcome) -> Judgement:
    names = tuple(dict.fromkeys(gap.name for gap in outcome.gaps))
    first = outcome.gaps[0]
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    text = f"Rule {rule.id} cannot be judged, because {first.name}{more} could not be learnt: {first.why}."
    return Judgement(
        verdict=Verdict.HOLD,
        reason=Reason(ReasonKind.UNKNOWN, text),
        rule=rule.id,
        evidence=outcome.evidence,
        unknown=names,
    )


def _decided(rule: Rule, outcome: Outcome, circumstances: Circumstances) -> Judgement:
    if (expired := _expired(rule, rule.id, circumstances)) is not None:
        return replace(expired, evidence=outcome.evidence)
    request, facts = circumstances.request, circumstances.facts
    true = [f"{each.field} is {each.expected}" for each in outcome.evidence if each.truth is Truth.TRUE]
    why = rule.about or " and ".join(true) or "it is true of every such request"
    # A negated test that names `none` is never true of a property that is not shared.
    unshared = any(map(_says_none, outcome.grounds)) and facts.property_share is PropertyShare.NONE
    return Judgement(
        verdict=rule.then,
        reason=Reason(ReasonKind.RULE, f"Rule {rule.id} says {rule.then}: {why.rstrip('.')}."),
        rule=rule.id,
        evidence=outcome.evidence,
        note=rule.note.render(request, facts) if rule.note else None,
        accepts_unshared_property=rule.then is Verdict.ACCEPT and unshared,
    )


def _expired(holder: Rule | Default, rule: str | None, circumstances: Circumstances) -> Judgement | None:
    """The reject of what just this rule (None: the default) has held for long enough; None where it has not.

    Where it is not known for how long, it goes on being held: doubt is hold.
    """
    expire, facts = holder.expire, circumstances.facts
    if expire is None or facts.held is None or isinstance(facts.held, NotLearnt) or facts.held.rule != rule:
        return None
    held = held_for(facts)
    if not isinstance(held, timedelta) or held < expire.after:
        return None
    who = "The default" if rule is None else f"Rule {rule}"
    length = written_duration(expire.after)
    text = f"{who} has held it for {written_duration(held)}, and rejects what it held for {length}."
    return Judgement(
        verdict=Verdict.REJECT,
        reason=Reason(ReasonKind.EXPIRED, text),
        rule=rule,
        note=expire.note.render(circumstances.request, facts) if expire.note else None,
    )


def _says_none(test: Test) -> bool:
    if not isinstance(test, Comparison):
        return False
    written = test.operator.name in {"equals", "in"} and PropertyShare.NONE.value in test.literals
    return test.field.name == "property.share" and written


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
