"""Keeps who paused answering, and who lifted which limit until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, or_, select

from pm_autoaccept.errors import ConfigurationError, Paused
from pm_autoaccept.ledger.db.tables import lift as lift_table
from pm_autoaccept.ledger.db.tables import pause as pause_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.model import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Somebody has paused answering: one account by its name, or, where that is None, all accounts of the ledger."""

    name: str | None
    at: datetime
    by: str
    why: str

    def __str__(self) -> str:
        """Who, since when and why, for people."""
        whom = "all accounts" if self.name is None else f"account {self.name}"
        why = f": {self.why}" if self.why else ""
        return f"{self.by} paused {whom} at {self.at:%Y-%m-%d %H:%M} UTC{why}"


def pauses(connection: Connection) -> tuple[Pause, ...]:
    """Every pause that lasts, the oldest first."""
    return tuple(_pause(row) for row in connection.execute(_LASTING))


def paused(connection: Connection, name: str) -> str | None:
    """Why nothing may be answered for the account of this name, None where nobody has paused it."""
    return next((str(each) for each in pauses(connection) if each.name in (None, name)), None)


_MINE = select(provider_table.c.name).where(provider_table.c.id == bindparam("provider")).scalar_subquery()
_LASTING = select(pause_table).where(pause_table.c.resumed_at.is_(None)).order_by(pause_table.c.id)
_PAUSED = _LASTING.where(or_(pause_table.c.name.is_(None), pause_table.c.name == _MINE)).limit(1)


def _pause(row: Row[Any]) -> Pause:
    return Pause(name=row.name, at=row.paused_at, by=row.paused_by, why=row.why)


def not_paused(connection: Connection, provider: int) -> None:
    """Raise `Paused` where answering is paused for this account."""
    row = connection.execute(_PAUSED, {"provider": provider}).first()
    if row is not None:
        raise Paused(str(_pause(row)))


def pause(connection: Connection, name: str | None, *, by: str, why: str, at: datetime) -> bool:
    """Pause an account, or all where no name is said; False where just that was paused already."""
    _known(connection, name)
    if any(each.name == name for each in pauses(connection)):
        return False
    connection.execute(pause_table.insert().values(name=name, paused_at=at, paused_by=by, why=why))
    return True


def resume(connection: Connection, name: str | None, *, by: str, at: datetime) -> bool:
    """End the pause of an account, or of all where no name is said; False where just that was not paused."""
    _known(connection, name)
    same = pause_table.c.name.is_(None) if name is None else pause_table.c.name == name
    ended = pause_table.update().where(same, pause_table.c.resumed_at.is_(None))
    return connection.execute(ended.values(resumed_at=at, resumed_by=by)).rowcount > 0


def lift(connection: Connection, name: str | None, action: Action, *, until: datetime, by: str, at: datetime) -> None:
    """Lift an account's limits of this action until then, or those of all where no name is said."""
    _known(connection, name)
    values = {"name": name, "action": action, "lifted_at": at, "lifted_by": by, "until": until}
    connection.execute(lift_table.insert().values(**values))


def _known(connection: Connection, name: str | None) -> None:
    """Refuse the name of no account: a brake that stops nobody must not look like one that does."""
    known = list(connection.execute(select(provider_table.c.name).order_by(provider_table.c.name)).scalars())
    if name is not None and name not in known:
        there = f"it knows {', '.join(known)}" if known else "it knows none yet"
        raise ConfigurationError(f"the ledger knows no account `{name}`; {there}")
