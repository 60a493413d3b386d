"""The ledger's interface: its protocol and its rows. `ledger` implements it."""

from __future__ import annotations

from pm_autoaccept.record.protocol import RETRY_WITHIN, Ledger
from pm_autoaccept.record.rows import (
    AppendedDecision,
    DecisionFilter,
    DecisionRow,
    Elsewhere,
    GivenAnswer,
    HeldRow,
    InventoryRow,
    NotificationRow,
    QueueEntry,
    RevisionRow,
)

__all__ = [
    "RETRY_WITHIN",
    "AppendedDecision",
    "DecisionFilter",
    "DecisionRow",
    "Elsewhere",
    "GivenAnswer",
    "HeldRow",
    "InventoryRow",
    "Ledger",
    "NotificationRow",
    "QueueEntry",
    "RevisionRow",
]
