"""Command-line options that several commands share. Secrets are never options: other users could read them."""

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
        help="Print text for people or JSON for programs.",
    )(command)


def table_output(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--output text|json|csv` and `--bom`; with both csv and --bom, the command receives `csv-bom`."""

    @wraps(command)
    def chosen(*arguments: Any, output: str, bom: bool, **others: Any) -> Any:  # noqa: ANN401 — whatever the command takes
        if bom and output != "csv":
            raise click.UsageError("--bom requires --output csv")
        return command(*arguments, output="csv-bom" if bom else output, **others)

    chosen = click.option(
        "--bom", is_flag=True, help="Start CSV with a byte order mark, so that Excel reads it as UTF-8."
    )(chosen)
    return click.option(
        "--output",
        type=click.Choice(["text", "json", "csv"]),
        default="text",
        show_default=True,
        help="Print text for people, JSON for programs, or CSV for spreadsheets.",
    )(chosen)


def ledger(command: Command) -> Command:
    """`--ledger ADDRESS`."""
    return click.option(
        "--ledger", cls=Setting, metavar="ADDRESS", help="Use this ledger: sqlite:///FILE or postgresql://USER@HOST/DB."
    )(command)


def settings(command: Command) -> Command:
    """`--settings FILE`."""
    return click.option(
        "--settings", cls=Setting, type=click.Path(path_type=Path), metavar="FILE", help="Read this settings file."
    )(command)


_ACCOUNT_OPTIONS = (
    settings,
    click.option("--account", cls=Setting, metavar="NAME", help="Use this account of the settings file."),
    click.option("--service", cls=Setting, metavar="SERVICE", help="Call this service: test, live, or a base URL."),
    click.option("--username", cls=Setting, metavar="NAME", help="Sign in with this username."),
)
_CALL_OPTIONS = (
    ledger,
    click.option("--in-flight", cls=Setting, type=int, metavar="N", help="Limit the number of concurrent calls (4)."),
    click.option(
        "--rate", cls=Setting, metavar="RATE", help="Limit the rate of calls (4 per 1s; none for a simulator)."
    ),
)
_POLICY = click.option(
    "--policy", cls=Setting, type=click.Path(path_type=Path), metavar="FOLDER", help="Use this policy folder."
)


def account(command: Command) -> Command:
    """The options for account, policy, ledger and rate."""
    for option in reversed((*_ACCOUNT_OPTIONS, _POLICY, *_CALL_OPTIONS)):
        command = option(command)
    return command


def account_of_folder(command: Command) -> Command:
    """The same without --policy, for commands whose argument is the policy folder."""
    for option in reversed((*_ACCOUNT_OPTIONS, *_CALL_OPTIONS)):
        command = option(command)
    return command


def mode(command: Command) -> Command:
    """`--mode observe|enforce`."""
    return click.option(
        "--mode",
        type=click.Choice(["observe", "enforce"]),
        help="Decide and record (observe, the default), or also answer (enforce).",
    )(command)


_KEY = re.compile(r"(connection|property|meter)[: ]([0-9]{1,19})")


def request_key(text: str) -> tuple[str, int]:
    """Parse a request key such as `meter:30511977` into kind and number; raises `UsageError` if it is invalid."""
    named = _KEY.fullmatch(text.strip())
    if named is None:
        raise click.UsageError(
            f"invalid request key {text!r}; use connection:ID, property:ID or meter:ID, for example meter:30511977. "
            "`pm-autoaccept pending` and `pm-autoaccept decisions` list the keys"
        )
    return named[1], int(named[2])


_STAMP = re.compile(r"[0-9]+\.[0-9]+\.[0-9a-f]+")


def reviewed_key(text: str) -> tuple[str, int, str | None]:
    """Parse a key of `review`, such as `property:88@12.34.5f6a`, into kind, number and stamp (None without one)."""
    plain, at, stamp = text.strip().partition("@")
    if at and not _STAMP.fullmatch(stamp):
        advice = "copy it from `review --output json`, or leave out everything from @ on"
        raise click.UsageError(f"invalid key {text!r}; {advice}")
    kind, number = request_key(plain)
    return kind, number, stamp if at else None


def policy_folder(option: Path | None, *, settings: Path | None, account: str | None) -> Path:
    """The policy folder from the command line, or else from the settings; raises `UsageError` if there is none."""
    if option is not None:
        return option
    from pm_autoaccept.config import policy_folder as from_settings

    folder = from_settings(settings=settings, account=account)
    if folder is None:
        raise click.UsageError(
            "no policy folder; pass one, set PM_AUTOACCEPT_POLICY, or set `policy` in a settings file"
        )
    return folder
