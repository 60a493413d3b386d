"""`resume`: answering goes on; or a limit is lifted for a while."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command

if TYPE_CHECKING:
    from sqlalchemy import Connection


@click.command(cls=Command)
@options.settings
@options.ledger
@click.option("--account", metavar="NAME", help="Only this account of the ledger; otherwise all.")
@click.option("--limit", type=click.Choice(["accept", "reject"]), help="Lift the policy's limits of these answers.")
@click.option("--until", metavar="TIME", help="Until when the limits are lifted: 18:00, or 2026-03-04T18:00-06:00.")
def resume(
    settings: Path | None, ledger: str | None, *, account: str | None, limit: str | None, until: str | None
) -> int:
    """End what `pause` began, for the same account or for all; or lift a limit. Who did it when is recorded."""
    import asyncio

    from pm_autoaccept.cli.support.pause_options import in_ledger, moment, who
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.ledger import pauses
    from pm_autoaccept.model import Action

    if (limit is None) is not (until is None):
        raise click.UsageError("--limit and --until go together, as --limit accept --until 18:00")
    by, now = who(), utc_now()
    whom = f"account {account}" if account else "all accounts of this ledger"
    if limit is not None and until is not None:
        action, ends = Action[limit.upper()], moment(until, now=now)
        asyncio.run(
            in_ledger(ledger, settings, lambda it: pauses.lift_limit(it, account, action, until=ends, by=by, at=now))
        )
        click.echo(f"No limit of {limit}s holds for {whom} until {ends:%Y-%m-%d %H:%M %Z}.")
        return 0

    def go_on(connection: Connection) -> tuple[bool, tuple[pauses.Pause, ...]]:
        return pauses.end_pause(connection, account, by=by, at=now), pauses.current_pauses(connection)

    ended, others = asyncio.run(in_ledger(ledger, settings, go_on))
    click.echo(f"Resumed {whom}." if ended else f"There was no pause of {whom}.")
    for each in others:
        click.echo(f"Still in force: {each}.", err=True)
    return 0
