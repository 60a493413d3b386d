"""`init`: a policy to start from, made from the custom fields that the account defines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path))
@options.account_of_folder
def init(folder: Path, **said: Any) -> int:  # noqa: ANN401 — click hands over the options, config checks them
    """Write a policy to start from into FOLDER: rules, tests, and a list to fill in for each custom field.

    The account is signed in to, and its custom fields are read. Nothing is written over; nothing is recorded in the
    ledger but refused passwords.
    """
    import json
    import secrets

    from pm_autoaccept.cli.starter.files import starter
    from pm_autoaccept.cli.support.field_definitions import definitions_of
    from pm_autoaccept.config import load_settings
    from pm_autoaccept.policy.language.schema import schema

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise click.UsageError(f"{folder} is there already; nothing is written over, so name another folder")
    settings = load_settings(policy=folder, **said)
    definitions = definitions_of(settings)
    files = starter(definitions, username=settings.username, nobody=secrets.token_hex(16))
    # An editor with a YAML language server reads it by the first line of the policy.
    files["policy.schema.json"] = json.dumps(schema(), indent=2) + "\n"
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    number = len(definitions)
    click.echo(f"{folder}: made from the {number} custom field{'s' * (number != 1)} of {settings.username}")
    for name in files:
        click.echo(f"  {name}")
    click.echo("Put your own values into the lists under data/, then say:")
    click.echo(f"  pm-autoaccept check {folder}")
    return 0
