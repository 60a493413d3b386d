"""Prints the recorded history of one request: each decision with its evidence, the answer, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path

from rich.table import Table as Grid
from rich.text import Text
from sqlalchemy import Connection

from pm_autoaccept.cli.output.rows import from_ledger, in_zone
from pm_autoaccept.cli.output.summary import ending
from pm_autoaccept.cli.output.tables import coloured, console
from pm_autoaccept.ledger.audit import find_decisions
from pm_autoaccept.model import Kind
from pm_autoaccept.record import DecisionFilter, DecisionRow
from pm_autoaccept.telemetry.terminal import printable


def recorded(
    kind: str, number: int, *, ledger: str | None, settings: Path | None, account: str | None
) -> Sequence[DecisionRow]:
    """Every decision of the request that the ledger has, the oldest first.

    Raises:
        LedgerUnavailable: there is no ledger.
    """
    wanted = DecisionFilter(kind=Kind(kind), id=number, account=account, every=True)

    def read(connection: Connection) -> Sequence[DecisionRow]:
        return list(find_decisions(connection, wanted))

    return from_ledger(ledger, settings, read, account=account)


def print_recorded(rows: Sequence[DecisionRow], *, zone: tzinfo) -> None:
    """Print them for people."""
    out = console()
    for row in rows:
        owner = f"{printable(row.username or 'an unnamed owner')} (account {row.account_id or 'unknown'})"
        out.print(Text(f"{row.key} of {owner}, decided {in_zone(row.decided_at, zone)}", style="bold"))
        head = Grid.grid(padding=(0, 2, 0, 0))
        head.add_column(no_wrap=True)
        head.add_column(overflow="fold")
        by = f"rule {row.rule}" if row.rule else "no rule"
        head.add_row("verdict", Text.assemble(coloured(str(row.verdict)), f" by {by}, in mode {row.mode}"))
        head.add_row("because", printable(row.reason_text))
        for each in row.evidence:
            found = "nothing" if each.found is None else each.found
            head.add_row("", printable(f"{each.field}: {each.expected}, found {found}: {each.truth}"))
        if row.note:
            head.add_row("note", printable(row.note))
        came = ending(row) if row.answered_at is None else f"{ending(row)}, sent {in_zone(row.answered_at, zone)}"
        head.add_row("came of it", Text.assemble(coloured(came), f" {printable(row.outcome_text)}"))
        out.print(head)
        out.print()
