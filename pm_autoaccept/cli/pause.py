"""The `pause` command: stop answering until `resume`, on this ledger, including a running daemon."""

from __future__ import annotations

from pathlib import Path

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command


@click.command(cls=Command)
@options.settings
@options.ledger
@click.option("--account", metavar="NAME", help="Pause only this account of the ledger; by default all accounts.")
@click.option("--why", metavar="TEXT", default="", help="Give the reason; it is recorded, and shown during the pause.")
def pause(settings: Path | None, ledger: str | None, *, account: str | None, why: str) -> int:
    """Pause answering: no answer is sent from now on. A running `run` keeps reading and deciding.

    Answers in flight are not called back. The pause lasts until `resume`, across restarts.
    """
    from pm_autoaccept.cli.support.confirm import user_name
    from pm_autoaccept.cli.support.ledger_access import write_ledger
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.ledger import pauses

    by = user_name()
    new = write_ledger(ledger, settings, lambda it: pauses.add_pause(it, account, by=by, why=why, at=utc_now()))
    whom = f"account {account}" if account else "all accounts of this ledger"
    click.echo(f"Paused {whom}. Run `resume` to continue." if new else f"Already paused: {whom}.")
    return 0
