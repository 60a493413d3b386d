"""`check`: load a policy folder and say everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import click

from pm_autoaccept.cli import options


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@options.output
def check(folder: Path | None, output: str) -> int:
    """Check the policy in FOLDER (default: PM_AUTOACCEPT_POLICY) and its data.

    Every fault is listed with file, line and column. Exit code 0 if there is none, 1 otherwise.
    """
    from pm_autoaccept.cli.as_json import print_json
    from pm_autoaccept.errors import Fault, PolicyRefused
    from pm_autoaccept.model import NotLearnt
    from pm_autoaccept.policy import load
    from pm_autoaccept.reference import read, read_folder

    named = options.policy_folder(folder)
    faults: tuple[Fault, ...] = ()
    policy = None
    try:
        policy = load(read_folder(named))
    except PolicyRefused as error:
        faults = error.faults
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
                "tests_not_run": policy.tests_not_run if policy else [],
            }
        )
        return int(bool(faults or broken))
    for fault in faults:
        click.echo(str(fault))
    for name, why in broken.items():
        click.echo(f"{named}: data {name}: {why}")
    if policy is not None:
        for file in policy.tests_not_run:
            click.echo(f"{file}: this version does not run policy tests yet; its cases were not tried", err=True)
        if policy.holding_for_ever:
            rules = ", ".join(policy.holding_for_ever)
            click.echo(
                f"{named}: without `expire` what these rules hold waits for people, however long, and its customer "
                f"cannot send a corrected request meanwhile: {rules}",
                err=True,
            )
    problems = len(faults) + len(broken)
    if problems or policy is None:
        click.echo(
            f"{named}: {problems} problem{'s' if problems != 1 else ''}; nothing would be answered by it", err=True
        )
        return 1
    rows = ", ".join(
        f"{name} ({table.rows} rows)" for name, table in tables.items() if not isinstance(table, NotLearnt)
    )
    click.echo(f"{named}: {len(policy.rules)} rules, no problems" + (f"; data: {rows}" if rows else ""))
    return 0
