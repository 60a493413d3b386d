"""What `pause` and `resume` share: the ledger that runs are on, who says it, and until when."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import click
from sqlalchemy import Connection

from pm_autoaccept.cli.support.recorded import ledger_exists
from pm_autoaccept.config import ledger_address
from pm_autoaccept.errors import LedgerUnavailable
from pm_autoaccept.ledger import Database

T = TypeVar("T")

_TIME_OF_DAY = re.compile(r"([0-9]{1,2}):([0-9]{2})")


async def in_ledger(said: str | None, settings: Path | None, work: Callable[[Connection], T]) -> T:
    """Do this in the ledger that is there; raises `LedgerUnavailable` where there is none, rather than making one."""
    address = ledger_address(said, settings=settings)
    if not ledger_exists(address):
        raise LedgerUnavailable("there is no ledger to pause or resume yet; name it with --ledger sqlite:///FILE")
    database = await Database.open(address)
    try:
        return await database.run(work)
    finally:
        await database.close()


def who() -> str:
    """The name of the user of this machine who says it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user need not have a name
        return f"user {os.getuid()}"


def moment(text: str, *, now: datetime) -> datetime:
    """The moment that is meant by `18:00`, the next one in this machine's time zone, or by `2026-03-04T18:00-06:00`.

    Raises:
        click.BadParameter: the text is no time, or one that is past.
    """
    found = _TIME_OF_DAY.fullmatch(text.strip())
    try:
        if found:
            until = now.astimezone().replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
            until += timedelta(days=until <= now)
        else:
            until = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise click.BadParameter("that is no time; write 18:00, or 2026-03-04T18:00-06:00") from error
    until = until.astimezone()
    if until <= now:
        raise click.BadParameter(f"{until:%Y-%m-%d %H:%M %Z} is past")
    return until
