"""Checks of an account's policy: that it loads, and that its data can be read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from pm_autoaccept.doctor.finding import Finding, ok, problem
from pm_autoaccept.errors import ConfigurationError, PolicyRefused
from pm_autoaccept.model import NotLearnt
from pm_autoaccept.policy import Policy, load_checked
from pm_autoaccept.reference import read_folder
from pm_autoaccept.reference.fetching import Places, read_source


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


async def read_data(policy: Policy, places: Places) -> AsyncIterator[Finding]:
    """Each table that the policy declares, wherever its rows stand."""
    for name, source in policy.sources.items():
        reading = await read_source(source, places)
        if isinstance(reading.table, NotLearnt):
            advice = "put that right: until then requests that need it are held"
            yield problem(f"data {name}", reading.table.why, advice)
        else:
            blank = f", {reading.dropped:,} more without a key" if reading.dropped else ""
            since = f", from {reading.dated:%Y-%m-%d %H:%M %Z}" if reading.dated else ""
            yield ok(f"data {name}", f"{reading.table.rows:,} rows{blank}{since}")
