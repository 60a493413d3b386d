"""Prints the recorded history of one request: each decision with its evidence, the answer and its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path

from rich.table import Table as Grid
from rich.text import Text
from sqlalchemy import Connection

from pm_autoaccept.cli.output.summary import ending
from pm_autoaccept.cli.output.tables import colored, console
from pm_autoaccept.cli.support.ledger_access import read_ledger
from pm_autoaccept.cli.support.moments import format_moment
from pm_autoaccept.ledger.audit import find_decisions
from pm_autoaccept.model import Kind
from pm_autoaccept.record import DecisionFilter, DecisionRow
from pm_autoaccept.telemetry.terminal import printable


def recorded_decisions(
    kind: str, number: int, *, ledger: str | None, settings: Path | None, account: str | None
) -> Sequence[DecisionRow]:
    """Every recorded decision of the request, oldest first.

    Raises:
        LedgerUnavailable: there is no ledger.
    """
    wanted = DecisionFilter(kind=Kind(kind), id=number, account=account, every=True)

    def read(connection: Connection) -> Sequence[DecisionRow]:
        return list(find_decisions(connection, wanted))

    return read_ledger(ledger, settings, read, account=account)


def print_history(rows: Sequence[DecisionRow], *, zone: tzinfo) -> None:
    """Print the decisions of one request as text."""
    out = console()
    for row in rows:
        owner = f"{printable(row.username or 'an unnamed owner')} (account {row.account_id or 'unknown'})"
        out.print(Text(f"{row.key} of {owner}, decided {format_moment(row.decided_at, zone)}", style="bold"))
        head = Grid.grid(padding=(0, 2, 0, 0))
        head.add_column(no_wrap=True)
        head.add_column(overflow="fold")
        by = " and ".join(row.answered_by) or (f"rule {row.rule}" if row.rule else "no rule")
        head.add_row("verdict", Text.assemble(colored(str(row.verdict)), f" by {printable(by)}, in mode {row.mode}"))
        head.add_row("reason", printable(row.reason_text))
        for each in row.evidence:
            found = "nothing" if each.found is None else each.found
            head.add_row("", printable(f"{each.field}: {each.expected}, found {found}: {each.truth}"))
        if row.note:
            head.add_row("note", printable(row.note))
        ended = (
            ending(row) if row.answered_at is None else f"{ending(row)}, sent {format_moment(row.answered_at, zone)}"
        )
        head.add_row("outcome", Text.assemble(colored(ended), f" {printable(row.outcome_text)}"))
        out.print(head)
        out.print()
