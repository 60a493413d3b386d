"""The files `*.test.yaml` of a policy: every case in them, and everything that is wrong with them."""

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
"""What `rule` says where none decides."""
_EARLIEST, _LATEST = 1970, 9000
"""Years in which a case may stand: at either end of the calendar a moment has no day in every time zone."""
NO_NOTE = "none"
"""What `note` says where the customer reads nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReader:
    """Reads the test files of one policy.

    Attributes:
        files: name → contents, of all files of the folder: cases may name xml files among them.
        sources: the data that the policy declares; None for a name whose declaration has faults.
        rules: the ids of its rules; None where they could not all be read.
        faults: what is wrong is added here.
    """

    files: Mapping[str, bytes]
    sources: Mapping[str, Source | None]
    rules: tuple[str, ...] | None
    faults: list[Fault]

    def file(self, name: str) -> tuple[Case, ...]:
        """The cases of one file. One without a case is refused: it looks like a test, and tests nothing."""
        empty = "the file has no case; write `cases:` and the first one, or delete the file"
        root = source_text.read(name, self.files[name], self.faults, empty=empty, blanks=True)
        if not isinstance(root, Entries):
            if isinstance(root, Text | Items):
                self._refuse(root, f"a test file is a mapping of {listed(FILE_KEYS)}")
            return ()
        found = self._keys(root, FILE_KEYS, "a test file")
        version, cases = found.get("version"), found.get("cases")
        if version is not None and not (isinstance(version, Text) and version.value == "1"):
            self._refuse(version, "this program reads `version: 1`")
        if isinstance(cases, Items):
            read = (self._case(item) for item in cases.items)
            return tuple(case for case in read if case is not None)
        self._refuse(cases or root, "write `cases:` and below it a list; begin each case with a dash")
        return ()

    def _refuse(self, node: Node, message: str) -> None:
        if not isinstance(node, Broken):
            self.faults.append(node.place.fault(message))

    def _keys(self, node: Entries, known: tuple[str, ...], what: str) -> dict[str, Node]:
        for key, _ in node.entries:
            if key.value not in known:
                meant = perhaps(key.value, known)
                self._refuse(key, f"{what} has no `{key.value}`{meant}; it has {listed(known)}")
        return {key.value: value for key, value in node.entries}

    def _case(self, node: Node) -> Case | None:
        if not isinstance(node, Entries):
            self._refuse(node, f"a case is a mapping of {listed(CASE_KEYS)}")
            return None
        before = len(self.faults)
        keys = self._keys(node, CASE_KEYS, "a case")
        if lacking := [f"`{name}`" for name in ("about", "request", "expect") if name not in keys]:
            self._refuse(node, f"the case lacks {listed(lacking)}")
            return None
        about, now = keys["about"], self._now(keys.get("now"))
        if not isinstance(about, Text) or not about.value.strip():
            self._refuse(about, "`about` says in one line what the case shows")
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
            self._refuse(node, "`now` is a date and time with its zone, as 2026-03-04T12:00:00Z")
            return NotLearnt(NOT_STATED)
        return now

    def _expect(self, node: Node) -> Expectation | None:
        if not isinstance(node, Entries):
            self._refuse(node, "`expect` says what must come of it, as {verdict: accept, rule: known-customer}")
            return None
        keys = self._keys(node, EXPECT_KEYS, "`expect`")
        if lacking := [f"`{name}`" for name in ("verdict", "rule") if name not in keys]:
            self._refuse(node, f"`expect` lacks {listed(lacking)}; where no rule decides, write `rule: {DEFAULT}`")
            return None
        rule, note, unknown = (self._text(keys.get(name), name) for name in ("rule", "note", "unknown"))
        verdict = keys["verdict"]
        if not isinstance(verdict, Text) or verdict.value not in set(Verdict):
            meant = perhaps(verdict.value, Verdict, synonyms.VERDICT) if isinstance(verdict, Text) else ""
            self._refuse(verdict, f"`verdict` is {listed(Verdict)}{meant}")
            return None
        if not rule:
            return None
        if self.rules is not None and rule[0] not in {DEFAULT, *self.rules}:
            message = f"there is no rule `{rule[0]}`{perhaps(rule[0], self.rules)}; `{DEFAULT}` stands for none"
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
        """One text, of `unknown` one or a list of them; none where it is not said."""
        if isinstance(node, Text):
            return (node.value,)
        if isinstance(node, Items) and name == "unknown":
            return tuple(text for item in node.items for text in self._text(item, "an item of `unknown`"))
        if node is not None:
            or_list = ", or a list of them" if name == "unknown" else ""
            self._refuse(node, f"{name if ' ' in name else f'`{name}`'} is one text{or_list}")
        return ()
