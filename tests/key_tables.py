"""Tables of keys alone, as `tabulate` makes them from a list of values."""

from __future__ import annotations

from collections.abc import Iterable

from pm_autoaccept.policy.data.contents import Keys
from pm_autoaccept.policy.data.tables import Table


def key_table(name: str, keys: Iterable[str], *, digest: str = "", rows: int | None = None) -> Table:
    """A table of cleaned keys, without columns."""
    found = frozenset(keys)
    return Table(name=name, rows=len(found) if rows is None else rows, digest=digest, contents=Keys(found))
