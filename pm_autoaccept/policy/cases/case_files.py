"""Parse the test files (`*.test.yaml`) of a policy into cases, and report errors in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Fact, NotLearnt, Verdict
from pm_autoaccept.policy import synonyms
from pm_autoaccept.policy.cases.case import NOT_STATED, Case, Expectation
from pm_autoaccept.policy.cases.data import read_data
from pm_autoaccept.policy.cases.facts import read_facts
from pm_autoaccept.policy.cases.requests import read_request
from pm_autoaccept.policy.data.sources import Source
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser import source_text
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Items, Node, Text
from pm_autoaccept.policy.values import FieldType, NotAValue, read_value

FILE_KEYS = ("version", "cases")
CASE_KEYS = ("about", "request", "facts", "data", "now", "expect")
EXPECT_KEYS = ("verdict", "rule", "unknown", "note")
DEFAULT = "default"
"""The value of `rule` if no rule decides."""
_EARLIEST, _LATEST = 1970, 9000
"""Years allowed in `now`: at either end of the calendar some time zones have no date."""
NO_NOTE = "none"
"""The value of `note` if the customer gets no note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReader:
    """Parses the test files of one policy.

    Attributes:
        files: name → contents, of all files in the folder: cases can name xml files among them.
        sources: the data that the policy declares; None for a declaration with errors.
        rules: the ids of its rules; None if not all could be read.
        faults: errors are added here.
    """

    files: Mapping[str, bytes]
    sources: Mapping[str, Source | None]
    rules: tuple[str, ...] | None
    faults: list[Fault]

    def file(self, name: str) -> tuple[Case, ...]:
        """The cases of one file. A file without cases is refused, because it looks like a test but tests nothing."""
        empty = "the file has no cases; add `cases:` with at least one, or delete the file"
        root = source_text.read(name, self.files[name], self.faults, empty=empty, blanks=True)
        if not isinstance(root, Entries):
            if isinstance(root, Text | Items):
                self._refuse(root, f"a test file must be a mapping; allowed keys: {listed(FILE_KEYS, 'and')}")
            return ()
        found = self._keys(root, FILE_KEYS, "a test file")
        version, cases = found.get("version"), found.get("cases")
        if version is not None and not (isinstance(version, Text) and version.value == "1"):
            self._refuse(version, "unknown version; this program supports `version: 1`")
        if isinstance(cases, Items):
            read = (self._case(item) for item in cases.items)
            return tuple(case for case in read if case is not None)
        self._refuse(cases or root, "`cases` must be a list; begin each case with a dash")
        return ()

    def _refuse(self, node: Node, message: str) -> None:
        if not isinstance(node, Broken):
            self.faults.append(node.place.fault(message))

    def _keys(self, node: Entries, known: tuple[str, ...], what: str) -> dict[str, Node]:
        for key, _ in node.entries:
            if key.value not in known:
                meant = perhaps(key.value, known)
                message = f"unknown key `{key.value}` in {what}{meant}; allowed keys: {listed(known, 'and')}"
                self._refuse(key, message)
        return {key.value: value for key, value in node.entries}

    def _case(self, node: Node) -> Case | None:
        if not isinstance(node, Entries):
            self._refuse(node, f"a case must be a mapping; allowed keys: {listed(CASE_KEYS, 'and')}")
            return None
        before = len(self.faults)
        keys = self._keys(node, CASE_KEYS, "a case")
        if lacking := [f"`{name}`" for name in ("about", "request", "expect") if name not in keys]:
            self._refuse(node, f"missing {listed(lacking, 'and')} in the case")
            return None
        about, now = keys["about"], self._now(keys.get("now"))
        if not isinstance(about, Text) or not about.value.strip():
            self._refuse(about, "`about` must be one line of text that describes the case")
        request = read_request(keys["request"], self.files, self.faults)
        tables = read_data(keys.get("data"), self.sources, self.faults)
        expect = self._expect(keys["expect"])
        if request is None or expect is None or not isinstance(about, Text):
            return None
        around = read_facts(keys.get("facts"), kind=request.kind, now=now, faults=self.faults)
        if len(self.faults) > before:
            return None
        return Case(
            place=node.place,
            about=about.value,
            request=request,
            facts=around.facts,
            taken=around.taken,
            held_for=around.held_for,
            tables=tables,
            expect=expect,
        )

    def _now(self, node: Node | None) -> Fact[datetime]:
        if node is None or isinstance(node, Broken):
            return NotLearnt(NOT_STATED)
        try:
            now = read_value(node.value, FieldType.MOMENT) if isinstance(node, Text) else None
        except NotAValue:
            now = None
        if not isinstance(now, datetime) or not _EARLIEST <= now.year <= _LATEST:
            self._refuse(node, "invalid `now`; use a date and time with time zone, for example 2026-03-04T12:00:00Z")
            return NotLearnt(NOT_STATED)
        return now

    def _expect(self, node: Node) -> Expectation | None:
        if not isinstance(node, Entries):
            self._refuse(node, "`expect` must be a mapping, for example {verdict: accept, rule: known-customer}")
            return None
        keys = self._keys(node, EXPECT_KEYS, "`expect`")
        if lacking := [f"`{name}`" for name in ("verdict", "rule") if name not in keys]:
            message = f"missing {listed(lacking, 'and')} in `expect`; if no rule decides, write `rule: {DEFAULT}`"
            self._refuse(node, message)
            return None
        rule, note, unknown = (self._text(keys.get(name), name) for name in ("rule", "note", "unknown"))
        verdict = keys["verdict"]
        if not isinstance(verdict, Text) or verdict.value not in set(Verdict):
            meant = perhaps(verdict.value, Verdict, synonyms.VERDICT) if isinstance(verdict, Text) else ""
            self._refuse(verdict, f"invalid `verdict`{meant}; use {listed(Verdict)}")
            return None
        if not rule:
            return None
        if self.rules is not None and rule[0] not in {DEFAULT, *self.rules}:
            meant = perhaps(rule[0], self.rules)
            message = f"unknown rule `{rule[0]}`{meant}; use a rule id, or `{DEFAULT}` if no rule decides"
            self._refuse(keys["rule"], message)
        return Expectation(
            verdict=Verdict(verdict.value),
            rule=None if rule[0] == DEFAULT else rule[0],
            unknown=unknown,
            note=None if note == (NO_NOTE,) else "".join(note) or None,
            compares_note="note" in keys,
            places={"expect": node.place} | {key.value: key.place for key, _ in node.entries},
        )

    def _text(self, node: Node | None, name: str) -> tuple[str, ...]:
        """One text, or for `unknown` also a list; empty if it is not given."""
        if isinstance(node, Text):
            return (node.value,)
        if isinstance(node, Items) and name == "unknown":
            return tuple(text for item in node.items for text in self._text(item, "an item of `unknown`"))
        if node is not None:
            or_list = ", or a list of them" if name == "unknown" else ""
            self._refuse(node, f"{name if ' ' in name else f'`{name}`'} must be one text{or_list}")
        return ()
