"""The tests of a policy to start from, as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pm_autoaccept.cli.starter.matches import Match, quoted
from pm_autoaccept.model import Kind

_HEAD = """\
# yaml-language-server: $schema=policy.schema.json
#
# What must come of which request. `check` runs these, and a policy whose tests fail is never used.
# A test never reads your lists: it says itself what stands in them.
cases:
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One case: fields with their values, facts likewise, lists as they are written, and what must come of it."""

    about: str
    kind: Kind
    fields: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    expect: str

    def lines(self) -> Iterator[str]:
        """The case in YAML."""
        yield f"  - about: {quoted(self.about)}"
        # Rules that come later ask it of every share, and a case says all that its rules ask for.
        access = {} if self.kind is Kind.CONNECTION else {"access_level": "Read Write"}
        yield f"    request: {_braces({'kind': self.kind} | access | self.fields)}"
        if self.facts:
            yield f"    facts: {_braces(self.facts)}"
        if self.data:
            yield f"    data: {_braces(self.data)}"
        yield f"    expect: {{verdict: {self.expect}}}"


def text(matches: Iterable[Match]) -> str:
    """The whole file."""
    cases = (case for match in matches for case in (_of_lists(match) if match.fields else _of_property(match)))
    return _HEAD + "".join(f"{line}\n" for case in cases for line in case.lines())


def _of_lists(match: Match) -> Iterator[_Case]:
    """All listed; the first not listed; the first blank; a list that cannot be read."""
    of = f"a {match.kind} whose"
    first, question = match.fields[0]
    listed = {name: f"'{each.listed}'" for name, each in match.fields}
    lists = {each.source: f"['{each.listed}']" for _, each in match.fields}
    down = dict.fromkeys(lists, "unavailable")
    yield _case(match, f"{of} {match.says} is in our list is accepted", listed, lists, f"accept, rule: {match.rule}")
    other = listed | {first: f"'{question.other}'"}
    yield _case(match, f"{of} {question.says} is not in our list waits", other, lists, "hold, rule: default")
    if "custom." in first:
        blank = listed | {first: "''"}
        yield _case(match, f"{of} {question.says} is blank waits", blank, lists, "hold, rule: default")
    unknown = f"hold, rule: {match.rule}, unknown: [{', '.join(down)}]"
    yield _case(match, f"a {match.kind} waits while our list cannot be read", listed, down, unknown)


def _case(match: Match, about: str, values: dict[str, str], data: dict[str, str], expect: str) -> _Case:
    """What the request itself carries stands under `request`, what was answered before under `facts`."""
    before = {name: said for name, said in values.items() if name.startswith("connection.")}
    carried = {name: said for name, said in values.items() if name not in before}
    return _Case(about=about, kind=match.kind, fields=carried, facts=before, data=data, expect=expect)


def _of_property(match: Match) -> Iterator[_Case]:
    """A meter follows its property."""
    accepted = f"accept, rule: {match.rule}"
    for about, facts, expect in (
        ("is shared with us is accepted", {"property.share": "shared"}, accepted),
        ("is being accepted is too", {"property.share": "pending", "property.verdict": "accept"}, accepted),
        ("waits for people does too", {"property.share": "pending", "property.verdict": "hold"}, "hold, rule: default"),
    ):
        yield _Case(about=f"a meter whose property {about}", kind=match.kind, facts=facts, expect=expect)


def _braces(said: dict[str, str]) -> str:
    return "{" + ", ".join(f"{quoted(name)}: {value}" for name, value in said.items()) + "}"
