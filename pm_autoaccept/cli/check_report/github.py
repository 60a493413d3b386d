"""What `check` found, as commands that GitHub Actions turns into annotations of the lines."""

from __future__ import annotations

import click

from pm_autoaccept.cli.check_report.report import Finding, Report

_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}


def print_as_github(report: Report) -> None:
    """Print one annotation for each finding, as `::error file=…,line=…,col=…,title=…::message`."""
    for finding in report.findings:
        click.echo(_annotation(finding, report.path(finding.fault)))


def _annotation(finding: Finding, path: str | None) -> str:
    fault = finding.fault
    properties = {"file": path or "", "line": fault.line or "", "col": fault.column or "", "title": finding.code}
    written = ",".join(f"{name}={_escaped(str(value), _PROPERTY)}" for name, value in properties.items() if value != "")
    return f"::{finding.level} {written}::{_escaped(fault.message, _DATA)}"


def _escaped(text: str, marks: dict[str, str]) -> str:
    return "".join(marks.get(character, character) for character in text)
