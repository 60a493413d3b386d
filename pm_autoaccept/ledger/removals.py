"""Keeps what people ended by a command: the intent before the POST leaves, what came of it, what reads settle."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from pm_autoaccept import __version__
from pm_autoaccept.ledger.db.tables import removal as removal_table
from pm_autoaccept.ledger.db.tables import tie as tie_table
from pm_autoaccept.ledger.inventory import Tie, end, live_one, note_end, requests_by, requests_of
from pm_autoaccept.ledger.request_rows import number_of
from pm_autoaccept.model import Kind, Outcome, Removal, RequestKey

OURS = (Outcome.DONE, Outcome.DONE_INFERRED)


def intend_removal(connection: Connection, provider: int, removal: Removal, *, by: str, at: datetime) -> int:
    """Record that this connection or share is about to be ended, and by whom; the number names it."""
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


def conclude_removal(connection: Connection, number: int, outcome: Outcome, text: str, *, at: datetime) -> None:
    """Record what came of it. A meter's share ends at once, since no list that we read shows meters."""
    table = removal_table.c
    came = {"outcome": outcome, "outcome_at": at, "outcome_text": text}
    connection.execute(removal_table.update().where(table.id == number).values(**came))
    row = connection.execute(select(removal_table).where(table.id == number)).one()
    if outcome is Outcome.DONE:
        key = RequestKey(Kind(row.kind), row.pm_id)
        which = requests_by(key.id) if key.kind is Kind.CONNECTION and not row.keep_shares else requests_of(key)
        note_end(connection, row.provider_id, which, at=at, accepted_before=row.intended_at)
    if outcome is Outcome.DONE and row.kind == Kind.METER:
        tie = live_one(connection, row.provider_id, RequestKey(Kind.METER, row.pm_id))
        end(connection, [tie] if tie is not None else [], at=at, by="our unshare")


def settle_removals(connection: Connection, provider: int, *, at: datetime) -> None:
    """Settle those of unknown fate whose connection or share has ended since."""
    table, tie = removal_table.c, tie_table.c
    ended = (
        select(tie.id)
        .where(
            tie.provider_id == table.provider_id,
            tie.kind == table.kind,
            tie.pm_id == table.pm_id,
            tie.ended_at >= table.intended_at,
        )
        .exists()
    )
    shown = "no answer came to what we sent, and Portfolio Manager shows its effect"
    connection.execute(
        removal_table.update()
        .where(table.provider_id == provider, table.outcome == Outcome.OPEN, ended)
        .values(outcome=Outcome.DONE_INFERRED, outcome_at=at, outcome_text=shown)
    )


def end_shares_removed_with(connection: Connection, connected: Tie, *, at: datetime) -> None:
    """End the shares of an owner whose connection has ended, where a disconnect of ours removed them with it.

    What an account shares that is not connected cannot be read any more.
    """
    table = removal_table.c
    ours = select(table.id).where(
        table.provider_id == connected.provider_id,
        table.kind == Kind.CONNECTION,
        table.pm_id == connected.pm_id,
        table.keep_shares.is_(False),
        table.outcome.in_((*OURS, Outcome.OPEN)),
        table.intended_at >= connected.first_seen,
    )
    if connection.execute(ours.limit(1)).scalar() is None:
        return
    shares = select(tie_table).where(
        tie_table.c.provider_id == connected.provider_id,
        tie_table.c.kind.in_((Kind.PROPERTY, Kind.METER)),
        tie_table.c.owner_id == connected.pm_id,
        tie_table.c.ended_at.is_(None),
    )
    end(connection, connection.execute(shares).all(), at=at, by="our disconnect, which removed the shares")
