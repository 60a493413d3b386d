"""Keeps what `record` promises, in SQLite or PostgreSQL, through SQLAlchemy Core; migrations by Alembic.

`claiming` binds an account, `seeing` settles what pends and what does not any more, `answering` keeps intents and
`concluding` what came of them, `deciding` appends decisions, `reading` answers questions; `store` runs them for one
account, each in a transaction of the `database` that `committing` shares among those that wait. `leases` says which
replica answers which account, `signing_in` when a password may be tried. `engines` knows how both databases differ.
"""

from __future__ import annotations

from pm_autoaccept.ledger.db.database import Database
from pm_autoaccept.ledger.db.ledger_identity import steady
from pm_autoaccept.ledger.leases import Leases, Tenure
from pm_autoaccept.ledger.sign_in_attempts import SigningIn
from pm_autoaccept.ledger.store import SqlLedger

__all__ = ["Database", "Leases", "SigningIn", "SqlLedger", "Tenure", "steady"]
