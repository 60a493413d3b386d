"""Prints the findings of `check` as text: errors on stdout, warnings on stderr."""

from __future__ import annotations

from dataclasses import replace

import click

from pm_autoaccept.cli.check_report.report import Finding, Level, Report
from pm_autoaccept.model import NotLearnt
from pm_autoaccept.policy.messages import counted
from pm_autoaccept.telemetry.terminal import printable


def print_text(report: Report, *, coverage: bool, files: bool) -> None:
    """Print the findings, then a summary."""
    if files:
        for name in report.files:
            click.echo(printable((report.folder / name).as_posix()))
    for finding in report.errors:
        _print_finding(report, finding)
    for finding in report.warnings:
        _print_finding(report, finding, err=True)
    if coverage and report.policy is not None:
        decided = len(report.policy.rules) - len(report.not_decided)
        click.echo(f"{report.folder}: {decided} of {counted(len(report.policy.rules), 'rule')} decide a test case")
        for rule in report.not_decided:
            click.echo(f"rule {rule} decides no test case")
    count, folder = len(report.errors), report.folder
    if count or report.policy is None:
        click.echo(f"{folder}: {counted(count, 'problem')}{report.consequence}", err=True)
        return
    rows = ", ".join(
        f"{name} ({counted(table.rows, 'row')})"
        for name, table in report.tables.items()
        if not isinstance(table, NotLearnt)
    )
    tests = f"{counted(len(report.results), 'test')} passed" if report.results else "no tests"
    warned = f"; {counted(len(report.warnings), 'warning')}" if report.warnings else ""
    data = f"; data: {rows}" if rows else ""
    if report.elsewhere:
        names = ", ".join(report.elsewhere)
        click.echo(f"{folder}: not read, in a database or at a URL: {names}; `doctor` checks them", err=True)
    click.echo(f"{folder}: {counted(len(report.policy.rules), 'rule')}, no problems; {tests}{warned}{data}")


def _print_finding(report: Report, finding: Finding, *, err: bool = False) -> None:
    """Print one finding: its path from the working directory, so that terminals link to it; then its line."""
    # Imported only if there is a finding, so that checking a good policy stays fast.
    from rich.text import Text

    from pm_autoaccept.cli.output.tables import console

    fault = finding.fault
    place = replace(fault, file=report.path(fault) or fault.file).where
    rest = str(fault).removeprefix(f"{fault.where}: ")
    warned = ("warning: ", "yellow") if finding.level is Level.WARNING else ""
    message, *shown = printable(rest, keep="\n").split("\n")
    text = Text.assemble((printable(place), "bold"), ": ", warned, message)
    for line in shown:
        text.append(f"\n{line}", style="red" if line.strip() == "^" else "dim")
    console(stderr=err).print(text, soft_wrap=True)
