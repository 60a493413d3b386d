"""Which policy `run` or `once` last judged by, as the ledger has it, beside the one in the folder now."""

from __future__ import annotations

from sqlalchemy import Connection

from pm_autoaccept.config import Settings
from pm_autoaccept.doctor.finding import Finding, ok, problem, warning
from pm_autoaccept.doctor.ledger import opened
from pm_autoaccept.errors import LedgerError
from pm_autoaccept.ledger.policy_history import revisions
from pm_autoaccept.policy import Policy
from pm_autoaccept.record import RevisionRow

SHOWN = 12
"""Characters of a digest that people are shown."""


async def look_at_revisions(settings: Settings, policy: Policy | None) -> Finding | None:
    """What the ledger says of the policy in force; None where it says nothing."""

    def last(connection: Connection) -> RevisionRow | None:
        return next(reversed(list(revisions(connection, account=settings.name))), None)

    async with opened(settings) as ledger:
        if ledger is None:
            return None
        try:
            row = await ledger.database.read(last)
        except LedgerError:
            return None  # which is told elsewhere
    return None if row is None else _compared(row, policy, settings)


def _compared(row: RevisionRow, policy: Policy | None, settings: Settings) -> Finding:
    check, when = "policy in force", f"{row.at:%Y-%m-%d %H:%M:%S} UTC"
    if row.refused is not None:
        return problem(
            check,
            f"a changed policy was refused at {when}, and {row.digest[:SHOWN]} stays in force:\n{row.refused}",
            f"put it right: `pm-autoaccept check {settings.policy}`",
        )
    if policy is not None and policy.digest != row.digest:
        return warning(
            check,
            f"{row.digest[:SHOWN]}, since {when}; {settings.policy} holds {policy.digest[:SHOWN]} now",
            "`run` takes it over within seconds; if it runs and does not, see that it reads this very folder",
        )
    return ok(check, f"{row.digest[:SHOWN]}, since {when}")
