"""Prints rows as they come from the ledger, as text, JSON or CSV; text shows every time with its zone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection

from pm_autoaccept.cli.output.csv_rows import print_csv
from pm_autoaccept.cli.output.json_rows import print_json_rows
from pm_autoaccept.cli.output.tables import console, print_table
from pm_autoaccept.cli.support.moments import format_moment
from pm_autoaccept.cli.support.standard_streams import until_closed
from pm_autoaccept.config import policy_folders
from pm_autoaccept.errors import ConfigurationError, PolicyRefused
from pm_autoaccept.ledger.audit import account_names

if TYPE_CHECKING:
    from pm_autoaccept.policy import Policy

Row = TypeVar("Row")


def text_zone(settings: Path | None, account: str | None) -> tzinfo:
    """The time zone of text lists: the policies' if they have the same one, otherwise UTC."""
    zones = {policy.time_zone for policy in policies_in_force(settings, account)}
    return zones.pop() if len(zones) == 1 else UTC


def policies_in_force(settings: Path | None, account: str | None) -> list[Policy]:
    """The policies that the settings name and that load; those with faults are left out."""
    from pm_autoaccept.data_sources import read_folder
    from pm_autoaccept.policy import load

    found = []
    with suppress(ConfigurationError):
        for folder in policy_folders(settings=settings, account=account).values():
            with suppress(ConfigurationError, PolicyRefused):
                if folder is not None:
                    found.append(load(read_folder(folder)))
    return found


def with_account(
    connection: Connection, account: str | None, text: Sequence[tuple[str, Callable[[Any], object]]]
) -> Sequence[tuple[str, Callable[[Any], object]]]:
    """The columns of a text list, preceded by the account's name if the list has several accounts."""
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
    """Print rows as they come.

    Args:
        rows: what to print.
        output: text, json, csv or csv-bom.
        zone: the time zone for text.
        columns: for JSON and CSV.
        text: the columns for text.
        what: what a row is, singular and plural, for the count at the end of text.
    """
    if output == "json":
        print_json_rows({name: read(row) for name, read in columns} for row in rows)
        return
    if output in {"csv", "csv-bom"}:
        cells = ([read(row) for _, read in columns] for row in rows)
        print_csv([name for name, _ in columns], cells, bom=output == "csv-bom")
        return
    out = console()
    lines = ([_cell(read(row), zone) for _, read in text] for row in until_closed(rows))
    count = print_table(out, [name for name, _ in text], lines, skip_empty=True)
    out.print(f"{count} {what[count != 1]}.")


def _cell(value: object, zone: tzinfo) -> object:
    if isinstance(value, datetime):
        return format_moment(value, zone)
    return "" if value is None else value
