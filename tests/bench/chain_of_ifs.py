"""The same rules as Python: what a programmer would write, or have written, instead of having a policy.

It reads what the rules on a kind of request ask for at its head, from the same requests and facts, and cleans it as the
policy does. It knows nothing of what cannot be learnt: no fault of a document, no fact that nobody told, no field that
stands twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from pm_autoaccept.model import Facts, Kind, PendingRequest
from pm_autoaccept.policy.cleaning import fold
from pm_autoaccept.policy.evaluation.custom_answers import name_key
from tests.bench.rules_made import SHAPES, MadeRule, MadeTest

_OF = {
    "account.email_domain": "fold(account.email).rpartition('@')[2].casefold()",
    "account.username": "fold(request.username or '')",
    "sender.username": "fold(request.sender_username or '')",
    "access_level": "fold(request.access_level or '')",
}
_HOLDERS = {
    Kind.CONNECTION: ("account = request.account_info",),
    Kind.PROPERTY: ("account = facts.account", "property = request.property_info"),
    Kind.METER: ("account = facts.account", "property = request.property_info", "meter = request.meter_info"),
}
_ANSWERS = {
    "custom.": "custom = {key(each.name): fold(each.value) for each in request.custom}",
    "connection.custom.": "asked = {key(each.name): fold(each.value) for each in facts.connection_custom}",
}


def _reading(field: str) -> str:
    if field in _OF:
        return _OF[field]
    first, _, rest = field.partition(".")
    if "custom." in field:
        value = f"{'asked' if first == 'connection' else 'custom'}.get({name_key(field.rpartition('.')[2])!r}, '')"
        return f"digits({value})" if SHAPES[field] == "digits" else value
    value = f"{first}.{rest}"
    return f"{value} or 0" if SHAPES[field] == "number" else f"fold({value} or '')"


def _head(rules: Sequence[MadeRule]) -> list[str]:
    """What is read: of each kind of request what the rules on it ask for."""
    lines = ["def decide(request, facts):", "    kind = request.kind"]
    for kind, holders in _HOLDERS.items():
        asked = {test.field: test.name for rule in rules if kind in rule.on for test in rule.tests}
        answers = [line for prefix, line in _ANSWERS.items() if any(field.startswith(prefix) for field in asked)]
        reading = [f"{name} = {_reading(field)}" for field, name in asked.items()]
        lines += [f"    if kind is {kind.name}:", *(f"        {line}" for line in (*holders, *answers, *reading))]
    return lines


def _test(test: MadeTest, patterns: dict[str, Callable[[str], Any]]) -> str:
    name, first = test.name, test.literals[0]
    if test.said == "between":
        pattern = f"p{len(patterns)}"
        patterns[pattern] = re.compile(f"{first}.*({'|'.join(map(str, test.literals[1:]))})").fullmatch
        return f"{pattern}({name})"
    if test.said == "in":
        every = ", ".join(map(repr, test.literals))
        return f"{name} == {first!r}" if len(test.literals) == 1 else f"{name} in {{{every}}}"
    if test.said == "starts_with":
        return f"{name}.startswith({first!r})"
    return f"{name} {'>=' if test.said == 'at_least' else '<'} {first}"


def chain_of(rules: Sequence[MadeRule]) -> Callable[[PendingRequest, Facts], str | None]:
    """The rules as one function, an `if` for each."""
    patterns: dict[str, Callable[[str], Any]] = {}
    lines = _head(rules)
    for rule in rules:
        kinds = " or ".join(f"kind is {kind.name}" for kind in rule.on)
        tests = [f"({kinds})"] if len(rule.on) < len(Kind) else []
        lines.append(
            f"    if {' and '.join(tests + [_test(test, patterns) for test in rule.tests])}: return {rule.id!r}"
        )
    names = {"fold": fold, "key": name_key, "digits": lambda text: re.sub(r"[^0-9]", "", text), **patterns}
    names |= {kind.name: kind for kind in Kind}
    exec("\n".join(lines), names)  # noqa: S102 - generated above, from rules made here
    decide: Callable[[PendingRequest, Facts], str | None] = names["decide"]
    return decide
