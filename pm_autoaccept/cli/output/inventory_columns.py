"""The columns in which connections and shares are listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pm_autoaccept.cli.output.rows import attributes
from pm_autoaccept.model import Origin
from pm_autoaccept.record import InventoryRow

Column: TypeAlias = tuple[str, Callable[[InventoryRow], object]]

_WORDS = {Origin.BEFORE_US: "before us", Origin.DECIDED: "decided", Origin.UNDECIDED: "not by an answer of ours"}

COLUMNS: tuple[Column, ...] = (
    *attributes("account"),
    ("what", lambda row: row.key),
    *attributes("kind", "id"),
    ("owner_id", lambda row: row.owner),
    ("owner_username", lambda row: row.owner_name),
    *attributes("property_id", "access_level", "origin", "rule", "since", "last_seen", "absent_since", "command"),
    *attributes("acknowledged_by", "acknowledged_at", "acknowledged_why"),
)
"""For JSON and CSV."""

TEXT: tuple[Column, ...] = (
    ("since", lambda row: row.since),
    ("what", lambda row: row.key),
    ("owner", lambda row: " ".join(str(each) for each in (row.owner, row.owner_name) if each)),
    ("access", lambda row: row.access_level or ""),
    ("how it came in", lambda row: f"rule {row.rule}" if row.rule else _WORDS[row.origin]),
)
"""For people."""
