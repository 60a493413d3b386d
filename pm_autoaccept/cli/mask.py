"""The `mask` command: permanently mask personal data in old records of the ledger (data retention)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command
from pm_autoaccept.cli.support.moments import MomentType, format_moment


@click.command(cls=Command)
@click.option(
    "--before",
    type=MomentType(),
    metavar="TIME",
    required=True,
    help="Mask records last seen before then: 365d, 2026-03-04 or 2026-03-04T18:00-06:00. UTC unless it has an offset.",
)
@click.option("--account", "name", metavar="NAME", help="Mask only this provider account, by its name in the settings.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation; required if there is no terminal.")
@options.settings
@options.ledger
def mask(before: datetime, *, name: str | None, yes: bool, settings: Path | None, ledger: str | None) -> int:
    """Permanently mask names, e-mail addresses, phone numbers and customers' text in records last seen before a time.

    Ids, times, verdicts, rules, reasons, digests and outcomes stay. Masking cannot be undone. Copies and backups of the
    ledger are not changed.
    """
    import asyncio

    from pm_autoaccept.cli.support.confirm import confirm
    from pm_autoaccept.cli.support.ledger_access import read_ledger
    from pm_autoaccept.config import ledger_address
    from pm_autoaccept.ledger import Database, retention

    old = read_ledger(
        ledger,
        settings,
        lambda connection: retention.count_maskable(connection, before=before, account=name),
        account=name,
    )
    # Even if there is nothing left to mask: an earlier run may not have erased the old data from the file.
    confirm(f"Permanently mask {old} rows last seen before {format_moment(before, UTC)}?", yes=yes)

    async def work() -> retention.Masked:
        database = await Database.open(ledger_address(ledger, settings=settings))
        try:
            return await retention.mask(database, before=before, account=name)
        finally:
            await database.close()

    done = asyncio.run(work())
    click.echo(f"Masked {done.requests} requests and {done.others} other rows.")
    if not done.erased:
        click.echo(
            "The database may still contain the old data. If it is a file, another process was reading it: repeat the\n"
            "command. In PostgreSQL, run VACUUM FULL while nothing else is running.",
            err=True,
        )
        return 1
    return 0
