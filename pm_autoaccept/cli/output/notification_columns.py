"""The columns in which notifications are listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pm_autoaccept.cli.output.rows import attributes
from pm_autoaccept.record import NotificationRow

Column: TypeAlias = tuple[str, Callable[[NotificationRow], object]]

COLUMNS: tuple[Column, ...] = (
    *attributes("account", "id", "type", "description"),
    ("owner_id", lambda row: row.account_id),
    ("owner_username", lambda row: row.username),
    *attributes("property_id", "meter_id", "created_at", "created_by", "first_seen", "effect"),
)
"""For JSON and CSV."""

TEXT: tuple[Column, ...] = (
    ("created", lambda row: row.created_at),
    ("id", lambda row: row.id),
    ("type", lambda row: row.type),
    ("description", lambda row: row.description),
    ("what it changed", lambda row: "it waits for reads to say the same" if row.effect is None else row.effect),
)
"""For people."""
