"""`migrate`: bring a ledger up to date."""

from __future__ import annotations

from pathlib import Path

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command


@click.command(cls=Command)
@options.settings
@options.ledger
@click.option("--check", is_flag=True, help="Only say what would be done; exit code 1 if there is something to do.")
def migrate(*, settings: Path | None, ledger: str | None, check: bool) -> int:
    """Bring a ledger's tables up to date, and say from which version to which.

    A ledger in SQLite is brought up to date by the next `run` or `once` too, one in PostgreSQL only by this command:
    stop every replica first, since those of an older version cannot work with newer tables.
    """
    from pm_autoaccept.cli.support.runner import run_gently
    from pm_autoaccept.config import ledger_address

    address = ledger_address(ledger, settings=settings)
    return run_gently(lambda _stop: _migrate(address, check=check))


async def _migrate(address: str, *, check: bool) -> int:
    from pm_autoaccept.ledger.db.upgrade import migrate as bring_up_to_date

    before, after = await bring_up_to_date(address, check_only=check)
    if before == after:
        click.echo(f"The ledger is up to date: its tables are version {after}.")
        return 0
    if check:
        found = "has no tables yet" if before is None else f"has tables of version {before}"
        click.echo(f"The ledger {found}; `pm-autoaccept migrate` makes them version {after}.")
        return 1
    done = "made" if before is None else f"brought from version {before} up to date"
    click.echo(f"The ledger's tables were {done}: they are version {after}.")
    return 0
