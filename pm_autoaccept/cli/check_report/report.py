"""Collects the findings of `check` about a policy folder: faults, failed tests, data, coverage, warnings."""

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
    """An error prevents the policy from being used, or makes it hold requests; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


CODES: Mapping[str, str] = {
    "fault": "A fault in the policy or in its tests. The policy is not used.",
    "test-failed": "A test of the policy failed. The policy is not used.",
    "data": "A data source cannot be read. Requests that need it are held.",
    "unreadable-cells": "Cells of a declared column are not of its type. Rules that test such a cell hold the request.",
    "short-keys": "Keys are shorter than nearly all others, as if a spreadsheet had removed leading zeros.",
    "placeholder": "A list still contains the line that `init` wrote into it.",
    "unknown-group": "The policy notifies a group that the settings do not name. Nobody would be notified.",
    "custom-fields": "The policy does not match the custom fields that the account defines.",
    "not-covered": "A rule decides no test case.",
    "pattern-matches-nothing": "A pattern matches no possible value.",
    "never-true": "A rule matches no request.",
    "never-reached": "A rule is never reached because earlier rules decide everything that it matches.",
    "hold-without-end": "A hold without `expire` keeps the customer from sending a corrected request.",
    "until-passed": "The last day of a rule has passed.",
    "empty-table": "A data source has no rows.",
    "key-in-vain": "A key that no looked-up value can equal.",
    "unused-data": "No rule uses a data source.",
    "never-asked": "A required custom field is not used by any rule.",
}
"""Code of a finding → its meaning."""


NOTHING_ANSWERED = frozenset({"fault", "test-failed"})
"""Findings with which the policy is not used at all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: its code (from `CODES`), level, position and message."""

    code: str
    level: Level
    fault: Fault


Live: TypeAlias = tuple[CustomFieldDefinition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The findings about a policy folder.

    Attributes:
        policy: None if it has faults.
        files: the files that were read, relative to the folder: policy, tests, documents and data.
        tables: the data sources that were read.
        not_decided: the ids of the rules that decide no test case.
        compared: the comparison with the account's custom fields; None if it was not requested.
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
        """The names of the data sources in a database or at a URL that were not read."""
        return tuple(name for name in (self.policy.sources if self.policy else ()) if name not in self.tables)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are errors."""
        return tuple(finding for finding in self.findings if finding.level is Level.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are warnings."""
        return tuple(finding for finding in self.findings if finding.level is Level.WARNING)

    @property
    def consequence(self) -> str:
        """What the errors mean for requests, as the end of a line."""
        codes = {finding.code for finding in self.errors}
        if self.policy is None or codes & NOTHING_ANSWERED:
            return "; the policy would not be used"
        return "; requests that need it would be held, others answered" if codes - {"not-covered"} else ""

    def path(self, fault: Fault) -> str | None:
        """The path of the fault's file from the working directory; None if no single file is at fault."""
        return (self.folder / fault.file).as_posix() if fault.line or fault.file.endswith((".yaml", ".yml")) else None


def report_on(
    folder: Path,
    *,
    now: datetime,
    names: PolicyNames | None = None,
    definitions: Live | None = None,
    require_coverage: bool = False,
) -> Report:
    """Load a policy folder, read its data, run its tests, and collect the findings.

    Args:
        folder: the policy folder.
        now: the current time, for `until`.
        names: the databases and groups in the settings; None if they are not known.
        definitions: the account's custom fields, if the policy is to be compared with them.
        require_coverage: whether a rule that decides no test case is an error.

    Raises:
        ConfigurationError: the folder does not exist or cannot be read.
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
        *_case_findings(results),
        *_data_findings(folder, tables),
        *_placeholder_findings(folder, policy),
        *(_coverage_findings(policy, not_decided) if require_coverage else ()),
        *(_custom_field_findings(folder, compared) if compared else ()),
        *(_group_findings(folder, policy, names) if names else ()),
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
    """Read the data sources in the folder, and those in databases that the settings name."""
    tables = read(policy.sources, folder)
    asked = [source for source in policy.sources.values() if source.query is not None]
    if names is None or not asked:
        return tables
    from pm_autoaccept.data_sources.fetch import SourceAccess, read_source

    places = SourceAccess(folder, names.connections)
    return {**tables, **{each.name: asyncio.run(read_source(each, places)).table for each in asked}}


def _group_findings(folder: Path, policy: Policy, names: PolicyNames) -> Iterator[Finding]:
    for group in sorted(policy.told - set(names.groups)):
        meant = perhaps(group, names.groups)
        message = f"the policy names the group `{group}`{meant}, which `groups` in the settings does not name"
        yield Finding("unknown-group", Level.WARNING, Fault(str(folder), 0, 0, message))


def _case_findings(results: tuple[CaseResult, ...]) -> Iterator[Finding]:
    yield from (Finding("test-failed", Level.ERROR, result.fault) for result in results if result.fault)


def _data_findings(folder: Path, tables: Mapping[str, Fact[Table]]) -> Iterator[Finding]:
    for name, table in tables.items():
        if isinstance(table, NotLearnt):
            yield Finding("data", Level.ERROR, Fault(str(folder), 0, 0, f"data {name}: {table.why}"))
            continue
        for remark in table.remarks:
            level = Level.ERROR if remark.grave else Level.WARNING
            yield Finding(remark.kind, level, Fault(str(folder), 0, 0, f"data {name}: {remark.text}"))


def _placeholder_findings(folder: Path, policy: Policy) -> Iterator[Finding]:
    """Lists that nobody has filled in yet: no value is found in them, and nobody would notice why."""
    mark = PLACEHOLDER.encode()
    for path in dict.fromkeys(source.path for source in policy.sources.values() if source.path):
        try:
            data = (folder / path).read_bytes()
        except (OSError, ValueError):
            continue  # reported already, as data
        if (at := data.find(mark)) >= 0:
            line, begun = data.count(b"\n", 0, at) + 1, data.rfind(b"\n", 0, at) + 1
            message = "this line is a placeholder from `init`; replace it with your own values"
            yield Finding("placeholder", Level.ERROR, Fault(path, line, at - begun + 1, message))


def _coverage_findings(policy: Policy, not_decided: tuple[str, ...]) -> Iterator[Finding]:
    for rule in policy.rules:
        if rule.id in not_decided and rule.place:
            fault = rule.place.fault(f"rule {rule.id} decides no test case; write a case that it decides")
            yield Finding("not-covered", Level.ERROR, fault)


def _custom_field_findings(folder: Path, compared: CompareResult) -> Iterator[Finding]:
    yield from (Finding("custom-fields", Level.ERROR, fault) for fault in compared.faults)
    for name in compared.never_asked:
        fault = Fault(str(folder), 0, 0, f"customers must fill in `{name}`, but no rule uses it")
        yield Finding("never-asked", Level.WARNING, fault)
