"""Says whether there is a ledger, for commands that only read it."""

from __future__ import annotations

from pathlib import Path

from pm_autoaccept.config import ledger_file


def ledger_exists(address: str) -> bool:
    """Whether an address leads to a ledger that is there already. What is no file is for the ledger to say."""
    file = ledger_file(address)
    return file is None or Path(file).exists()
