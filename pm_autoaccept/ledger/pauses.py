"""Pauses and lifted limits: who paused or resumed answering, who lifted which limit until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, or_, select

from pm_autoaccept.errors import ConfigurationError, Paused
from pm_autoaccept.ledger.db.tables import lifted_limit as lifted_limit_table
from pm_autoaccept.ledger.db.tables import pause as pause_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.model import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One pause: of the account with this name, or of all accounts in the ledger if the name is None."""

    name: str | None
    at: datetime
    by: str
    why: str

    def __str__(self) -> str:
        """Who paused, when and why, in words."""
        whom = "all accounts" if self.name is None else f"account {self.name}"
        why = f": {self.why}" if self.why else ""
        return f"{self.by} paused {whom} at {self.at:%Y-%m-%d %H:%M} UTC{why}"


def current_pauses(connection: Connection) -> tuple[Pause, ...]:
    """All current pauses, oldest first."""
    return tuple(_pause(row) for row in connection.execute(_LASTING))


def pause_reason(connection: Connection, name: str) -> str | None:
    """Why this account is paused: who, when and why; None if it is not paused."""
    return next((str(each) for each in current_pauses(connection) if each.name in (None, name)), None)


_MINE = select(provider_table.c.name).where(provider_table.c.id == bindparam("provider")).scalar_subquery()
_LASTING = select(pause_table).where(pause_table.c.resumed_at.is_(None)).order_by(pause_table.c.id)
_PAUSED = _LASTING.where(or_(pause_table.c.name.is_(None), pause_table.c.name == _MINE)).limit(1)


def _pause(row: Row[Any]) -> Pause:
    return Pause(name=row.name, at=row.paused_at, by=row.paused_by, why=row.why)


def check_not_paused(connection: Connection, provider: int) -> None:
    """Raise `Paused` if answering is paused for this account."""
    row = connection.execute(_PAUSED, {"provider": provider}).first()
    if row is not None:
        raise Paused(str(_pause(row)))


def add_pause(connection: Connection, name: str | None, *, by: str, why: str, at: datetime) -> bool:
    """Pause one account, or all if the name is None; False if it was already paused."""
    _check_account_known(connection, name)
    if any(each.name == name for each in current_pauses(connection)):
        return False
    connection.execute(pause_table.insert().values(name=name, paused_at=at, paused_by=by, why=why))
    return True


def end_pause(connection: Connection, name: str | None, *, by: str, at: datetime) -> bool:
    """End the pause of one account, or of all if the name is None; False if it was not paused."""
    _check_account_known(connection, name)
    same = pause_table.c.name.is_(None) if name is None else pause_table.c.name == name
    ended = pause_table.update().where(same, pause_table.c.resumed_at.is_(None))
    return connection.execute(ended.values(resumed_at=at, resumed_by=by)).rowcount > 0


def lift_limit(
    connection: Connection, name: str | None, action: Action, *, until: datetime, by: str, at: datetime
) -> None:
    """Lift the limits on this action until then, for one account, or for all if the name is None."""
    _check_account_known(connection, name)
    values = {"name": name, "action": action, "lifted_at": at, "lifted_by": by, "until": until}
    connection.execute(lifted_limit_table.insert().values(**values))


def _check_account_known(connection: Connection, name: str | None) -> None:
    """Refuse an unknown account name: a pause that stops nothing must not look like one that does."""
    known = list(connection.execute(select(provider_table.c.name).order_by(provider_table.c.name)).scalars())
    if name is not None and name not in known:
        there = f"known accounts: {', '.join(known)}" if known else "the ledger has no accounts yet"
        raise ConfigurationError(f"unknown account `{name}`; {there}")
