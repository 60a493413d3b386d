"""Options that several commands share. Secrets are never options: other users of the machine could read them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from pm_autoaccept.cli.support.help_page import Setting

Command = TypeVar("Command", bound=Callable[..., Any])


def output(command: Command) -> Command:
    """`--output text|json`."""
    return click.option(
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="For people, or for machines.",
    )(command)


def table_output(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--output text|json|csv`, and `--bom`, with which a command gets `csv-bom`."""

    @wraps(command)
    def chosen(*arguments: Any, output: str, bom: bool, **said: Any) -> Any:  # noqa: ANN401 — whatever the command takes
        if bom and output != "csv":
            raise click.UsageError("--bom is for spreadsheets; say --output csv too")
        return command(*arguments, output="csv-bom" if bom else output, **said)

    chosen = click.option(
        "--bom", is_flag=True, help="Begin CSV with a byte order mark: Excel then reads it as UTF-8."
    )(chosen)
    return click.option(
        "--output",
        type=click.Choice(["text", "json", "csv"]),
        default="text",
        show_default=True,
        help="For people, for machines, or for spreadsheets.",
    )(chosen)


def ledger(command: Command) -> Command:
    """`--ledger ADDRESS`."""
    return click.option(
        "--ledger", cls=Setting, metavar="ADDRESS", help="The ledger, as sqlite:///FILE or postgresql://USER@HOST/DB."
    )(command)


def settings(command: Command) -> Command:
    """`--settings FILE`."""
    return click.option(
        "--settings", cls=Setting, type=click.Path(path_type=Path), metavar="FILE", help="A settings file."
    )(command)


_WHOSE = (
    settings,
    click.option("--account", cls=Setting, metavar="NAME", help="One of the accounts in the settings file."),
    click.option("--service", cls=Setting, metavar="SERVICE", help="test, live, or a base URL."),
    click.option("--username", cls=Setting, metavar="NAME", help="The provider account's username."),
)
_HOW = (
    ledger,
    click.option("--in-flight", cls=Setting, type=int, metavar="N", help="Calls at once (4)."),
    click.option("--rate", cls=Setting, metavar="RATE", help="Calls over time (4 per 1s; none for a simulator)."),
)
_POLICY = click.option(
    "--policy", cls=Setting, type=click.Path(path_type=Path), metavar="FOLDER", help="The policy folder."
)


def account(command: Command) -> Command:
    """What says which account is looked at, by which policy."""
    for option in reversed((*_WHOSE, _POLICY, *_HOW)):
        command = option(command)
    return command


def account_of_folder(command: Command) -> Command:
    """The same for commands that are given the policy's folder as their argument."""
    for option in reversed((*_WHOSE, *_HOW)):
        command = option(command)
    return command


def mode(command: Command) -> Command:
    """`--mode observe|enforce`."""
    return click.option(
        "--mode",
        type=click.Choice(["observe", "enforce"]),
        help="observe decides and records (the default); enforce also answers.",
    )(command)


_KEY = re.compile(r"(connection|property|meter)[: ]([0-9]{1,19})")


def request_key(text: str) -> tuple[str, int]:
    """Kind and number of a request, as `meter:30511977`; raises `UsageError` for what names none."""
    named = _KEY.fullmatch(text.strip())
    if named is None:
        raise click.UsageError(
            f"{text!r} names no request; write connection:ID, property:ID or meter:ID, as meter:30511977. "
            "`pm-autoaccept pending` and `pm-autoaccept decisions` list them"
        )
    return named[1], int(named[2])


def policy_folder(said: Path | None, *, settings: Path | None, account: str | None) -> Path:
    """The folder that a command without other settings was given, or else the one that the settings name."""
    if said is not None:
        return said
    from pm_autoaccept.config import policy_folder as named_in

    named = named_in(settings=settings, account=account)
    if named is None:
        raise click.UsageError("name a policy folder, or set PM_AUTOACCEPT_POLICY, or `policy` in a settings file")
    return named
