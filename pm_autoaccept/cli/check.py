"""`check`: load a policy folder and say everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pm_autoaccept.cli import options

if TYPE_CHECKING:
    from pm_autoaccept.policy.definitions import Compared


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--live", is_flag=True, help="Compare it with the custom fields that the account defines, too.")
@options.account_of_folder
@options.output
def check(folder: Path | None, output: str, *, live: bool, **said: Any) -> int:  # noqa: ANN401 — click hands over the options, config checks them
    """Check the policy in FOLDER (default: PM_AUTOACCEPT_POLICY) and its data, and run its tests.

    Every fault is listed with file, line and column. Exit code 0 if there is none, 1 otherwise. With --live the account
    is signed in to and its custom fields are read; the options that say which account and how are for that alone.
    """
    from pm_autoaccept.cli.as_json import print_json
    from pm_autoaccept.errors import Fault, PolicyRefused
    from pm_autoaccept.model import NotLearnt
    from pm_autoaccept.policy import load, run_cases
    from pm_autoaccept.reference import read, read_folder

    named = options.policy_folder(folder)
    faults: tuple[Fault, ...] = ()
    policy = None
    try:
        policy = load(read_folder(named))
    except PolicyRefused as error:
        faults = error.faults
    compared = _compare(named, said) if live and policy else None
    faults += compared.faults if compared else ()
    results = run_cases(policy) if policy else ()
    faults += tuple(result.fault for result in results if result.fault is not None)
    tables = read(policy.sources, named) if policy else {}
    broken = {name: table.why for name, table in tables.items() if isinstance(table, NotLearnt)}
    if output == "json":
        print_json(
            {
                "folder": str(named),
                "faults": faults,
                "data": {
                    name: {"rows": None, "why": table.why}
                    if isinstance(table, NotLearnt)
                    else {"rows": table.rows, "digest": table.digest}
                    for name, table in tables.items()
                },
                "rules": [rule.id for rule in policy.rules] if policy else [],
                "holding_for_ever": policy.holding_for_ever if policy else [],
                "cases": [
                    {
                        "about": result.case.about,
                        "file": result.case.place.file,
                        "line": result.case.place.line,
                        "passed": result.fault is None,
                    }
                    for result in results
                ],
                "never_asked": compared.never_asked if compared else [],
            }
        )
        return int(bool(faults or broken))
    for fault in faults:
        click.echo(str(fault))
    for name, why in broken.items():
        click.echo(f"{named}: data {name}: {why}")
    if policy is not None and policy.holding_for_ever:
        rules = ", ".join(policy.holding_for_ever)
        click.echo(
            f"{named}: without `expire` what these rules hold waits for people, however long, and its customer "
            f"cannot send a corrected request meanwhile: {rules}",
            err=True,
        )
    for name in compared.never_asked if compared else ():
        click.echo(f"{named}: customers must fill in `{name}`, and no rule asks for it", err=True)
    problems = len(faults) + len(broken)
    if problems or policy is None:
        click.echo(
            f"{named}: {problems} problem{'s' if problems != 1 else ''}; nothing would be answered by it", err=True
        )
        return 1
    rows = ", ".join(
        f"{name} ({table.rows} rows)" for name, table in tables.items() if not isinstance(table, NotLearnt)
    )
    tried = f"{len(results)} test{'s' if len(results) != 1 else ''} passed" if results else "no tests"
    click.echo(f"{named}: {len(policy.rules)} rules, no problems; {tried}" + (f"; data: {rows}" if rows else ""))
    return 0


def _compare(folder: Path, said: dict[str, Any]) -> Compared:
    """Lay the policy beside the custom fields of the account."""
    from pm_autoaccept.cli.definitions import definitions_of
    from pm_autoaccept.config import load_settings
    from pm_autoaccept.policy.definitions import compare
    from pm_autoaccept.reference import read_folder

    return compare(read_folder(folder), definitions_of(load_settings(policy=folder, **said)))
