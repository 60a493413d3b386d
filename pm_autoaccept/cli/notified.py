"""The columns in which notifications are listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pm_autoaccept.record import NotificationRow

Column: TypeAlias = tuple[str, Callable[[NotificationRow], object]]

COLUMNS: tuple[Column, ...] = (
    ("account", lambda row: row.account),
    ("id", lambda row: row.id),
    ("type", lambda row: row.type),
    ("description", lambda row: row.description),
    ("owner_id", lambda row: row.account_id),
    ("owner_username", lambda row: row.username),
    ("property_id", lambda row: row.property_id),
    ("meter_id", lambda row: row.meter_id),
    ("created_at", lambda row: row.created_at),
    ("created_by", lambda row: row.created_by),
    ("first_seen", lambda row: row.first_seen),
    ("effect", lambda row: row.effect),
)
"""For CSV."""

TEXT: tuple[Column, ...] = (
    ("created", lambda row: f"{row.created_at:%Y-%m-%d %H:%M:%S}" if row.created_at else ""),
    ("id", lambda row: row.id),
    ("type", lambda row: row.type),
    ("description", lambda row: row.description),
    ("what it changed", lambda row: "it waits for reads to say the same" if row.effect is None else row.effect),
)
"""For people."""
