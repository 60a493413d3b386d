"""The `notices` command: list the notices in the ledger, and send dead ones again."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Group

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pm_autoaccept.ledger.outbox import NoticeRow

_STATES = ("waiting", "delivered", "dead", "observed")


@click.group(cls=Group)
def notices() -> None:
    """List the notices to people and programs, and send dead ones again. Uses only the ledger."""


@notices.command("list")
@options.settings
@options.ledger
@options.table_output
@click.option("--account", metavar="NAME", help="List only notices of this provider account.")
@click.option("--target", metavar="NAME", help="List only notices for this target.")
@click.option(
    "--state",
    "states",
    type=click.Choice(_STATES),
    multiple=True,
    help="List only notices in this state (waiting and dead); can be repeated.",
)
def list_command(
    *,
    settings: Path | None,
    ledger: str | None,
    output: str,
    account: str | None,
    target: str | None,
    states: tuple[str, ...],
) -> int:
    """List the notices that wait or are dead, oldest first: to whom, about what, how often tried, and the last error.

    A notice is dead if its target refuses it for good, or did not take it in ten attempts over three days.
    """
    from pm_autoaccept.cli.output.rows import print_rows, text_zone
    from pm_autoaccept.cli.support.ledger_access import read_ledger
    from pm_autoaccept.ledger.outbox import list_notices
    from pm_autoaccept.model import NoticeState

    wanted = [NoticeState(state) for state in states or ("waiting", "dead")]

    def show(connection: Connection) -> None:
        print_rows(
            list_notices(connection, states=wanted, target=target, account=account),
            output=output,
            zone=text_zone(settings, account),
            columns=[(name, attrgetter(name)) for name in _COLUMNS[:3]]
            + [("about", _about)]
            + [(name, attrgetter(name)) for name in _COLUMNS[3:]],
            text=[
                ("created", attrgetter("created_at")),
                ("target", attrgetter("target")),
                ("notice", attrgetter("kind")),
                ("about", _about),
                ("state", attrgetter("state")),
                ("attempts", attrgetter("attempts")),
                ("next attempt", lambda row: row.due_at if row.state is NoticeState.WAITING else None),
                ("last error", attrgetter("error")),
                ("event", attrgetter("event_id")),
            ],
            what=("notice", "notices"),
        )

    read_ledger(ledger, settings, show, account=account)
    return 0


_COLUMNS = ("event_id", "account", "kind", "target", "state", "attempts", "created_at", "due_at", "ended_at", "error")


def _about(row: NoticeRow) -> Any:  # noqa: ANN401 — a value of JSON
    """The key of the request, connection or share that a notice is about."""
    about = row.body.get("request") or row.body.get("subject")
    return about.get("key") if isinstance(about, dict) else None


@notices.command()
@options.settings
@options.ledger
@click.option("--target", metavar="NAME", help="Send only notices for this target again.")
@click.argument("events", metavar="EVENTS", nargs=-1)
def resend(*, settings: Path | None, ledger: str | None, target: str | None, events: tuple[str, ...]) -> int:
    """Send all dead notices again, or these events, also if they were delivered. Their ids stay the same.

    `pm-autoaccept run` sends them. The exit code is 1 if there are none.
    """
    from pm_autoaccept.cli.support.ledger_access import write_ledger
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.ledger.outbox import resend as send_again

    sent = write_ledger(
        ledger,
        settings,
        lambda connection: send_again(connection, at=utc_now(), event_ids=events or None, target=target),
    )
    click.echo(f"{sent:,} {'notice' if sent == 1 else 'notices'} will be sent again.")
    return int(sent == 0)
