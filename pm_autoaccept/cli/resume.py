"""The `resume` command: end a pause, or lift a limit (override it) until a given time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command
from pm_autoaccept.cli.support.moments import MomentType

if TYPE_CHECKING:
    from sqlalchemy import Connection


@click.command(cls=Command)
@options.settings
@options.ledger
@click.option("--account", metavar="NAME", help="Resume only this account of the ledger; by default all accounts.")
@click.option("--limit", type=click.Choice(["accept", "reject"]), help="Lift the policy's limits on these answers.")
@click.option(
    "--until",
    type=MomentType(whole_day=True, future=True),
    metavar="TIME",
    help="Lift the limits until then: 2h, 18:00, 2026-03-04 (that whole day) or 2026-03-04T18:00-06:00. "
    "UTC unless it has an offset.",
)
def resume(
    settings: Path | None, ledger: str | None, *, account: str | None, limit: str | None, until: datetime | None
) -> int:
    """Resume answering after `pause`, for the same account or for all; or lift a limit for a while.

    Your name and the time are recorded.
    """
    from pm_autoaccept.cli.support.confirm import user_name
    from pm_autoaccept.cli.support.ledger_access import write_ledger
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.ledger import pauses
    from pm_autoaccept.model import Action
    from pm_autoaccept.policy.durations import written_duration

    if (limit is None) is not (until is None):
        raise click.UsageError("--limit and --until go together, for example --limit accept --until 2h")
    by, now = user_name(), utc_now()
    whom = f"account {account}" if account else "all accounts of this ledger"
    if limit is not None and until is not None:
        action = Action[limit.upper()]
        write_ledger(ledger, settings, lambda it: pauses.lift_limit(it, account, action, until=until, by=by, at=now))
        click.echo(
            f"Lifted the {limit} limits of {whom} until {until:%Y-%m-%d %H:%M %Z} ({written_duration(until - now)})."
        )
        return 0

    def end_pause(connection: Connection) -> tuple[bool, tuple[pauses.Pause, ...]]:
        return pauses.end_pause(connection, account, by=by, at=now), pauses.current_pauses(connection)

    ended, others = write_ledger(ledger, settings, end_pause)
    click.echo(f"Resumed {whom}." if ended else f"Not paused: {whom}.")
    for each in others:
        click.echo(f"Still paused: {each}.", err=True)
    return 0
