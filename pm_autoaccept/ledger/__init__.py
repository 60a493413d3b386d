"""Keeps what `record` promises, in SQLite, through SQLAlchemy Core; migrations by Alembic.

`claiming` binds an account, `seeing` settles what pends and what does not any more, `answering` keeps intents and
outcomes, `deciding` appends decisions, `reading` answers questions; `store` runs them for one account, one transaction
each of the `database`.
"""

from __future__ import annotations

from pm_autoaccept.ledger.database import Database
from pm_autoaccept.ledger.store import SqlLedger

__all__ = ["Database", "SqlLedger"]
