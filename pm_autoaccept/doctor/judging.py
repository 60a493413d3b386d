"""Checks of an account's policy: that it loads, and that its data can be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pm_autoaccept.doctor.finding import Finding, ok, problem
from pm_autoaccept.errors import ConfigurationError, PolicyRefused
from pm_autoaccept.model import NotLearnt
from pm_autoaccept.policy import Policy, load_checked
from pm_autoaccept.reference import read, read_folder


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


def read_data(policy: Policy, folder: Path) -> Iterator[Finding]:
    """Each table that the policy declares."""
    for name, table in read(policy.sources, folder).items():
        if isinstance(table, NotLearnt):
            yield problem(f"data {name}", table.why, "put the file right: until then requests that need it are held")
        else:
            yield ok(f"data {name}", f"{table.rows} rows")
