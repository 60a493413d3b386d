"""Everything that `check` finds about a policy folder, whatever form it is then shown in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pm_autoaccept.cli.starter.files import PLACEHOLDER
from pm_autoaccept.data_sources import read, read_folder
from pm_autoaccept.errors import Fault, PolicyRefused
from pm_autoaccept.model import CustomFieldDefinition, Fact, NotLearnt
from pm_autoaccept.policy import CaseResult, Policy, Table, load, rules_not_decided, run_cases
from pm_autoaccept.policy.custom_fields.compare import CompareResult, compare
from pm_autoaccept.policy.lint.warnings import warnings
from pm_autoaccept.policy.messages import perhaps

if TYPE_CHECKING:
    from pm_autoaccept.config import PolicyNames


class Level(StrEnum):
    """An error keeps the policy from being used, or would let it do nothing but hold; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


CODES: Mapping[str, str] = {
    "fault": "A mistake in the policy or in its tests: nothing is answered by it.",
    "test-failed": "A test of the policy expects what does not come: nothing is answered by the policy.",
    "data": "Data that cannot be read: what depends on it is held.",
    "unreadable-cells": "Cells of a declared column that are no value of its type: a rule that tests one holds.",
    "short-keys": "Keys that are shorter than nearly all others, as where a spreadsheet took zeros off.",
    "placeholder": "A list still holds the line that `init` wrote into it.",
    "unknown-group": "The policy tells people whom the settings do not name: nobody would be told.",
    "custom-fields": "The policy does not go with the custom fields that the account defines.",
    "not-covered": "No test is decided by this rule.",
    "pattern-matches-nothing": "No value can fit this pattern.",
    "never-true": "No request makes the rule true.",
    "never-reached": "The rules above decide all that the rule is about.",
    "hold-without-end": "A hold without `expire` keeps its customer from sending a corrected request.",
    "until-passed": "The rule's last day has passed.",
    "empty-table": "Data without a row.",
    "key-in-vain": "A key that nothing which is looked up there can ever be.",
    "unused-data": "Data in which no rule looks.",
    "never-asked": "Customers must fill in a field that no rule asks for.",
}
"""Each kind of finding, and what it means."""


NOTHING_ANSWERED = frozenset({"fault", "test-failed"})
"""With these the policy is not used at all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: which kind (one of `CODES`), how bad, where, and what to do."""

    code: str
    level: Level
    fault: Fault


Live: TypeAlias = tuple[CustomFieldDefinition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found about a folder.

    Attributes:
        policy: None where it has faults.
        files: what was read, by its path from the folder: policy, tests, documents, and data.
        tables: its data, as far as it lies in the folder.
        not_decided: the ids of the rules that decide no test.
        compared: what came of laying it beside the account's custom fields; None where that was not asked for.
    """

    folder: Path
    findings: tuple[Finding, ...]
    files: tuple[str, ...] = ()
    policy: Policy | None = None
    tables: Mapping[str, Fact[Table]]
    results: tuple[CaseResult, ...] = ()
    not_decided: tuple[str, ...] = ()
    compared: CompareResult | None = None

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """The names of the data that lie in a database or at an address, and were not read."""
        return tuple(name for name in (self.policy.sources if self.policy else ()) if name not in self.tables)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What keeps the policy from being used."""
        return tuple(finding for finding in self.findings if finding.level is Level.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What does not."""
        return tuple(finding for finding in self.findings if finding.level is Level.WARNING)

    @property
    def follows(self) -> str:
        """What the problems mean for requests, for the end of a line."""
        codes = {finding.code for finding in self.errors}
        if self.policy is None or codes & NOTHING_ANSWERED:
            return "; nothing would be answered by it"
        return "; what needs it is held, other requests are answered" if codes - {"not-covered"} else ""

    def path(self, fault: Fault) -> str | None:
        """Where a fault's file lies, seen from here; None where no file is at fault."""
        return (self.folder / fault.file).as_posix() if fault.line or fault.file.endswith((".yaml", ".yml")) else None


def report_on(
    folder: Path,
    *,
    now: datetime,
    names: PolicyNames | None = None,
    definitions: Live | None = None,
    require_coverage: bool = False,
) -> Report:
    """Load a folder, read its data, run its tests, and say everything that is wrong.

    Args:
        folder: the policy's.
        now: the time, for what has passed.
        names: the databases and the groups of people that there are, by the settings; None where nobody says.
        definitions: the custom fields of the account, where the policy is to be laid beside them.
        require_coverage: whether a rule that decides no test is an error.

    Raises:
        ConfigurationError: there is no such folder, or it cannot be read.
    """
    files: Mapping[str, bytes] = {}
    try:
        files = read_folder(folder)
        policy = load(files)
    except PolicyRefused as error:
        faults = tuple(Finding("fault", Level.ERROR, fault) for fault in error.faults)
        return Report(folder=folder, findings=faults, files=tuple(files), tables={})
    compared = compare(files, definitions) if definitions is not None else None
    tables, results = _read(policy, folder, names), run_cases(policy)
    not_decided = rules_not_decided(policy, results)
    findings = [
        *_of_cases(results),
        *_of_data(folder, tables),
        *_of_placeholders(folder, policy),
        *(_uncovered(policy, not_decided) if require_coverage else ()),
        *(_of_account(folder, compared) if compared else ()),
        *(_of_groups(folder, policy, names) if names else ()),
    ]
    for warned in warnings(policy, tables=tables, now=now):
        fault = warned.fault
        placed = fault if fault.file else Fault(str(folder), 0, 0, fault.message)
        findings.append(Finding(warned.code, Level.WARNING, placed))
    return Report(
        folder=folder,
        findings=tuple(findings),
        files=(*files, *dict.fromkeys(source.path for source in policy.sources.values() if source.path)),
        policy=policy,
        tables=tables,
        results=results,
        not_decided=not_decided,
        compared=compared,
    )


def _read(policy: Policy, folder: Path, names: PolicyNames | None) -> Mapping[str, Fact[Table]]:
    """The tables that lie in the folder, and in the databases that the settings name."""
    tables = read(policy.sources, folder)
    asked = [source for source in policy.sources.values() if source.query is not None]
    if names is None or not asked:
        return tables
    from pm_autoaccept.data_sources.fetch import Places, read_source

    places = Places(folder, names.connections)
    return {**tables, **{each.name: asyncio.run(read_source(each, places)).table for each in asked}}


def _of_groups(folder: Path, policy: Policy, names: PolicyNames) -> Iterator[Finding]:
    for group in sorted(policy.told - set(names.groups)):
        meant = perhaps(group, names.groups)
        message = f"the policy tells `{group}`{meant}, and `groups` in the settings does not name it"
        yield Finding("unknown-group", Level.WARNING, Fault(str(folder), 0, 0, message))


def _of_cases(results: tuple[CaseResult, ...]) -> Iterator[Finding]:
    yield from (Finding("test-failed", Level.ERROR, result.fault) for result in results if result.fault)


def _of_data(folder: Path, tables: Mapping[str, Fact[Table]]) -> Iterator[Finding]:
    for name, table in tables.items():
        if isinstance(table, NotLearnt):
            yield Finding("data", Level.ERROR, Fault(str(folder), 0, 0, f"data {name}: {table.why}"))
            continue
        for remark in table.remarks:
            level = Level.ERROR if remark.grave else Level.WARNING
            yield Finding(remark.kind, level, Fault(str(folder), 0, 0, f"data {name}: {remark.text}"))


def _of_placeholders(folder: Path, policy: Policy) -> Iterator[Finding]:
    """Lists that nobody has filled yet: nobody is on them, and nobody would notice why."""
    mark = PLACEHOLDER.encode()
    for path in dict.fromkeys(source.path for source in policy.sources.values() if source.path):
        try:
            data = (folder / path).read_bytes()
        except (OSError, ValueError):
            continue  # said already, of the data
        if (at := data.find(mark)) >= 0:
            line, begun = data.count(b"\n", 0, at) + 1, data.rfind(b"\n", 0, at) + 1
            message = "the line that `init` wrote still stands here; put your own values in its place"
            yield Finding("placeholder", Level.ERROR, Fault(path, line, at - begun + 1, message))


def _uncovered(policy: Policy, not_decided: tuple[str, ...]) -> Iterator[Finding]:
    for rule in policy.rules:
        if rule.id in not_decided and rule.place:
            fault = rule.place.fault(f"no test is decided by rule {rule.id}; write a case that it decides")
            yield Finding("not-covered", Level.ERROR, fault)


def _of_account(folder: Path, compared: CompareResult) -> Iterator[Finding]:
    yield from (Finding("custom-fields", Level.ERROR, fault) for fault in compared.faults)
    for name in compared.never_asked:
        fault = Fault(str(folder), 0, 0, f"customers must fill in `{name}`, and no rule asks for it")
        yield Finding("never-asked", Level.WARNING, fault)
