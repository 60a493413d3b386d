"""`doctor`: try what can be tried without changing anything, and say what to do about each fault."""

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
def doctor(output: str, **said: Any) -> int:  # noqa: ANN401 — click hands over the options, config checks them
    """Show each setting and where it came from, then try policy, host, sign-in, clock, lists, custom fields and ledger.

    Of Portfolio Manager only reads are asked, and nothing is recorded in the ledger but refused passwords. Exit code 1
    where there is a problem, 0 otherwise.
    """
    from pm_autoaccept.cli.support.runner import read_gently
    from pm_autoaccept.config import load_valid_accounts
    from pm_autoaccept.errors import ConfigurationError

    try:
        program, faults = load_valid_accounts(**said)
    except ConfigurationError as error:
        program, faults = None, (str(error),)
    settings = None if program is None else program.accounts[0]
    return read_gently(lambda: _examine(program, faults, output=output), settings=settings)


async def _examine(program: Program | None, faults: Sequence[str], *, output: str) -> int:
    from pm_autoaccept.cli.output.json_rows import print_json
    from pm_autoaccept.cli.output.tables import console
    from pm_autoaccept.config import list_settings
    from pm_autoaccept.doctor import State, examine, settings_refused

    findings = [settings_refused(fault) for fault in faults]
    settings = [] if program is None else list(list_settings(program))
    messages = console(stderr=True)
    if program is not None:
        # A progress on stderr, since a host that does not answer is waited for.
        with messages.status("Trying") as status:
            async for finding in examine(program):
                findings.append(finding)
                status.update(f"Tried {finding.check}")
    problems = sum(finding.state is State.PROBLEM for finding in findings)
    if output == "json":
        print_json({"settings": settings, "checks": findings, "problems": problems})
    else:
        _print(settings, findings)
    return int(problems > 0)


def _print(settings: Sequence[ListedSetting], findings: Sequence[Finding]) -> None:
    """Print for a person: the settings, then what was found, by account."""
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
        of_it = [finding for finding in findings if finding.account == account]
        print_table(out, ("", "check", "what was found, and what to do"), _rows(of_it), title=title)
    counted = [
        f"{number} {name}{'s' if number != 1 else ''}"
        for name, state in (("problem", State.PROBLEM), ("warning", State.WARNING))
        if (number := sum(finding.state is state for finding in findings))
    ]
    out.print(" and ".join(counted) + "." if counted else "All is well.")


def _rows(findings: Iterable[Finding]) -> Iterable[tuple[object, ...]]:
    """One row for each finding, one for each further line of it, and one for what to do about it."""
    from pm_autoaccept.cli.output.tables import coloured

    for finding in findings:
        first, *more = finding.found.splitlines()
        yield coloured(str(finding.state)), finding.check, first
        yield from (("", "", line) for line in more)
        if finding.advice:
            yield "", "", f"→ {finding.advice}"
