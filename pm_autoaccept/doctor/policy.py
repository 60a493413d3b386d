"""Checks an account's policy: that it loads, that its groups are known, and that its data is readable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path

from pm_autoaccept.config import Settings
from pm_autoaccept.data_sources import read_folder
from pm_autoaccept.data_sources.fetch import SourceAccess
from pm_autoaccept.data_sources.source_status import read_statuses
from pm_autoaccept.doctor.finding import Finding, ok, problem, warning
from pm_autoaccept.doctor.ledger import open_to_read
from pm_autoaccept.egress.proxy_password import Egress
from pm_autoaccept.errors import ConfigurationError, LedgerError, PolicyRefused
from pm_autoaccept.model import Fact, NotLearnt, SourceHistory
from pm_autoaccept.policy import Policy, load_checked
from pm_autoaccept.policy.data.remarks import RemarkKind

_ADVICE: Mapping[RemarkKind, str] = {
    RemarkKind.UNREADABLE_CELLS: "correct the cells, or the column's type: rules that test such a cell hold requests",
    RemarkKind.SHORT_KEYS: "compare these keys with your billing system",
}


def check_policy(folder: Path) -> tuple[Policy | None, Finding]:
    """Load the policy; returns it (None if it has faults) and the finding."""
    check = "policy"
    try:
        policy = load_checked(read_folder(folder))
    except PolicyRefused as error:
        more = f" (and {len(error.faults) - 1} more)" if len(error.faults) > 1 else ""
        first = error.faults[0]
        return None, problem(
            check,
            f"{folder} has faults: {first.where}: {first.message}{more}",
            f"list all faults with `pm-autoaccept check {folder}`",
        )
    except ConfigurationError as error:
        return None, problem(check, str(error), "set the policy folder with --policy or in the settings")
    return policy, ok(check, f"{folder} has {len(policy.rules)} rules and no faults")


def check_groups(policy: Policy, groups: tuple[str, ...]) -> Finding | None:
    """Check that the settings name the groups that the policy notifies; None if it notifies none."""
    check, strange = "groups", sorted(policy.told - set(groups))
    if strange:
        advice = "add them to GROUPS in the settings, or correct `tell` or `answer` in the policy"
        return warning(
            check, f"the policy notifies {', '.join(strange)}, which GROUPS in the settings does not name", advice
        )
    return ok(check, f"the policy notifies {', '.join(sorted(policy.told))}") if policy.told else None


async def check_data(policy: Policy, settings: Settings, egress: Egress, *, now: datetime) -> AsyncIterator[Finding]:
    """Read each data source of the policy and check its guards (`require`)."""
    async with open_to_read(settings) as ledger:
        try:
            remembered: Fact[Mapping[str, SourceHistory]] = (
                {} if ledger is None else await ledger.source_histories(at=now)
            )
        except LedgerError as error:
            remembered = NotLearnt(str(error))
    where = SourceAccess(settings.policy, settings.connections, egress)
    for stock in await read_statuses(policy.sources, where, remembered=remembered, now=now):
        check, table = f"data {stock.source.name}", stock.table
        if isinstance(table, NotLearnt):
            yield problem(check, table.why, "correct this: until then, requests that need this data are held")
        else:
            reading = stock.reading
            blank = f", {reading.dropped:,} more without a key" if reading.dropped else ""
            since = f", from {reading.dated:%Y-%m-%d %H:%M %Z}" if reading.dated else ""
            yield ok(check, f"{table.rows:,} rows{blank}{since}")
        for remark in stock.remarks:
            finding = problem if remark.grave else warning
            yield finding(check, f"{stock.source.where}: {remark.text}", _ADVICE[remark.kind])
