"""Checks of an account's policy: that it loads, and that its data can be read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path

from pm_autoaccept.config import Settings
from pm_autoaccept.data_sources import read_folder
from pm_autoaccept.data_sources.fetch import Places
from pm_autoaccept.data_sources.source_status import take_stock
from pm_autoaccept.doctor.finding import Finding, ok, problem, warning
from pm_autoaccept.doctor.ledger import opened
from pm_autoaccept.egress.proxy_password import Egress
from pm_autoaccept.errors import ConfigurationError, LedgerError, PolicyRefused
from pm_autoaccept.model import Fact, NotLearnt, Remembered
from pm_autoaccept.policy import Policy, load_checked
from pm_autoaccept.policy.data.remarks import RemarkKind

_ADVICE: Mapping[RemarkKind, str] = {
    RemarkKind.UNREADABLE_CELLS: "correct the cells, or the column's type in the policy: a rule that tests one holds",
    RemarkKind.SHORT_KEYS: "compare these keys with your billing system",
}


def load_policy(folder: Path) -> tuple[Policy | None, Finding]:
    """The policy, None where it does not load, and what to say of it."""
    check = "policy"
    try:
        policy = load_checked(read_folder(folder))
    except PolicyRefused as error:
        more = f" (and {len(error.faults) - 1} more)" if len(error.faults) > 1 else ""
        first = error.faults[0]
        return None, problem(
            check,
            f"{folder} has faults: {first.where}: {first.message}{more}",
            f"see all with `pm-autoaccept check {folder}`",
        )
    except ConfigurationError as error:
        return None, problem(check, str(error), "name the policy's folder with --policy, or in the settings")
    return policy, ok(check, f"{folder} has {len(policy.rules)} rules, without faults")


def who_is_told(policy: Policy, groups: tuple[str, ...]) -> Finding | None:
    """Whether the settings name the groups of people whom the policy tells; None where it tells nobody."""
    check, strange = "groups", sorted(policy.told - set(groups))
    if strange:
        advice = "name them with GROUPS in the settings, or correct `tell` in the policy"
        return warning(check, f"the policy tells {', '.join(strange)}, and the settings do not name them", advice)
    return ok(check, f"the policy tells {', '.join(sorted(policy.told))}") if policy.told else None


async def read_data(policy: Policy, settings: Settings, egress: Egress, *, now: datetime) -> AsyncIterator[Finding]:
    """Each table that the policy declares, wherever its rows stand, and whether its guards are kept."""
    async with opened(settings) as ledger:
        try:
            remembered: Fact[Mapping[str, Remembered]] = {} if ledger is None else await ledger.remembered(at=now)
        except LedgerError as error:
            remembered = NotLearnt(str(error))
    where = Places(settings.policy, settings.connections, egress)
    for stock in await take_stock(policy.sources, where, remembered=remembered, now=now):
        check, table = f"data {stock.source.name}", stock.table
        if isinstance(table, NotLearnt):
            yield problem(check, table.why, "put that right: until then requests that need it are held")
        else:
            reading = stock.reading
            blank = f", {reading.dropped:,} more without a key" if reading.dropped else ""
            since = f", from {reading.dated:%Y-%m-%d %H:%M %Z}" if reading.dated else ""
            yield ok(check, f"{table.rows:,} rows{blank}{since}")
        for remark in stock.remarks:
            say = problem if remark.grave else warning
            yield say(check, f"{stock.source.where}: {remark.text}", _ADVICE[remark.kind])
