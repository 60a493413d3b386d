"""What `check` found, for people: what is wrong on stdout, warnings and the sum of it on stderr."""

from __future__ import annotations

import click

from pm_autoaccept.cli.checking.report import Report
from pm_autoaccept.model import NotLearnt
from pm_autoaccept.telemetry.printable import printable


def print_text(report: Report, *, coverage: bool) -> None:
    """Print it."""
    for finding in report.errors:
        click.echo(printable(finding.fault, keep="\n"))
    for finding in report.warnings:
        click.echo(printable(finding.fault, keep="\n"), err=True)
    if coverage and report.policy is not None:
        decided = len(report.policy.rules) - len(report.not_decided)
        click.echo(f"{report.folder}: {decided} of {_many(len(report.policy.rules), 'rule')} decide a test")
        for rule in report.not_decided:
            click.echo(f"no test is decided by rule {rule}")
    count, folder = len(report.errors), report.folder
    if count or report.policy is None:
        click.echo(f"{folder}: {_many(count, 'problem')}; nothing would be answered by it", err=True)
        return
    rows = ", ".join(
        f"{name} ({table.rows} rows)" for name, table in report.tables.items() if not isinstance(table, NotLearnt)
    )
    tried = f"{_many(len(report.results), 'test')} passed" if report.results else "no tests"
    warned = f"; {_many(len(report.warnings), 'warning')}" if report.warnings else ""
    data = f"; data: {rows}" if rows else ""
    if report.elsewhere:
        names = ", ".join(report.elsewhere)
        click.echo(f"{folder}: not read, since they lie elsewhere: {names}; `doctor` tries them", err=True)
    click.echo(f"{folder}: {_many(len(report.policy.rules), 'rule')}, no problems; {tried}{warned}{data}")


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"
