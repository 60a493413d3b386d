"""Compares the policy in force, as recorded in the ledger, with the one in the policy folder."""

from __future__ import annotations

from sqlalchemy import Connection

from pm_autoaccept.config import Settings
from pm_autoaccept.doctor.finding import Finding, ok, problem, warning
from pm_autoaccept.doctor.ledger import open_to_read
from pm_autoaccept.errors import LedgerError
from pm_autoaccept.ledger.policy_history import list_revisions
from pm_autoaccept.policy import Policy
from pm_autoaccept.record import RevisionRow

DIGEST_CHARACTERS = 12
"""How much of a digest is shown to people."""


async def check_policy_in_force(settings: Settings, policy: Policy | None) -> Finding | None:
    """Check which policy is in force; None if the ledger has no record of one."""

    def last(connection: Connection) -> RevisionRow | None:
        return next(reversed(list(list_revisions(connection, account=settings.name))), None)

    async with open_to_read(settings) as ledger:
        if ledger is None:
            return None
        try:
            row = await ledger.database.read(last)
        except LedgerError:
            return None  # `check_ledger` reports it
    return None if row is None else _compared(row, policy, settings)


def _compared(row: RevisionRow, policy: Policy | None, settings: Settings) -> Finding:
    check, when = "policy in force", f"{row.at:%Y-%m-%d %H:%M:%S} UTC"
    if row.refused is not None:
        return problem(
            check,
            f"a changed policy was refused at {when}; {row.digest[:DIGEST_CHARACTERS]} stays in effect:\n{row.refused}",
            f"correct it; see `pm-autoaccept check {settings.policy}`",
        )
    if policy is not None and policy.digest != row.digest:
        found, now = row.digest[:DIGEST_CHARACTERS], policy.digest[:DIGEST_CHARACTERS]
        return warning(
            check,
            f"{found}, since {when}; {settings.policy} now has {now}",
            "`run` loads it within seconds; if it is running and does not, check that it uses this folder",
        )
    return ok(check, f"{row.digest[:DIGEST_CHARACTERS]}, since {when}")
