"""Asks for confirmation before something that cannot be undone, and names the user who gives a command."""

from __future__ import annotations

import getpass
import os
import sys

import click


def confirm(question: str, *, yes: bool) -> None:
    """Return if the user confirms, at the prompt or with --yes; raise `UsageError` if there is no terminal."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("not a terminal; pass --yes to confirm")
    click.confirm(question, abort=True, err=True)


def user_name() -> str:
    """The name of the machine's user who runs the command, for the record."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # a container's user need not have a name
        return f"user {os.getuid()}"
