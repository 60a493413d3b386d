"""Binds an account name in the settings to one provider account on one service, permanently (LedgerMismatch)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from pm_autoaccept.errors import LedgerMismatch
from pm_autoaccept.ledger.db.queries import insert
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.model import ProviderAccount
from pm_autoaccept.redaction import redact_url


def find_claimed_account(connection: Connection, name: str, *, service: str, provider: ProviderAccount) -> int | None:
    """Find the row number of the account with this name; None if there is none yet.

    Raises:
        LedgerMismatch: the name belongs to another account, or the account has another name. With two names, a request
            could be answered twice.
    """
    table = provider_table.c
    row = connection.execute(select(provider_table).where(table.name == name)).one_or_none()
    if row is not None and (row.service, row.account_id) != (service, provider.id):
        raise LedgerMismatch(
            f"in this ledger, `{name}` is account {row.account_id} ({row.username}) on {redact_url(row.service)}, but "
            f"you signed in to account {provider.id} ({provider.username}) on {redact_url(service)}; choose another "
            "ledger with --ledger"
        )
    if row is not None:
        return int(row.id)
    ours = select(table.name).where(table.service == service, table.account_id == provider.id)
    other = connection.execute(ours).scalar_one_or_none()
    if other is not None:
        raise LedgerMismatch(
            f"in this ledger, account {provider.id} ({provider.username}) on {redact_url(service)} is named `{other}`, "
            f"but the settings name it `{name}`; rename it to `{other}` there, or choose another ledger with --ledger"
        )
    return None


def claim_account(connection: Connection, name: str, *, service: str, provider: ProviderAccount, at: datetime) -> int:
    """Find the row number of the account with this name, or insert it; raises as `find_claimed_account`."""
    row = find_claimed_account(connection, name, service=service, provider=provider)
    if row is not None:
        return row
    ours = {"name": name, "service": service, "account_id": provider.id, "username": provider.username}
    made = insert(connection, provider_table).values(**ours, claimed_at=at).on_conflict_do_nothing()
    connection.execute(made)
    # Another replica may have inserted it at the same moment.
    return find_claimed_account(connection, name, service=service, provider=provider) or 0
