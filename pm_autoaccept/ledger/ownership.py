"""Binds a name of the settings to one provider account on one service, for good: a ledger never changes hands."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from pm_autoaccept.errors import LedgerMismatch
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.request_rows import insert
from pm_autoaccept.model import ProviderAccount
from pm_autoaccept.redaction import shown


def owned(connection: Connection, name: str, *, service: str, provider: ProviderAccount) -> int | None:
    """The row of the account of this name, None where there is none yet.

    Raises:
        LedgerMismatch: the name belongs to another account, or the account has another name: answered under two
            names, a request could be answered twice.
    """
    table = provider_table.c
    row = connection.execute(select(provider_table).where(table.name == name)).one_or_none()
    if row is not None and (row.service, row.account_id) != (service, provider.id):
        raise LedgerMismatch(
            f"in this ledger `{name}` is account {row.account_id} ({row.username}) on {shown(row.service)}, and you "
            f"signed in to account {provider.id} ({provider.username}) on {shown(service)}; name another ledger with "
            "--ledger"
        )
    if row is not None:
        return int(row.id)
    ours = select(table.name).where(table.service == service, table.account_id == provider.id)
    other = connection.execute(ours).scalar_one_or_none()
    if other is not None:
        raise LedgerMismatch(
            f"this ledger knows account {provider.id} ({provider.username}) on {shown(service)} as `{other}`, and the "
            f"settings call it `{name}`; call it `{other}` there, or name another ledger with --ledger"
        )
    return None


def claim(connection: Connection, name: str, *, service: str, provider: ProviderAccount, at: datetime) -> int:
    """The row of the account of this name, made where there is none yet; raises as `owned`."""
    row = owned(connection, name, service=service, provider=provider)
    if row is not None:
        return row
    ours = {"name": name, "service": service, "account_id": provider.id, "username": provider.username}
    made = insert(connection, provider_table).values(**ours, claimed_at=at).on_conflict_do_nothing()
    connection.execute(made)
    # Another replica may have made it in the same moment.
    return owned(connection, name, service=service, provider=provider) or 0
