"""Reads the ledger row by row for `decisions` and `account`, and prints rows as text, JSON or CSV as they come."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import click
from sqlalchemy import Connection

from pm_autoaccept.cli.as_csv import print_csv
from pm_autoaccept.cli.as_json import print_json_rows
from pm_autoaccept.cli.printing import console, print_table
from pm_autoaccept.cli.recorded import ledger_exists
from pm_autoaccept.config import ledger_address
from pm_autoaccept.errors import LedgerUnavailable
from pm_autoaccept.ledger import Database
from pm_autoaccept.ledger.auditing import accounts
from pm_autoaccept.redaction import shown

R = TypeVar("R")
Row = TypeVar("Row")

SHOWN_AT_ONCE = 1_000
"""Rows under one head of a table for people: its columns are as wide as these need."""


def from_ledger(
    said: str | None, settings: Path | None, work: Callable[[Connection], R], *, account: str | None = None
) -> R:
    """Do work in one reading transaction, so that all of it sees the ledger at one moment, and nothing is written.

    Raises:
        LedgerUnavailable: there is no ledger: none is made.
        UsageError: it knows no provider account of this name.
    """
    address = ledger_address(said, settings=settings)
    if not ledger_exists(address):
        raise LedgerUnavailable(f"there is no ledger at {shown(address)}; name it with --ledger sqlite:///FILE")

    def checked(connection: Connection) -> R:
        known = accounts(connection)
        if account is not None and account not in known:
            raise click.UsageError(f"the ledger knows no account `{account}`; it knows {', '.join(known) or 'none'}")
        return work(connection)

    async def read() -> R:
        database = await Database.open(address, read_only=True)
        try:
            return await database.read(checked)
        finally:
            await database.close()

    return asyncio.run(read())


def attributes(*names: str) -> list[tuple[str, Callable[[Any], object]]]:
    """Columns of CSV that are named as what a row has."""
    return [(name, attrgetter(name)) for name in names]


def print_rows(
    rows: Iterable[Row],
    *,
    output: str,
    columns: Sequence[tuple[str, Callable[[Row], object]]],
    text: Sequence[tuple[str, Callable[[Row], object]]],
    what: tuple[str, str],
) -> None:
    """Print rows as they come: as JSON all that they hold, as CSV these columns, as text those."""
    if output == "json":
        print_json_rows(rows)
        return
    if output == "csv":
        print_csv([name for name, _ in columns], ([read(row) for _, read in columns] for row in rows))
        return
    out, count = console(), 0
    for some in _batches(rows):
        print_table(out, [name for name, _ in text], [[read(row) for _, read in text] for row in some])
        count += len(some)
    out.print(f"{count} {what[count != 1]}.")


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    coming = iter(rows)
    while some := list(islice(coming, SHOWN_AT_ONCE)):
        yield some


def moment(text: str | None, *, until: bool = False) -> datetime | None:
    """Read `2026-03-31`, `2026-03-31T14:30` or the same with an offset; without one it is UTC.

    A date is the beginning of its day; as `until` it is the end, so that the day itself is within.
    """
    if text is None:
        return None
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip()):
            day = date.fromisoformat(text.strip()) + timedelta(days=1 if until else 0)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        said = datetime.fromisoformat(text.strip())
        return said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.UsageError(
            f"{text!r} is no time; write 2026-03-31, or 2026-03-31T14:30 (UTC), or 2026-03-31T14:30-05:00"
        ) from None
