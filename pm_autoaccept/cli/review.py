"""`review`: the requests that are held for people; and acknowledging what people accepted in other ways."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pm_autoaccept.cli import options
from pm_autoaccept.cli.help_page import Group

if TYPE_CHECKING:
    from datetime import datetime

    from pm_autoaccept.record import HeldRow


@click.group(cls=Group, invoke_without_command=True)
@options.settings
@options.ledger
@options.table_output
@click.option("--account", metavar="NAME", help="Only this provider account, by its name in the settings.")
@click.pass_context
def review(
    context: click.Context, *, settings: Path | None, ledger: str | None, output: str, account: str | None
) -> int | None:
    """List the requests that are held for people, by which rule and for how long. Reads the ledger only.

    Answer them in Portfolio Manager's own pages; the next cycles record what became of each.
    """
    if context.invoked_subcommand is not None:
        return None
    from pm_autoaccept.cli.exporting import attributes, from_ledger, print_rows
    from pm_autoaccept.cycle import utc_now
    from pm_autoaccept.ledger.held_requests import held_requests

    now = utc_now()
    text = (
        ("held for", lambda row: _length(row, now)),
        ("request", lambda row: row.key),
        ("owner", lambda row: " ".join(str(each) for each in (row.account_id, row.username) if each)),
        ("account", lambda row: row.account),
        ("rule", lambda row: row.rule or ""),
        ("why", lambda row: f"{row.reason_text}{' (missing from one read)' if row.missed else ''}"),
    )
    columns = [
        *attributes("account"),
        ("request", lambda row: row.key),
        *attributes("kind"),
        ("owner_id", lambda row: row.account_id),
        ("owner_username", lambda row: row.username),
        *attributes("property_id", "verdict", "rule", "reason", "reason_text", "tell"),
        *attributes("since", "requested_at", "missed"),
    ]
    from_ledger(
        ledger,
        settings,
        lambda connection: print_rows(
            held_requests(connection, account=account),
            output=output,
            columns=columns,
            text=text,
            what=("request is held for review", "requests are held for review"),
        ),
        account=account,
    )
    return 0


def _length(row: HeldRow, now: datetime) -> str:
    """How long a request has been held, in the two largest units."""
    minutes = max(0, int((now - row.since).total_seconds() // 60))
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} m" if hours else f"{minutes} m"


@review.command()
@click.argument("key", metavar="KEY")
@click.option("--why", required=True, metavar="TEXT", help="The reason, kept with your name.")
@options.settings
@options.ledger
@click.option("--account", metavar="NAME", help="Of this provider account, by its name in the settings.")
def acknowledge(key: str, *, why: str, settings: Path | None, ledger: str | None, account: str | None) -> int:
    """Acknowledge KEY, a connection or share that people accepted elsewhere, as property:8120045.

    It leaves `decisions --undecided`, the gauge and the alert. Nothing is sent. Who acknowledged it, when and why stay
    on record: `account list --output json` shows them.
    """
    import asyncio

    from pm_autoaccept.cli.asking import who
    from pm_autoaccept.cli.braking import in_ledger
    from pm_autoaccept.cli.explain import request_key
    from pm_autoaccept.cycle import utc_now
    from pm_autoaccept.ledger import held_requests

    wanted, text = request_key(key), why.strip()
    if not text:
        raise click.UsageError("--why needs a reason, for example --why 'accepted by phone on March 4'")
    by, now = who(), utc_now()
    name = asyncio.run(
        in_ledger(
            ledger,
            settings,
            lambda it: held_requests.acknowledge(it, wanted, account=account, why=text, by=by, at=now),
        )
    )
    click.echo(f"Acknowledged {wanted} of account `{name}`, by {by}.")
    return 0
