"""The `doctor` command: print the settings with their origins, then the result of every self-check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pm_autoaccept.config import ListedSetting, Program
    from pm_autoaccept.doctor import Finding


@click.command(cls=Command)
@options.account
@options.mode
@options.output
@click.option("--notify", is_flag=True, help="Also send a test notice to each target, and show what came back.")
def doctor(output: str, *, notify: bool, **overrides: Any) -> int:  # noqa: ANN401 — settings given as options; config checks them
    """Show each setting with its origin, then check policy, host, sign-in, clock, lists, custom fields and ledger.

    Portfolio Manager is only read, and only refused passwords are recorded in the ledger. The exit code is 1 if there
    is a problem, otherwise 0.
    """
    from pm_autoaccept.cli.support.runner import run_reading
    from pm_autoaccept.config import load_valid_accounts
    from pm_autoaccept.errors import ConfigurationError

    try:
        program, faults = load_valid_accounts(**overrides)
    except ConfigurationError as error:
        program, faults = None, (str(error),)
    settings = None if program is None else program.accounts[0]
    return run_reading(lambda: _examine(program, faults, output=output, notify=notify), settings=settings)


async def _examine(program: Program | None, faults: Sequence[str], *, output: str, notify: bool) -> int:
    from pm_autoaccept.cli.output.json_rows import print_json
    from pm_autoaccept.cli.output.tables import console
    from pm_autoaccept.config import list_settings
    from pm_autoaccept.doctor import State, examine, send_tests, settings_refused

    findings = [settings_refused(fault) for fault in faults]
    settings = [] if program is None else list(list_settings(program))
    messages = console(stderr=True)
    if program is not None:
        # Show progress on stderr, because a check may have to wait for a time-out.
        with messages.status("Checking") as status:
            async for finding in examine(program):
                findings.append(finding)
                status.update(f"Checked {finding.check}")
            if notify:
                async for finding in send_tests(program):
                    findings.append(finding)
                    status.update(f"Checked {finding.check}")
    problems = sum(finding.state is State.PROBLEM for finding in findings)
    if output == "json":
        print_json({"settings": settings, "checks": findings, "problems": problems})
    else:
        _print(settings, findings)
    return int(problems > 0)


def _print(settings: Sequence[ListedSetting], findings: Sequence[Finding]) -> None:
    """Print as text: the settings, then the findings by account."""
    from pm_autoaccept.cli.output.tables import console, print_table
    from pm_autoaccept.doctor import State

    out = console()
    several = len({each.account for each in settings if each.account}) > 1
    if settings:
        rows = [
            (*((each.account or "",) if several else ()), each.setting, each.value or "none", each.origin)
            for each in settings
        ]
        print_table(out, (*(("account",) if several else ()), "setting", "value", "from"), rows, title="Settings")
    for account in dict.fromkeys(finding.account for finding in findings):
        title = "This machine" if account is None else f"Account {account}"
        of_account = [finding for finding in findings if finding.account == account]
        print_table(out, ("", "check", "result"), _rows(of_account), title=title)
    counted = [
        f"{number} {name}{'s' if number != 1 else ''}"
        for name, state in (("problem", State.PROBLEM), ("warning", State.WARNING))
        if (number := sum(finding.state is state for finding in findings))
    ]
    out.print(" and ".join(counted) + "." if counted else "No problems.")


def _rows(findings: Iterable[Finding]) -> Iterable[tuple[object, ...]]:
    """One row for each finding, one for each further line of it, and one for its advice."""
    from pm_autoaccept.cli.output.tables import colored

    for finding in findings:
        first, *more = finding.found.splitlines()
        yield colored(str(finding.state)), finding.check, first
        yield from (("", "", line) for line in more)
        if finding.advice:
            yield "", "", f"→ {finding.advice}"
