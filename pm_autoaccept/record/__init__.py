"""What a ledger promises, which `ledger` keeps.

`promise` is the protocol that cycle and act rely on, `rows` are the shapes in which people read it, `identity` says
which requests are the same.
"""

from __future__ import annotations

from pm_autoaccept.record.protocol import REPEAT_WITHIN, Ledger
from pm_autoaccept.record.request_identity import asked
from pm_autoaccept.record.rows import DecisionRow, Elsewhere, HeldRow, NotificationRow, RevisionRow, TieRow, Wanted

__all__ = [
    "REPEAT_WITHIN",
    "DecisionRow",
    "Elsewhere",
    "HeldRow",
    "Ledger",
    "NotificationRow",
    "RevisionRow",
    "TieRow",
    "Wanted",
    "asked",
]
