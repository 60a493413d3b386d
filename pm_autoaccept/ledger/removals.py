"""Records removals by command (disconnect, unshare): the intent before the POST, and its outcome or what reads show."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from pm_autoaccept import __version__
from pm_autoaccept.ledger.db.queries import number_of
from pm_autoaccept.ledger.db.tables import inventory as inventory_table
from pm_autoaccept.ledger.db.tables import removal as removal_table
from pm_autoaccept.ledger.inventory import (
    InventoryItem,
    current_item,
    end_items,
    note_accepts_ended,
    requests_of,
    requests_of_owner,
)
from pm_autoaccept.ledger.outcome_groups import TOOK_EFFECT
from pm_autoaccept.model import Kind, Outcome, Removal, RequestKey


def record_removal_intent(connection: Connection, provider: int, removal: Removal, *, by: str, at: datetime) -> int:
    """Record that this connection or share is about to be removed, and by whom; returns the removal's number."""
    values = {
        "provider_id": provider,
        "kind": removal.key.kind,
        "pm_id": removal.key.id,
        "keep_shares": removal.keep_shares,
        "note": removal.note,
        "removed_by": by,
        "program": __version__,
        "intended_at": at,
        "outcome": Outcome.OPEN,
    }
    return number_of(connection.execute(removal_table.insert().values(**values)))


def record_removal_outcome(connection: Connection, number: int, outcome: Outcome, text: str, *, at: datetime) -> None:
    """Record the outcome of a removal. A meter's share ends at once, because no list that we read shows meters."""
    table = removal_table.c
    came = {"outcome": outcome, "outcome_at": at, "outcome_text": text}
    connection.execute(removal_table.update().where(table.id == number).values(**came))
    row = connection.execute(select(removal_table).where(table.id == number)).one()
    if outcome is Outcome.DONE:
        key = RequestKey(Kind(row.kind), row.pm_id)
        which = requests_of_owner(key.id) if key.kind is Kind.CONNECTION and not row.keep_shares else requests_of(key)
        note_accepts_ended(connection, row.provider_id, which, at=at, accepted_before=row.intended_at)
    if outcome is Outcome.DONE and row.kind == Kind.METER:
        item = current_item(connection, row.provider_id, RequestKey(Kind.METER, row.pm_id))
        end_items(connection, [item] if item is not None else [], at=at, by="our unshare")


def settle_removals(connection: Connection, provider: int, *, at: datetime) -> None:
    """Settle removals of unknown outcome whose connection or share has ended since."""
    table, item = removal_table.c, inventory_table.c
    ended = (
        select(item.id)
        .where(
            item.provider_id == table.provider_id,
            item.kind == table.kind,
            item.pm_id == table.pm_id,
            item.ended_at >= table.intended_at,
        )
        .exists()
    )
    shown = "no response arrived, but Portfolio Manager shows the effect"
    connection.execute(
        removal_table.update()
        .where(table.provider_id == provider, table.outcome == Outcome.OPEN, ended)
        .values(outcome=Outcome.DONE_INFERRED, outcome_at=at, outcome_text=shown)
    )


def end_shares_removed_with(connection: Connection, connected: InventoryItem, *, at: datetime) -> None:
    """End the shares of a disconnected owner if our disconnect removed them too.

    The shares of an account that is not connected cannot be read.
    """
    table = removal_table.c
    ours = select(table.id).where(
        table.provider_id == connected.provider_id,
        table.kind == Kind.CONNECTION,
        table.pm_id == connected.pm_id,
        table.keep_shares.is_(False),
        table.outcome.in_((*TOOK_EFFECT, Outcome.OPEN)),
        table.intended_at >= connected.first_seen,
    )
    if connection.execute(ours.limit(1)).scalar() is None:
        return
    shares = select(inventory_table).where(
        inventory_table.c.provider_id == connected.provider_id,
        inventory_table.c.kind.in_((Kind.PROPERTY, Kind.METER)),
        inventory_table.c.owner_id == connected.pm_id,
        inventory_table.c.ended_at.is_(None),
    )
    end_items(connection, connection.execute(shares).all(), at=at, by="our disconnect, which removed the shares")
