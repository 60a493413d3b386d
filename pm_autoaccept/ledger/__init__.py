"""The ledger: implements the `record` protocol in SQLite or PostgreSQL, through SQLAlchemy Core and Alembic.

`store` runs the operations of one account, each in a transaction of `db.database`; `db.group_commit` shares a
transaction among waiting operations. `requests`, `decisions`, `intents` and `outcomes` record one cycle; `history`
loads what the next one needs. `inventory`, `notifications` and `reconciliation` track connections and shares. `audit`
and `inventory_report` answer queries. `leases` assigns accounts to replicas; `sign_in_attempts` limits password tries.
"""

from __future__ import annotations

from pm_autoaccept.ledger.db.database import Database
from pm_autoaccept.ledger.db.ledger_identity import monotonic_seconds
from pm_autoaccept.ledger.leases import HeldLease, Leases
from pm_autoaccept.ledger.sign_in_attempts import SignInAttempts
from pm_autoaccept.ledger.store import SqlLedger

__all__ = ["Database", "HeldLease", "Leases", "SignInAttempts", "SqlLedger", "monotonic_seconds"]
