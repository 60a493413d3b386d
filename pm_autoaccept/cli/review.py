"""`review`: what is held for people now, from the ledger: by which rule, why, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pm_autoaccept.cli import options
from pm_autoaccept.cli.help_page import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from sqlalchemy import Connection

    from pm_autoaccept.record import DecisionRow


@click.command(cls=Command)
@options.settings
@options.ledger
@options.table_output
@click.option("--account", metavar="NAME", help="Only of this provider account, by the settings' name.")
def review(settings: Path | None, ledger: str | None, *, output: str, account: str | None) -> int:
    """List the requests that are held for people now, those first that have waited longest.

    Reads the ledger only, as the last cycle left it: neither the service nor its password is needed. `explain KEY` says
    more of one of them.
    """
    from pm_autoaccept.cli.exporting import from_ledger, print_rows, text_zone, with_account
    from pm_autoaccept.cycle import utc_now
    from pm_autoaccept.policy.durations import written_duration

    now = utc_now()

    def show(connection: Connection) -> None:
        print_rows(
            _held(connection, account),
            output=output,
            zone=text_zone(settings, account),
            columns=_columns(now),
            text=with_account(
                connection,
                account,
                (
                    ("request", lambda row: row.key),
                    ("owner", lambda row: row.username or ""),
                    ("rule", lambda row: row.rule or ""),
                    ("held for", lambda row: written_duration(now - row.decided_at)),
                    ("since", lambda row: row.decided_at),
                    ("why", lambda row: row.reason_text),
                ),
            ),
            what=("request is held", "requests are held"),
        )

    from_ledger(ledger, settings, show, account=account)
    return 0


def _held(connection: Connection, account: str | None) -> Iterator[DecisionRow]:
    """The last decision of each request that pends and is held; a new one is recorded only where its reason changes."""
    from pm_autoaccept.ledger.auditing import wanted_decisions
    from pm_autoaccept.model import Verdict
    from pm_autoaccept.record import Wanted

    rows = wanted_decisions(connection, Wanted(verdict=Verdict.HOLD, account=account))
    return (row for row in rows if row.outcome is None)


def _columns(now: datetime) -> list[tuple[str, Callable[[DecisionRow], object]]]:
    """The columns of JSON and CSV."""
    from pm_autoaccept.cli.exporting import attributes

    return [
        *attributes("account"),
        ("request", lambda row: row.key),
        *attributes("kind", "id", "time"),
        ("owner_id", lambda row: row.account_id),
        ("owner_username", lambda row: row.username),
        *attributes("property_id", "custom", "requested_at", "rule"),
        ("held_since", lambda row: row.decided_at),
        ("held_for_seconds", lambda row: round((now - row.decided_at).total_seconds())),
        *attributes("mode", "reason", "reason_text", "unknown", "tell"),
    ]
