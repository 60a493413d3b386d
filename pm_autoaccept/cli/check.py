"""The `check` command: load a policy folder, run its tests, and list every fault; for people and for CI."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command

if TYPE_CHECKING:
    from pm_autoaccept.cli.check_report.report import Report
    from pm_autoaccept.config import PolicyNames


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--live", is_flag=True, help="Also compare the policy with the account's custom fields.")
@click.option("--coverage", is_flag=True, help="List the rules that decide no test case.")
@click.option("--require-coverage", is_flag=True, help="Report a rule that decides no test case as a problem.")
@click.option("--files", is_flag=True, help="First list the files that were read.")
@click.option("--schema", is_flag=True, help="Print the JSON schema for editors, and exit.")
@options.account_of_folder
@click.option(
    "--output",
    type=click.Choice(["text", "json", "github", "junit", "sarif"]),
    default="text",
    show_default=True,
    metavar="FORMAT",
    help="Print text for people, json for programs, or github, junit or sarif for CI.",
)
def check(
    folder: Path | None,
    output: str,
    *,
    live: bool,
    coverage: bool,
    require_coverage: bool,
    files: bool,
    schema: bool,
    **overrides: Any,  # noqa: ANN401 — settings given as options; config checks them
) -> int:
    """Check the policy in FOLDER (default: the one in the settings) and its data, and run its tests.

    With a settings file, databases are queried, and connections and groups that the file does not name are reported.
    Without one they are not checked.

    Every fault is listed with file, line and column. The exit code is 0 if there are none, otherwise 1. --live signs in
    to the account and reads its custom fields; only refused passwords are recorded. The other options for account and
    calls are only for --live.
    """
    if schema:
        from pm_autoaccept.cli.output.json_rows import print_json
        from pm_autoaccept.policy.language.schema import schema as editor_schema

        print_json(editor_schema())
        return 0

    from pm_autoaccept.cli.check_report.report import report_on
    from pm_autoaccept.clock import utc_now

    named = options.policy_folder(folder, settings=overrides["settings"], account=overrides["account"])
    definitions = None
    if live:
        from pm_autoaccept.cli.support.session import read_custom_fields
        from pm_autoaccept.config import load_settings

        definitions = read_custom_fields(load_settings(policy=named, **overrides))
    report = report_on(
        named,
        now=utc_now(),
        names=_policy_names(overrides["settings"]),
        definitions=definitions,
        require_coverage=require_coverage,
    )
    _print(report, output, coverage=coverage or require_coverage, files=files)
    return int(bool(report.errors))


def _policy_names(settings: Path | None) -> PolicyNames | None:
    """The databases and groups in the settings file; None without one, so that a check without it starts fast."""
    if settings is None and "PM_AUTOACCEPT_SETTINGS" not in os.environ:
        return None
    from pm_autoaccept.config import policy_names

    return policy_names(settings)


def _print(report: Report, output: str, *, coverage: bool, files: bool) -> None:
    if output == "json":
        from pm_autoaccept.cli.check_report.json import print_as_json

        print_as_json(report)
    elif output == "github":
        from pm_autoaccept.cli.check_report.github import print_as_github

        print_as_github(report)
    elif output == "junit":
        from pm_autoaccept.cli.check_report.junit import print_as_junit

        print_as_junit(report)
    elif output == "sarif":
        from pm_autoaccept.cli.check_report.sarif import print_as_sarif

        print_as_sarif(report)
    else:
        from pm_autoaccept.cli.check_report.text import print_text

        print_text(report, coverage=coverage, files=files)
