"""How expression languages write the rules that are made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.rules_made import MadeRule, MadeTest

said = json.dumps
"""A text, or a list of them, as nearly every language writes it."""


def between(test: MadeTest) -> str:
    """The pattern of a test on how a text begins and ends."""
    first, *last = test.literals
    return f"^{first}.*({'|'.join(map(str, last))})$"


@dataclass(frozen=True, slots=True)
class Language:
    """How an expression language writes the tests; `{name}`, `{one}`, `{all}` and `{pattern}` are put in."""

    both: str
    in_: str
    starts_with: str
    matches: str
    name: str = "{}"

    def rule(self, rule: MadeRule) -> str:
        """The condition of a rule."""
        kind = MadeTest("kind", "in", tuple(map(str, rule.on)))
        return self.both.join(map(self.test, [kind, *rule.tests] if len(rule.on) < 3 else rule.tests))

    def test(self, test: MadeTest) -> str:
        """One test."""
        name, one = self.name.format(test.name), said(test.literals[0])
        if test.said == "in" and len(test.literals) == 1:
            return f"{name} == {one}"
        form = {"in": self.in_, "starts_with": self.starts_with, "between": self.matches}.get(test.said)
        if form is None:
            return f"{name} {'>=' if test.said == 'at_least' else '<'} {one}"
        every = ", ".join(map(said, test.literals))
        return form.format(name=name, one=one, all=every, pattern=said(between(test)))

    def ternary(self, rules: Sequence[MadeRule]) -> str:
        """The place of the first of these rules that is true; -1 where none is."""
        return "".join(f"({self.rule(rule)}) ? {place} : " for place, rule in enumerate(rules)) + "-1"


CEL = Language(" && ", "{name} in [{all}]", "{name}.startsWith({one})", "{name}.matches({pattern})")
ZEN = Language(" and ", "{name} in [{all}]", "startsWith({name}, {one})", "matches({name}, {pattern})")
REGO = Language("; ", "{name} in {{{all}}}", "startswith({name}, {one})", "regex.match({pattern}, {name})", "input.{}")
RULE_ENGINE = Language(" and ", "{name} in [{all}]", "{name}.starts_with({one})", "{name} =~ {pattern}")
