"""Shows which policy was in force from when on: what `decisions --policies` lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pm_autoaccept.cli.output.rows import attributes, print_rows
from pm_autoaccept.ledger.policy_history import list_revisions

if TYPE_CHECKING:
    from datetime import tzinfo

    from sqlalchemy import Connection

    from pm_autoaccept.record import DecisionFilter, RevisionRow


def show_policies(connection: Connection, wanted: DecisionFilter, *, output: str, zone: tzinfo) -> None:
    """Print each policy that came into force or was refused, the oldest first."""

    def asked(row: RevisionRow) -> bool:
        since, until = wanted.since, wanted.until
        return (since is None or row.at >= since) and (until is None or row.at < until)

    print_rows(
        (row for row in list_revisions(connection, account=wanted.account) if asked(row)),
        output=output,
        zone=zone,
        columns=attributes("account", "at", "digest", "rules", "refused", "files", "program"),
        text=(
            ("account", lambda row: row.account),
            ("from", lambda row: row.at),
            ("in force", lambda row: row.digest[:12]),
            ("rules", lambda row: row.rules),
            ("refused, so that it stayed", lambda row: (row.refused or "").partition("\n")[0]),
        ),
        what=("revision", "revisions"),
    )
