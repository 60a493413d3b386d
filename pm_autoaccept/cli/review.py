"""`review`: the requests that are held for people; and acknowledging what people accepted in other ways."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Group

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection

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
    from pm_autoaccept.cli.output.rows import from_ledger, print_rows, text_zone, with_account
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.ledger.held_requests import held_requests
    from pm_autoaccept.policy.durations import written_duration

    now = utc_now()
    text = (
        ("request", lambda row: row.key),
        ("owner", lambda row: row.username or row.account_id or ""),
        ("rule", lambda row: row.rule or ""),
        ("held for", lambda row: written_duration(now - row.since)),
        ("since", lambda row: row.since),
        ("why", lambda row: f"{row.reason_text}{' (missing from one read)' if row.missed else ''}"),
    )

    def show(connection: Connection) -> None:
        print_rows(
            held_requests(connection, account=account),
            output=output,
            zone=text_zone(settings, account),
            columns=_columns(now),
            text=with_account(connection, account, text),
            what=("request is held for review", "requests are held for review"),
        )

    from_ledger(ledger, settings, show, account=account)
    return 0


def _columns(now: datetime) -> list[tuple[str, Callable[[HeldRow], object]]]:
    """The columns of JSON and CSV."""
    from pm_autoaccept.cli.output.rows import attributes

    return [
        *attributes("account"),
        ("request", lambda row: row.key),
        *attributes("kind", "id"),
        ("owner_id", lambda row: row.account_id),
        ("owner_username", lambda row: row.username),
        *attributes("property_id", "requested_at", "verdict", "rule"),
        ("held_since", lambda row: row.since),
        ("held_for_seconds", lambda row: round((now - row.since).total_seconds())),
        *attributes("missed", "reason", "reason_text", "tell"),
    ]


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

    from pm_autoaccept.cli.support.confirm import who
    from pm_autoaccept.cli.support.pause_options import in_ledger
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.ledger import held_requests
    from pm_autoaccept.model import Kind, RequestKey

    kind, number = options.request_key(key)
    wanted, text = RequestKey(Kind(kind), number), why.strip()
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
