"""Keeps what `record` promises: SQLite through SQLAlchemy Core, one writer thread, migrations by Alembic.

`seeing` settles what pends and what does not any more, `answering` keeps intents and outcomes, `deciding` appends
decisions, `reading` answers questions; `store` opens the database and runs them, one transaction each.
"""

from __future__ import annotations

from pm_autoaccept.ledger.store import SqlLedger

__all__ = ["SqlLedger"]
