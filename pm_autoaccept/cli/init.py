"""The `init` command: create a starter policy from the custom fields that the account defines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path))
@options.account_of_folder
def init(folder: Path, **overrides: Any) -> int:  # noqa: ANN401 — settings given as options; config checks them
    """Create a policy to start from in FOLDER: rules, tests, and a list to fill in for each custom field.

    This signs in to the account and reads its custom fields. Existing files are never overwritten. Only refused
    passwords are recorded in the ledger.
    """
    import json
    import secrets

    from pm_autoaccept.cli.starter.files import starter
    from pm_autoaccept.cli.support.session import read_custom_fields
    from pm_autoaccept.config import load_settings
    from pm_autoaccept.policy.language.schema import schema

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise click.UsageError(f"{folder} already exists and is not empty; choose another folder")
    settings = load_settings(policy=folder, **overrides)
    definitions = read_custom_fields(settings)
    files = starter(definitions, username=settings.username, nobody=secrets.token_hex(16))
    # Editors with a YAML language server find it through the first line of the policy.
    files["policy.schema.json"] = json.dumps(schema(), indent=2) + "\n"
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    number = len(definitions)
    click.echo(f"{folder}: created from the {number} custom field{'s' * (number != 1)} of {settings.username}")
    for name in files:
        click.echo(f"  {name}")
    click.echo("Put your own values into the lists under data/, then run:")
    click.echo(f"  pm-autoaccept check {folder}")
    return 0
