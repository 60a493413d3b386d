"""What `check` found, for people: what is wrong on stdout, warnings and the sum of it on stderr."""

from __future__ import annotations

from dataclasses import replace

import click

from pm_autoaccept.cli.check_report.report import Finding, Level, Report
from pm_autoaccept.model import NotLearnt
from pm_autoaccept.policy.messages import counted
from pm_autoaccept.telemetry.terminal import printable


def print_text(report: Report, *, coverage: bool, files: bool) -> None:
    """Print it."""
    if files:
        for name in report.files:
            click.echo(printable((report.folder / name).as_posix()))
    for finding in report.errors:
        _tell(report, finding)
    for finding in report.warnings:
        _tell(report, finding, err=True)
    if coverage and report.policy is not None:
        decided = len(report.policy.rules) - len(report.not_decided)
        click.echo(f"{report.folder}: {decided} of {counted(len(report.policy.rules), 'rule')} decide a test")
        for rule in report.not_decided:
            click.echo(f"no test is decided by rule {rule}")
    count, folder = len(report.errors), report.folder
    if count or report.policy is None:
        click.echo(f"{folder}: {counted(count, 'problem')}{report.follows}", err=True)
        return
    rows = ", ".join(
        f"{name} ({counted(table.rows, 'row')})"
        for name, table in report.tables.items()
        if not isinstance(table, NotLearnt)
    )
    tried = f"{counted(len(report.results), 'test')} passed" if report.results else "no tests"
    warned = f"; {counted(len(report.warnings), 'warning')}" if report.warnings else ""
    data = f"; data: {rows}" if rows else ""
    if report.elsewhere:
        names = ", ".join(report.elsewhere)
        click.echo(f"{folder}: not read, since they lie elsewhere: {names}; `doctor` tries them", err=True)
    click.echo(f"{folder}: {counted(len(report.policy.rules), 'rule')}, no problems; {tried}{warned}{data}")


def _tell(report: Report, finding: Finding, *, err: bool = False) -> None:
    """Print one finding: its place as it is seen from here, so that a terminal leads there; then its line."""
    # A good policy is checked without them, and so at once.
    from rich.text import Text

    from pm_autoaccept.cli.output.tables import console

    fault = finding.fault
    place = replace(fault, file=report.path(fault) or fault.file).where
    said = str(fault).removeprefix(f"{fault.where}: ")
    warned = ("warning: ", "yellow") if finding.level is Level.WARNING else ""
    message, *shown = printable(said, keep="\n").split("\n")
    text = Text.assemble((printable(place), "bold"), ": ", warned, message)
    for line in shown:
        text.append(f"\n{line}", style="red" if line.strip() == "^" else "dim")
    console(stderr=err).print(text, soft_wrap=True)
