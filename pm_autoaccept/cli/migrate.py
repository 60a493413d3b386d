"""The `migrate` command: upgrade a ledger's tables to this program's schema version."""

from __future__ import annotations

from pathlib import Path

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command


@click.command(cls=Command)
@options.settings
@options.ledger
@click.option("--check", is_flag=True, help="Only report what would be done; exit code 1 if an upgrade is needed.")
def migrate(*, settings: Path | None, ledger: str | None, check: bool) -> int:
    """Upgrade the ledger's tables to the schema version of this program.

    The next `run` or `once` upgrades a SQLite ledger automatically. A PostgreSQL ledger is upgraded only by this
    command: stop every replica first, because older versions cannot work with newer tables.
    """
    from pm_autoaccept.cli.support.runner import run_to_end
    from pm_autoaccept.config import ledger_address

    address = ledger_address(ledger, settings=settings)
    return run_to_end(lambda _stop: _migrate(address, check=check))


async def _migrate(address: str, *, check: bool) -> int:
    from pm_autoaccept.ledger.db.upgrade import migrate as upgrade

    before, after = await upgrade(address, check_only=check)
    if before == after:
        click.echo(f"The ledger is up to date: schema version {after}.")
        return 0
    if check:
        found = "has no tables yet" if before is None else f"has schema version {before}"
        click.echo(f"The ledger {found}; run `pm-autoaccept migrate` for version {after}.")
        return 1
    done = "Created the ledger's tables" if before is None else f"Upgraded the ledger from schema version {before}"
    click.echo(f"{done}: schema version {after}.")
    return 0
