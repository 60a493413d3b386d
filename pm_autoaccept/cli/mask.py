"""`mask`: take names and what customers typed out of what is old, for good."""

from __future__ import annotations

from pathlib import Path

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command


@click.command(cls=Command)
@click.option(
    "--before", metavar="TIME", required=True, help="A date, or a date and time (UTC where no offset is said)."
)
@click.option("--account", "name", metavar="NAME", help="Only of this provider account, by the settings' name.")
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@options.settings
@options.ledger
def mask(before: str, *, name: str | None, yes: bool, settings: Path | None, ledger: str | None) -> int:
    """Take names, e-mail addresses, phone numbers and what customers typed out of all that was last seen before a time.

    Ids, times, verdicts, rules, reasons, digests and outcomes stay. It cannot be undone; copies and backups of the
    ledger are not touched.
    """
    import asyncio

    from pm_autoaccept.cli.output.rows import from_ledger, moment
    from pm_autoaccept.cli.support.confirm import ask
    from pm_autoaccept.config import ledger_address
    from pm_autoaccept.ledger import Database, retention

    until = moment(before)
    assert until is not None  # noqa: S101 — click demands the option
    old = from_ledger(
        ledger,
        settings,
        lambda connection: retention.count_maskable(connection, before=until, account=name),
        account=name,
    )
    # Also where there is nothing left to mask: an earlier time may not have erased it from the file.
    ask(f"Mask {old} rows that were last seen before {until:%Y-%m-%d %H:%M:%S %Z}, for good?", yes=yes)

    async def work() -> retention.Masked:
        database = await Database.open(ledger_address(ledger, settings=settings))
        try:
            return await retention.mask(database, before=until, account=name)
        finally:
            await database.close()

    done = asyncio.run(work())
    click.echo(f"Masked {done.requests} requests and {done.others} other rows.")
    if not done.erased:
        click.echo(
            "The database may still hold what was there before. If it is a file, another process was reading it:\n"
            "repeat the command. In PostgreSQL run VACUUM FULL while nothing else runs.",
            err=True,
        )
        return 1
    return 0
