"""`decisions`: what was decided and what came of it, from the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pm_autoaccept.cli import options

if TYPE_CHECKING:
    from pathlib import Path

    from pm_autoaccept.record import DecisionRow


@click.command()
@options.settings
@options.ledger
@options.output
@click.option("--kind", type=click.Choice(["connection", "property", "meter"]), help="Only requests of this kind.")
@click.option("--verdict", type=click.Choice(["accept", "reject", "hold"]), help="Only this verdict.")
@click.option("--rule", metavar="ID", help="Only what this rule decided.")
@click.option("--every", is_flag=True, help="Every decision, not only each request's last.")
def decisions(
    ledger: str | None,
    *,
    settings: Path | None,
    output: str,
    kind: str | None,
    verdict: str | None,
    rule: str | None,
    every: bool,
) -> int:
    """List the last decision of each request, the answer sent, and its outcome. Reads the ledger only."""
    import asyncio

    from pm_autoaccept.cli.as_json import print_json
    from pm_autoaccept.cli.printing import coloured, console, print_table
    from pm_autoaccept.cli.recorded import read_ledger
    from pm_autoaccept.cli.summary import ending

    def wanted(row: DecisionRow) -> bool:
        asked = ((kind, row.kind), (verdict, row.verdict), (rule, row.rule))
        return all(want is None or want == has for want, has in asked)

    rows = [row for row in asyncio.run(read_ledger(ledger, settings=settings, every=every)) if wanted(row)]
    if output == "json":
        print_json(rows)
        return 0
    out = console()
    print_table(
        out,
        ("decided", "request", "owner", "verdict", "rule", "what became of it", "why"),
        (
            (
                f"{row.decided_at:%Y-%m-%d %H:%M:%S}",
                row.key,
                row.username or "",
                coloured(str(row.verdict)),
                row.rule or "",
                coloured(ending(row)),
                row.outcome_text or row.kept_back_text or row.reason_text,
            )
            for row in rows
        ),
    )
    out.print(f"{len(rows)} decision{'s' if len(rows) != 1 else ''}.")
    return 0
