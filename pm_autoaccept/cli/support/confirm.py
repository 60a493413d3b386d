"""Asks people before something that cannot be undone, and says who they are."""

from __future__ import annotations

import getpass
import sys

import click


def ask(question: str, *, yes: bool) -> None:
    """Go on if people say yes, here or by an option; raises `UsageError` where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; say --yes")
    click.confirm(question, abort=True, err=True)


def who() -> str:
    """The name of the user of this machine who gives a command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "unknown"  # as in a container that runs by a number
