"""`pause`: nothing is answered until somebody says `resume`."""

from __future__ import annotations

from pathlib import Path

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command


@click.command(cls=Command)
@options.settings
@options.ledger
@click.option("--account", metavar="NAME", help="Only this account of the ledger; otherwise all.")
@click.option("--why", metavar="TEXT", default="", help="For the record, and for whoever finds it paused.")
def pause(settings: Path | None, ledger: str | None, *, account: str | None, why: str) -> int:
    """Stop answering: no further answer leaves, also of a `run` on this ledger that goes on reading and deciding.

    What was on its way already is not called back. It lasts until `resume`, over restarts.
    """
    import asyncio

    from pm_autoaccept.cli.support.pause_options import in_ledger, who
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.ledger import pauses

    by = who()
    new = asyncio.run(
        in_ledger(ledger, settings, lambda it: pauses.add_pause(it, account, by=by, why=why, at=utc_now()))
    )
    whom = f"account {account}" if account else "all accounts of this ledger"
    click.echo(f"Paused {whom}; `resume` goes on." if new else f"There was a pause of {whom} already.")
    return 0
