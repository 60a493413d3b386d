"""Prints why a request was decided as it was: the decision, the nearest rule, and each rule and test in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from pm_autoaccept.cli.output.tables import colored
from pm_autoaccept.cli.support.preview import Preview, planned_answers
from pm_autoaccept.model import Decision, Evidence, NotLearnt, ReasonKind, Truth, Verdict
from pm_autoaccept.policy import Clause, RuleExplanation, RuleResult, nearest_rule
from pm_autoaccept.policy.durations import written_duration
from pm_autoaccept.policy.messages import counted
from pm_autoaccept.telemetry.terminal import printable

_NOT_LOOKED_AT = (RuleResult.NOT_ON, RuleResult.NOT_ASKED)


def rules_evaluated(preview: Preview, decision: Decision) -> tuple[tuple[RuleExplanation, ...], RuleExplanation | None]:
    """The result of every rule; and, for a request that is held for review, the nearest accepting or rejecting rule.

    Empty if the policy was not evaluated.
    """
    if decision.facts is None:
        return (), None
    rules = preview.policy.explain(decision.request, decision.facts, preview.tables)
    held = decision.verdict is Verdict.HOLD and decision.reason.kind in (ReasonKind.RULE, ReasonKind.DEFAULT)
    return rules, nearest_rule(rules) if held else None


def print_explanation(out: Console, preview: Preview, decision: Decision) -> None:
    """Print one decision with its explanation."""
    request = decision.request
    rules, near = rules_evaluated(preview, decision)
    owner = f"{printable(request.username or 'an unnamed owner')} (account {request.account_id or 'unknown'})"
    out.print(Text(f"{decision.key} of {owner}", style="bold"))
    head = Grid.grid(padding=(0, 2, 0, 0))
    head.add_column(no_wrap=True)
    head.add_column(overflow="fold")
    for name, text in _head(preview, decision, near=near):
        head.add_row(name, text)
    out.print(head)
    if near is not None:
        for clause in near.lacking:
            out.print(Padding(_lines((clause,)), (0, 0, 0, 9), expand=False))
    if rules:
        out.print("\nRules, in order of evaluation:\n")
        _print_rules(out, rules, decision)
    out.print()


def data_used(preview: Preview, decision: Decision) -> Iterator[dict[str, object]]:
    """Each data source of the policy: rows, digest, date and age; or why it is not available."""
    now = None if decision.facts is None else decision.facts.now
    for name, table in sorted(preview.tables.items()):
        dated = preview.dated.get(name)
        age = round((now - dated).total_seconds()) if isinstance(now, datetime) and dated is not None else None
        if isinstance(table, NotLearnt):
            yield {"name": name, "why_not": table.why}
        else:
            yield {"name": name, "rows": table.rows, "digest": table.digest, "dated": dated, "age_seconds": age}


def _data(used: dict[str, Any]) -> str:
    if "why_not" in used:
        return f"{used['name']}: not available: {used['why_not']}"
    age = used["age_seconds"]
    old = "" if age is None else f", {written_duration(timedelta(seconds=age))} old"
    return f"{used['name']}: {counted(used['rows'], 'row')}{old}, digest {used['digest'][:12]}"


def _head(preview: Preview, decision: Decision, *, near: RuleExplanation | None) -> Iterator[tuple[str, Text]]:
    """The decision, line by line."""
    yield "verdict", Text.assemble(colored(str(decision.verdict)), f" by {_by(decision)}")
    yield "reason", _text(decision.reason.text)
    yield "plan", _text(planned_answers(preview.plan)[decision.key].text)
    if decision.note:
        yield "note", _text(decision.note)
    if decision.tell:
        yield "notify", _text(f"{decision.tell}, once")
    for shadow in decision.shadows:
        why = f" (unknown: {', '.join(shadow.unknown)})" if shadow.unknown else ""
        yield "shadow", _text(f"rule {shadow.rule} (not enforced) would {shadow.verdict}{why}")
    for used in data_used(preview, decision):
        yield "data", _text(_data(used))
    if near is not None:
        yield "nearest", _text(f"{near.id} would {near.then} it if this were different:")


def _by(decision: Decision) -> str:
    return f"rule {decision.rule}" if decision.rule else "no rule"


def _print_rules(out: Console, rules: Sequence[RuleExplanation], decision: Decision) -> None:
    for came, some in groupby(rules, key=lambda rule: rule.came if rule.came in _NOT_LOOKED_AT else None):
        listed = tuple(some)
        if came is None:
            for rule in listed:
                _print_rule(out, rule)
            continue
        names = ", ".join(rule.id for rule in listed)
        why = (
            f"not on {decision.key.kind} requests"
            if came is RuleResult.NOT_ON
            else f"not evaluated after {decision.rule}"
        )
        out.print(Text(f"{why}: {names}", style="dim"))


def _print_rule(out: Console, rule: RuleExplanation) -> None:
    tried = "" if rule.enforce else " (not enforced)"
    over = ": its last day has passed" if rule.came is RuleResult.OVER else ""
    came = _colored_truth("false" if over else str(rule.came))
    out.print(Text.assemble((rule.id, "bold"), f", {rule.then}{tried}: ", came, over))
    clauses = _lines(rule.clauses) if rule.clauses else Text("always", style="dim")
    out.print(Padding(clauses, (0, 0, 0, 2), expand=False))


def _lines(clauses: Iterable[Clause]) -> Grid:
    """Clauses line by line: the result, then what was expected and found."""
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, width=len("unknown"))
    grid.add_column(overflow="fold")
    for clause in clauses:
        if clause.group is not None:
            grid.add_row(_colored_truth(str(clause.truth)), Text(f"{clause.group} these:"))
            grid.add_row("", _lines(clause.parts))
            continue
        for test in _each_once(clause.tests):
            grid.add_row(_colored_truth(str(test.truth)), _text(_test_text(test)))
        for gap in clause.gaps:
            grid.add_row("", _text(f"{gap.name} is unknown: {gap.why}"))
    return grid


def _each_once(tests: Sequence[Evidence]) -> Sequence[Evidence]:
    """The tests; two fields that must be the same are merged into one line with both values."""
    if len(tests) != 2 or f"the same as {tests[1].field}" not in tests[0].expected:  # noqa: PLR2004 - one field beside another
        return tests
    one, other = tests
    beside = other.found or ("unknown" if other.truth is Truth.UNKNOWN else "nothing")
    return (replace(one, expected=f"{one.expected}, which is {beside}"),)


def _test_text(test: Evidence) -> str:
    found = test.found or ("unknown" if test.truth is Truth.UNKNOWN else "nothing")
    return f"{test.field}: {found} (expected: {test.expected})"


def _colored_truth(word: str) -> Text:
    return Text(word, style={"true": "green", "false": "red", "unknown": "yellow"}.get(word, ""))


def _text(text: str) -> Text:
    return Text(printable(text))
