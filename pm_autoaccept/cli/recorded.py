"""Opens the ledger for commands that only read it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pm_autoaccept.config import ledger_address, ledger_file
from pm_autoaccept.errors import LedgerUnavailable
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.record import DecisionRow


async def read_ledger(said: str | None, *, settings: Path | None = None, every: bool = False) -> Sequence[DecisionRow]:
    """Read the decisions; raises `LedgerUnavailable` where there is no ledger, rather than making an empty one."""
    address = ledger_address(said, settings=settings)
    if not ledger_exists(address):
        raise LedgerUnavailable(f"there is no ledger at {address}; name it with --ledger sqlite:///FILE")
    ledger = await SqlLedger.open(address, read_only=True)
    try:
        return await ledger.decisions(every=every)
    finally:
        await ledger.close()


def ledger_exists(address: str) -> bool:
    """Whether an address leads to a ledger that is there already. What is no file is for the ledger to say."""
    file = ledger_file(address)
    return file is None or Path(file).exists()
