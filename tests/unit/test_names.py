"""Names: modules are nouns that a maintainer searches for."""

from __future__ import annotations

from pathlib import Path

import pm_autoaccept

PACKAGE = Path(pm_autoaccept.__file__).parent

GERUNDS = {
    "pending": "Portfolio Manager's own word: the pending list; and the command of that name",
    "finding": "a noun: what one check found",
    "cleaning": "the act itself is the thing: `clean` in the policy language",
    "shadowing": "the standard term for a rule that an earlier one makes useless",
}
"""The modules whose names end in -ing, each with its reason."""

VAGUE = {"utils", "helpers", "helper", "manager", "base", "common", "misc", "tools"}


def _names() -> set[str]:
    """The names of all modules and packages."""
    return {path.stem for path in PACKAGE.rglob("*.py")} | {path.parent.name for path in PACKAGE.rglob("__init__.py")}


def test_no_module_is_named_by_a_gerund_without_a_reason():
    """`ledger/retention`, not `ledger/masking`: who looks for a thing searches for its noun."""
    assert {name for name in _names() if name.endswith("ing")} == set(GERUNDS)


def test_no_module_is_a_drawer():
    """A name that fits everything finds nothing."""
    assert not _names() & VAGUE
