"""Notices that something has stopped, and that it is over: each once, also across restarts and replicas.

The last such notice of a target says what it knows. A new one is added only if that differs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from pm_autoaccept.ledger.db.tables import STOPPED_NOTICE
from pm_autoaccept.ledger.db.tables import notice as notice_table
from pm_autoaccept.ledger.notices import add_once, new_event_id, notice_values
from pm_autoaccept.model import NoticeKind, NoticeTarget


def add_stoppages(
    connection: Connection,
    targets: Collection[NoticeTarget],
    *,
    account: str,
    stopped: Mapping[str, str],
    over: Collection[str],
    at: datetime,
    observed: bool = False,
) -> int:
    """Tell targets what has stopped and what is over, unless they know; returns how many notices were added.

    Args:
        connection: within a transaction.
        targets: all of these are told, whatever their groups: while nothing works, they hear nothing else.
        account: the provider account's name; empty for the program as a whole.
        stopped: what has stopped (`Stoppage`) → one sentence.
        over: what is certainly not stopped.
        at: now.
        observed: the account is in observe mode, so the notices are not delivered.
    """
    last = {(row.target, row.body["condition"]): row for row in connection.execute(_LAST, {"account": account})}
    wanted = [(condition, NoticeKind.STOPPED, text) for condition, text in stopped.items()]
    wanted += [(condition, NoticeKind.OVER, "") for condition in over]
    added = 0
    for condition, kind, text in wanted:
        identity = new_event_id()
        for target in targets:
            known: Row[Any] | None = last.get((target.name, condition))
            if (known.kind if known is not None else NoticeKind.OVER) == kind:
                continue
            what = known.body["what"] if known is not None and kind is NoticeKind.OVER else text
            values = notice_values(
                target,
                kind,
                event_id=identity,
                account=account,
                body={"condition": condition, "what": what},
                at=at,
                # Another process that finds the same at this moment writes the same key.
                once=_key(account, condition, 0 if known is None else known.id),
                observed=observed,
            )
            added += add_once(connection, values)
    return added


def _key(account: str, condition: str, last: int) -> str:
    """Identifies one change of what a target knows, in few characters."""
    return f"stopped {sha256(repr((account, condition)).encode()).hexdigest()[:16]} after {last}"


_LAST = (
    select(*(notice_table.c[name] for name in ("id", "target", "kind", "body")))
    .where(notice_table.c.account == bindparam("account"), STOPPED_NOTICE)
    .order_by(notice_table.c.id)
)
