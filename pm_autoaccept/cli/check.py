"""`check`: load a policy folder, run its tests, and say everything that is wrong with it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
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
@click.option("--live", is_flag=True, help="Compare it with the custom fields that the account defines, too.")
@click.option("--coverage", is_flag=True, help="List the rules that decide no test.")
@click.option("--require-coverage", is_flag=True, help="A rule that decides no test is a problem.")
@click.option("--files", is_flag=True, help="List the files that were read, first.")
@click.option("--schema", is_flag=True, help="Print the schema with which editors help to write policies, and stop.")
@options.account_of_folder
@click.option(
    "--output",
    type=click.Choice(["text", "json", "github", "junit", "sarif"]),
    default="text",
    show_default=True,
    metavar="FORM",
    help="text for people, json for machines; github, junit or sarif for what checks each change.",
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
    **said: Any,  # noqa: ANN401 — click hands over the options, config checks them
) -> int:
    """Check the policy in FOLDER (default: the one that the settings name) and its data, and run its tests.

    A settings file says which databases and groups of people there are: what the policy names and the file does not is
    found, and the databases are asked. Without one they are not.

    Every fault is listed with file, line and column. Exit code 0 if there is none, 1 otherwise. With --live the account
    is signed in to and its custom fields are read; nothing is recorded but refused passwords. The options that say
    which account and how are for that alone.
    """
    if schema:
        from pm_autoaccept.cli.output.json_rows import print_json
        from pm_autoaccept.policy.language.schema import schema as editor_schema

        print_json(editor_schema())
        return 0

    from pm_autoaccept.cli.check_report.report import report_on

    named = options.policy_folder(folder, settings=said["settings"], account=said["account"])
    definitions = None
    if live:
        from pm_autoaccept.cli.support.field_definitions import definitions_of
        from pm_autoaccept.config import load_settings

        definitions = definitions_of(load_settings(policy=named, **said))
    report = report_on(
        named,
        now=datetime.now(UTC),
        names=_names_of(said["settings"]),
        definitions=definitions,
        require_coverage=require_coverage,
    )
    _show(report, output, coverage=coverage or require_coverage, files=files)
    return int(bool(report.errors))


def _names_of(settings: Path | None) -> PolicyNames | None:
    """What the settings file says of databases and groups. None where there is none: then a check starts at once."""
    if settings is None and "PM_AUTOACCEPT_SETTINGS" not in os.environ:
        return None
    from pm_autoaccept.config import policy_names

    return policy_names(settings)


def _show(report: Report, output: str, *, coverage: bool, files: bool) -> None:
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
