"""Reads the ledger row by row for `decisions` and `account`, and prints rows as text, JSON or CSV as they come."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from sqlalchemy import Connection

from pm_autoaccept.cli.output.csv_rows import print_csv
from pm_autoaccept.cli.output.json_rows import print_json_rows
from pm_autoaccept.cli.output.tables import console, print_table
from pm_autoaccept.cli.support.recorded import ledger_exists
from pm_autoaccept.cli.support.standard_streams import while_read
from pm_autoaccept.config import ledger_address, policy_folders
from pm_autoaccept.errors import ConfigurationError, LedgerUnavailable, PolicyRefused
from pm_autoaccept.ledger import Database
from pm_autoaccept.ledger.audit import account_names
from pm_autoaccept.policy.durations import read_duration
from pm_autoaccept.redaction import redact_url

if TYPE_CHECKING:
    from pm_autoaccept.policy import Policy

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
        raise LedgerUnavailable(f"there is no ledger at {redact_url(address)}; name it with --ledger sqlite:///FILE")

    def checked(connection: Connection) -> R:
        known = account_names(connection)
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
    """Columns of JSON and CSV that are named as what a row has."""
    return [(name, attrgetter(name)) for name in names]


def text_zone(settings: Path | None, account: str | None) -> tzinfo:
    """The zone in which text lists show times: that of the policies, where they are of one mind; UTC otherwise."""
    zones = {policy.time_zone for policy in policies_in_force(settings, account)}
    return zones.pop() if len(zones) == 1 else UTC


def policies_in_force(settings: Path | None, account: str | None) -> list[Policy]:
    """The policies that the settings name and that can be read: what was is shown, whatever is wrong now."""
    from pm_autoaccept.data_sources import read_folder
    from pm_autoaccept.policy import load

    found = []
    with suppress(ConfigurationError):
        for folder in policy_folders(settings=settings, account=account).values():
            with suppress(ConfigurationError, PolicyRefused):
                if folder is not None:
                    found.append(load(read_folder(folder)))
    return found


def in_zone(at: datetime, zone: tzinfo) -> str:
    """A moment for people, with its zone."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def with_account(
    connection: Connection, account: str | None, text: Sequence[tuple[str, Callable[[Any], object]]]
) -> Sequence[tuple[str, Callable[[Any], object]]]:
    """The columns of a text list, the account's name before them where the list has several accounts."""
    several = account is None and len(account_names(connection)) > 1
    return (("account", lambda row: row.account), *text) if several else text


def print_rows(
    rows: Iterable[Row],
    *,
    output: str,
    zone: tzinfo,
    columns: Sequence[tuple[str, Callable[[Row], object]]],
    text: Sequence[tuple[str, Callable[[Row], object]]],
    what: tuple[str, str],
) -> None:
    """Print rows as they come: as JSON and CSV (`csv`, `csv-bom`) these columns, as text those, in this time zone."""
    if output == "json":
        print_json_rows({name: read(row) for name, read in columns} for row in rows)
        return
    if output in {"csv", "csv-bom"}:
        cells = ([read(row) for _, read in columns] for row in rows)
        print_csv([name for name, _ in columns], cells, bom=output == "csv-bom")
        return
    out, count = console(), 0
    for some in _batches(while_read(rows)):
        print_table(out, [name for name, _ in text], [[_cell(read(row), zone) for _, read in text] for row in some])
        count += len(some)
    out.print(f"{count} {what[count != 1]}.")


def _cell(value: object, zone: tzinfo) -> object:
    if isinstance(value, datetime):
        return in_zone(value, zone)
    return "" if value is None else value


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    coming = iter(rows)
    while some := list(islice(coming, SHOWN_AT_ONCE)):
        yield some


def moment(text: str | None, *, until: bool = False, now: datetime | None = None) -> datetime | None:
    """Read `2026-03-31`, `2026-03-31T14:30` or the same with an offset; without one it is UTC. `7d` is a week ago.

    A date is the beginning of its day; as `until` it is the end, so that the day itself is within.
    """
    if text is None:
        return None
    if (ago := read_duration(text)) is not None:
        return (now or datetime.now(UTC)) - ago
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip()):
            day = date.fromisoformat(text.strip()) + timedelta(days=1 if until else 0)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        said = datetime.fromisoformat(text.strip())
        return said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.UsageError(
            f"{text!r} is no time; write 2026-03-31, or 2026-03-31T14:30 (UTC), or 2026-03-31T14:30-05:00, or 7d for a "
            "week ago"
        ) from None
