"""The columns of lists of connections and shares, notifications, and policies: for JSON and CSV, and for text."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar

from pm_autoaccept.model import Origin
from pm_autoaccept.record import InventoryRow, NotificationRow, RevisionRow

Row = TypeVar("Row")
Column: TypeAlias = tuple[str, Callable[[Row], object]]
"""A heading, and the function that returns the cell of a row."""


def attributes(*names: str) -> list[tuple[str, Callable[[Any], object]]]:
    """Columns that have the names of a row's attributes."""
    return [(name, attrgetter(name)) for name in names]


_ORIGINS = {Origin.BEFORE_US: "before the first cycle", Origin.DECIDED: "decided", Origin.UNDECIDED: "undecided"}

INVENTORY_COLUMNS: tuple[Column[InventoryRow], ...] = (
    *attributes("account"),
    ("what", lambda row: row.key),
    *attributes("kind", "id"),
    ("owner_id", lambda row: row.owner),
    ("owner_username", lambda row: row.owner_name),
    *attributes("property_id", "access_level", "origin", "rule", "since", "last_seen", "absent_since", "command"),
    *attributes("acknowledged_by", "acknowledged_at", "acknowledged_why"),
)
INVENTORY_TEXT_COLUMNS: tuple[Column[InventoryRow], ...] = (
    ("since", lambda row: row.since),
    ("what", lambda row: row.key),
    ("owner", lambda row: " ".join(str(each) for each in (row.owner, row.owner_name) if each)),
    ("access", lambda row: row.access_level or ""),
    ("origin", lambda row: f"rule {row.rule}" if row.rule else _ORIGINS[row.origin]),
)

NOTIFICATION_COLUMNS: tuple[Column[NotificationRow], ...] = (
    *attributes("account", "id", "type", "description"),
    ("owner_id", lambda row: row.account_id),
    ("owner_username", lambda row: row.username),
    *attributes("property_id", "meter_id", "created_at", "created_by", "first_seen", "effect"),
)
NOTIFICATION_TEXT_COLUMNS: tuple[Column[NotificationRow], ...] = (
    ("created", lambda row: row.created_at),
    ("id", lambda row: row.id),
    ("type", lambda row: row.type),
    ("description", lambda row: row.description),
    ("effect", lambda row: "waiting for reads to confirm it" if row.effect is None else row.effect),
)

POLICY_COLUMNS: tuple[Column[RevisionRow], ...] = tuple(
    attributes("account", "at", "digest", "rules", "refused", "files", "program")
)
POLICY_TEXT_COLUMNS: tuple[Column[RevisionRow], ...] = (
    ("account", lambda row: row.account),
    ("from", lambda row: row.at),
    ("in effect", lambda row: row.digest[:12]),
    ("rules", lambda row: row.rules),
    ("refused policy", lambda row: (row.refused or "").partition("\n")[0]),
)
