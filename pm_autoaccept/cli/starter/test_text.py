"""Writes policy.test.yaml of a starter policy: the policy's own tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pm_autoaccept.cli.starter.matches import Match, quoted
from pm_autoaccept.model import Kind

_HEAD = """\
# yaml-language-server: $schema=policy.schema.json
#
# The expected decision for sample requests. `check` runs these tests; a policy whose tests fail is never used.
# A test never reads your lists: it brings its own data.
cases:
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One test case: field values, facts, data and the expected decision."""

    about: str
    kind: Kind
    fields: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    expect: str

    def lines(self) -> Iterator[str]:
        """The case in YAML."""
        yield f"  - about: {quoted(self.about)}"
        # You may add rules that test the access level, and a case must state everything that its rules test.
        access = {} if self.kind is Kind.CONNECTION else {"access_level": "Read Write"}
        yield f"    request: {_braces({'kind': self.kind} | access | self.fields)}"
        if self.facts:
            yield f"    facts: {_braces(self.facts)}"
        if self.data:
            yield f"    data: {_braces(self.data)}"
        yield f"    expect: {{verdict: {self.expect}}}"


def text(matches: Iterable[Match]) -> str:
    """The text of policy.test.yaml."""
    cases = (case for match in matches for case in (_list_cases(match) if match.fields else _property_cases(match)))
    return _HEAD + "".join(f"{line}\n" for case in cases for line in case.lines())


def _list_cases(match: Match) -> Iterator[_Case]:
    """Cases: all values listed; the first not listed; the first blank; lists unavailable."""
    of = f"a {match.kind} whose"
    first, question = match.fields[0]
    listed = {name: f"'{each.listed}'" for name, each in match.fields}
    lists = {each.source: f"['{each.listed}']" for _, each in match.fields}
    down = dict.fromkeys(lists, "unavailable")
    yield _case(match, f"{of} {match.label} is in our list is accepted", listed, lists, f"accept, rule: {match.rule}")
    other = listed | {first: f"'{question.other}'"}
    yield _case(match, f"{of} {question.label} is not in our list is held", other, lists, "hold, rule: default")
    if "custom." in first:
        blank = listed | {first: "''"}
        yield _case(match, f"{of} {question.label} is blank is held", blank, lists, "hold, rule: default")
    unknown = f"hold, rule: {match.rule}, unknown: [{', '.join(down)}]"
    yield _case(match, f"a {match.kind} is held while our list is unavailable", listed, down, unknown)


def _case(match: Match, about: str, values: dict[str, str], data: dict[str, str], expect: str) -> _Case:
    """A case with the request's own fields under `request`, and those of its connection under `facts`."""
    before = {name: value for name, value in values.items() if name.startswith("connection.")}
    carried = {name: value for name, value in values.items() if name not in before}
    return _Case(about=about, kind=match.kind, fields=carried, facts=before, data=data, expect=expect)


def _property_cases(match: Match) -> Iterator[_Case]:
    """Cases for a meter that follows its property."""
    accepted = f"accept, rule: {match.rule}"
    for about, facts, expect in (
        ("is shared with us is accepted", {"property.share": "shared"}, accepted),
        ("is being accepted is accepted too", {"property.share": "pending", "property.verdict": "accept"}, accepted),
        ("is held is held too", {"property.share": "pending", "property.verdict": "hold"}, "hold, rule: default"),
    ):
        yield _Case(about=f"a meter whose property {about}", kind=match.kind, facts=facts, expect=expect)


def _braces(values: dict[str, str]) -> str:
    return "{" + ", ".join(f"{quoted(name)}: {value}" for name, value in values.items()) + "}"
