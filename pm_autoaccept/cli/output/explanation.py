"""Prints for a person why a request was decided as it was: the decision, what it lacks, and each rule in order."""

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

from pm_autoaccept.cli.output.tables import coloured
from pm_autoaccept.cli.support.preview import Looked, planned
from pm_autoaccept.model import Decision, Evidence, NotLearnt, ReasonKind, Truth, Verdict
from pm_autoaccept.policy import CameOut, Clause, RuleLookedAt, nearest
from pm_autoaccept.policy.durations import written_duration
from pm_autoaccept.policy.messages import counted
from pm_autoaccept.telemetry.terminal import printable

_NOT_LOOKED_AT = (CameOut.NOT_ON, CameOut.NOT_ASKED)


def looked_at(looked: Looked, decision: Decision) -> tuple[tuple[RuleLookedAt, ...], RuleLookedAt | None]:
    """Every rule as it came out, and, where it is held without doubt, the one that came nearest.

    There are none where the policy was not even asked.
    """
    if decision.facts is None:
        return (), None
    rules = looked.policy.explain(decision.request, decision.facts, looked.tables)
    held = decision.verdict is Verdict.HOLD and decision.reason.kind in (ReasonKind.RULE, ReasonKind.DEFAULT)
    return rules, nearest(rules) if held else None


def tell(out: Console, looked: Looked, decision: Decision) -> None:
    """Print one decision."""
    request = decision.request
    rules, near = looked_at(looked, decision)
    owner = f"{printable(request.username or 'an unnamed owner')} (account {request.account_id or 'unknown'})"
    out.print(Text(f"{decision.key} of {owner}", style="bold"))
    head = Grid.grid(padding=(0, 2, 0, 0))
    head.add_column(no_wrap=True)
    head.add_column(overflow="fold")
    for name, text in _head(looked, decision, near=near):
        head.add_row(name, text)
    out.print(head)
    if near is not None:
        for clause in near.lacking:
            out.print(Padding(_lines((clause,)), (0, 0, 0, 9), expand=False))
    if rules:
        out.print("\nThe rules, in the order in which they are tried:\n")
        _tell_rules(out, rules, decision)
    out.print()


def data_used(looked: Looked, decision: Decision) -> Iterator[dict[str, object]]:
    """Each table of the policy: its rows and digest, when they are from and how old that is; or why it is not there."""
    now = None if decision.facts is None else decision.facts.now
    for name, table in sorted(looked.tables.items()):
        dated = looked.dated.get(name)
        age = round((now - dated).total_seconds()) if isinstance(now, datetime) and dated is not None else None
        if isinstance(table, NotLearnt):
            yield {"name": name, "why_not": table.why}
        else:
            yield {"name": name, "rows": table.rows, "digest": table.digest, "dated": dated, "age_seconds": age}


def _data(used: dict[str, Any]) -> str:
    if "why_not" in used:
        return f"{used['name']}: not available, since {used['why_not']}"
    age = used["age_seconds"]
    old = "" if age is None else f", {written_duration(timedelta(seconds=age))} old"
    return f"{used['name']}: {counted(used['rows'], 'row')}{old}, digest {used['digest'][:12]}"


def _head(looked: Looked, decision: Decision, *, near: RuleLookedAt | None) -> Iterator[tuple[str, Text]]:
    """The decision in a few lines."""
    yield "verdict", Text.assemble(coloured(str(decision.verdict)), f" by {_by(decision)}")
    yield "because", _text(decision.reason.text)
    yield "plan", _text(planned(looked.plan)[decision.key].text)
    if decision.note:
        yield "note", _text(decision.note)
    if decision.tell:
        yield "told", _text(f"{decision.tell}, once")
    for shadow in decision.shadows:
        why = f", since {', '.join(shadow.unknown)} could not be learnt" if shadow.unknown else ""
        yield "tried", _text(f"{shadow.rule}, which is not enforced, would have said {shadow.verdict}{why}")
    for used in data_used(looked, decision):
        yield "data", _text(_data(used))
    if near is not None:
        yield "nearest", _text(f"{near.id} would {near.then} it, if this came out otherwise:")


def _by(decision: Decision) -> str:
    return f"rule {decision.rule}" if decision.rule else "no rule"


def _tell_rules(out: Console, rules: Sequence[RuleLookedAt], decision: Decision) -> None:
    for came, some in groupby(rules, key=lambda rule: rule.came if rule.came in _NOT_LOOKED_AT else None):
        listed = tuple(some)
        if came is None:
            for rule in listed:
                _tell_rule(out, rule)
            continue
        names = ", ".join(rule.id for rule in listed)
        why = f"not on {decision.key.kind} requests" if came is CameOut.NOT_ON else f"not asked after {decision.rule}"
        out.print(Text(f"{why}: {names}", style="dim"))


def _tell_rule(out: Console, rule: RuleLookedAt) -> None:
    tried = "" if rule.enforce else " (not enforced)"
    over = " since its last day has passed" if rule.came is CameOut.OVER else ""
    came = _marked("false" if over else str(rule.came))
    out.print(Text.assemble((rule.id, "bold"), f", {rule.then}{tried}: ", came, over))
    clauses = _lines(rule.clauses) if rule.clauses else Text("always", style="dim")
    out.print(Padding(clauses, (0, 0, 0, 2), expand=False))


def _lines(clauses: Iterable[Clause]) -> Grid:
    """Clauses line by line: how each came out, then what was asked and found."""
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, width=len("unknown"))
    grid.add_column(overflow="fold")
    for clause in clauses:
        if clause.group is not None:
            grid.add_row(_marked(str(clause.truth)), Text(f"{clause.group} these:"))
            grid.add_row("", _lines(clause.parts))
            continue
        for test in _each_once(clause.tests):
            grid.add_row(_marked(str(test.truth)), _text(_said(test)))
        for gap in clause.gaps:
            grid.add_row("", _text(f"{gap.name} could not be learnt: {gap.why}"))
    return grid


def _each_once(tests: Sequence[Evidence]) -> Sequence[Evidence]:
    """The tests, but of two fields that must be the same one line, with what stands in either."""
    if len(tests) != 2 or f"the same as {tests[1].field}" not in tests[0].expected:  # noqa: PLR2004 - one field beside another
        return tests
    one, other = tests
    beside = other.found or ("not known" if other.truth is Truth.UNKNOWN else "nothing")
    return (replace(one, expected=f"{one.expected}, which is {beside}"),)


def _said(test: Evidence) -> str:
    found = test.found or ("not known" if test.truth is Truth.UNKNOWN else "nothing")
    return f"{test.field}: {found} (expected: {test.expected})"


def _marked(word: str) -> Text:
    return Text(word, style={"true": "green", "false": "red", "unknown": "yellow"}.get(word, ""))


def _text(text: str) -> Text:
    return Text(printable(text))
