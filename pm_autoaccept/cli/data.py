"""The `data` command: check each data source of the policy and its guards; confirm its contents; list its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

    from pm_autoaccept.config import Settings
    from pm_autoaccept.data_sources.source_status import SourceStatus
    from pm_autoaccept.model import Fact, SourceHistory
    from pm_autoaccept.policy import Guard, Policy


@click.group(cls=Group, invoke_without_command=True)
@options.account
@options.output
@click.pass_context
def data(context: click.Context, /, output: str, **overrides: Any) -> int:  # noqa: ANN401 — settings given as options; config checks them
    """Read each data source of the policy, and list its rows, its age, and whether it is good.

    The sources are read now, independently of a running `run`. The ledger is only read, and Portfolio Manager is not
    called. The exit code is 1 if a source is not good, or if most cells of a declared column are invalid: requests that
    need the source are then held.
    """
    import asyncio

    from pm_autoaccept.cli.output.json_rows import print_json
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.config import load_settings

    if context.invoked_subcommand is not None:
        return 0
    now = utc_now()
    stocks, remembered = asyncio.run(_take_stock(load_settings(**overrides), now))
    if output == "json":
        print_json([_as_data(stock, remembered, now) for stock in stocks])
    else:
        _print(stocks, now)
    return int(any(stock.why_not or any(remark.grave for remark in stock.remarks) for stock in stocks))


@data.command()
@click.argument("name")
@options.account
def confirm(name: str, **overrides: Any) -> int:  # noqa: ANN401 — likewise
    """Confirm that the current contents of NAME are good although they break a guard. Your name is recorded.

    This is valid only for these contents, and an `age` counts from now on. A running `run` uses it from its next cycle.
    """
    import asyncio

    from pm_autoaccept.config import load_settings

    return asyncio.run(_confirm(name, load_settings(**overrides)))


@data.command()
@options.settings
@options.ledger
@options.table_output
@click.option("--account", metavar="NAME", help="List only this provider account, by its name in the settings.")
def history(settings: Path | None, ledger: str | None, *, output: str, account: str | None) -> int:
    """List the good contents of each source, with times, and who confirmed which.

    Reads only the ledger. A decision's `sources` have the same digests.
    """
    from pm_autoaccept.cli.output.columns import attributes
    from pm_autoaccept.cli.output.rows import print_rows, text_zone
    from pm_autoaccept.cli.support.ledger_access import read_ledger
    from pm_autoaccept.ledger import source_history

    zone = text_zone(settings, account)

    def show(connection: Connection) -> None:
        print_rows(
            source_history.list_source_records(connection, account=account),
            output=output,
            zone=zone,
            columns=attributes("account", "source", "digest", "rows", "since", "until", "confirmed_by"),
            text=(
                ("account", lambda row: row.account),
                ("from", lambda row: row.since),
                ("last seen", lambda row: row.until),
                ("data", lambda row: row.source),
                ("rows", lambda row: row.rows),
                ("digest", lambda row: row.digest[:12]),
                ("confirmed by", lambda row: row.confirmed_by or ""),
            ),
            what=("entry", "entries"),
        )

    read_ledger(ledger, settings, show, account=account)
    return 0


async def _take_stock(
    settings: Settings, now: datetime
) -> tuple[Sequence[SourceStatus], Fact[Mapping[str, SourceHistory]]]:
    from pm_autoaccept.account import data_places, load_policy
    from pm_autoaccept.data_sources.source_status import read_statuses
    from pm_autoaccept.sign_in import proxy_guard_for_reading

    sources = load_policy(settings.policy).policy.sources
    remembered = await _remembered(settings, now)
    async with proxy_guard_for_reading(settings) as proxy_guard:
        return await read_statuses(
            sources, data_places(settings, proxy_guard), remembered=remembered, now=now
        ), remembered


async def _remembered(settings: Settings, now: datetime) -> Fact[Mapping[str, SourceHistory]]:
    """The ledger's memory of earlier contents; empty if there is no ledger yet."""
    from pm_autoaccept.config import ledger_exists
    from pm_autoaccept.errors import LedgerError
    from pm_autoaccept.ledger import SqlLedger
    from pm_autoaccept.model import NotLearnt

    if not ledger_exists(settings.ledger):
        return {}
    try:
        ledger = await SqlLedger.open(settings.ledger, name=settings.name, read_only=True)
        try:
            return await ledger.source_histories(at=now)
        finally:
            await ledger.close()
    except LedgerError as error:
        return NotLearnt(str(error))


async def _confirm(name: str, settings: Settings) -> int:
    from pm_autoaccept.account import data_places, load_policy
    from pm_autoaccept.cli.support.confirm import user_name
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.data_sources.fetch import read_source
    from pm_autoaccept.ledger import Database, source_history
    from pm_autoaccept.model import NotLearnt, SourceUse
    from pm_autoaccept.sign_in import proxy_guard_for_reading

    source = _source(name, load_policy(settings.policy).policy)
    async with proxy_guard_for_reading(settings) as proxy_guard:
        table = (await read_source(source, data_places(settings, proxy_guard))).table
    if isinstance(table, NotLearnt):
        click.echo(f"cannot confirm {name}: {table.why}", err=True)
        return 1
    use = SourceUse(name, table.rows, table.digest)
    database = await Database.open(settings.ledger)
    try:
        by, at = user_name(), utc_now()
        await database.run(
            lambda connection: source_history.confirm_source(connection, settings.name, use, by=by, at=at)
        )
    finally:
        await database.close()
    click.echo(f"Confirmed {name} with its {table.rows:,} rows ({table.digest[:12]}), until they change.")
    return 0


def _source(name: str, policy: Policy) -> Any:  # noqa: ANN401 — a source, whose type is not imported so early
    from pm_autoaccept.policy.messages import listed, perhaps

    if name in policy.sources:
        return policy.sources[name]
    known = listed(policy.sources) if policy.sources else "none"
    raise click.UsageError(f"unknown data source `{name}`{perhaps(name, policy.sources)}; the policy has {known}")


def _as_data(stock: SourceStatus, remembered: Fact[Mapping[str, SourceHistory]], now: datetime) -> dict[str, object]:
    from pm_autoaccept.model import NotLearnt, SourceHistory

    source, reading, table = stock.source, stock.reading, stock.reading.table
    read = None if isinstance(table, NotLearnt) else table
    before = SourceHistory() if isinstance(remembered, NotLearnt) else remembered.get(source.name, SourceHistory())
    require = source.require
    return {
        "name": source.name,
        "form": source.kind,
        "where": source.where,
        "good": stock.why_not is None,
        "why": stock.why_not,
        "rows": read and read.rows,
        "dropped": reading.dropped,
        "remarks": stock.remarks,
        "dated": reading.dated,
        "age_seconds": None if reading.dated is None else round((now - reading.dated).total_seconds()),
        "digest": read and read.digest,
        "require": {
            "rows": require.rows,
            "age_seconds": None if require.age is None else round(require.age.total_seconds()),
            "shrink_percent": require.shrink,
            "grow_percent": require.grow,
        },
        "remembered": {"most": before.most, "least": before.least},
        "confirmed_at": before.confirmed.get(read.digest) if read else None,
    }


def _print(stocks: Sequence[SourceStatus], now: datetime) -> None:
    from pm_autoaccept.cli.output.tables import colored, console, print_table
    from pm_autoaccept.model import NotLearnt
    from pm_autoaccept.policy.durations import written_duration
    from pm_autoaccept.telemetry.terminal import printable

    rows = []
    for stock in stocks:
        dated = stock.reading.dated
        table = None if isinstance(stock.reading.table, NotLearnt) else stock.reading.table
        rows.append(
            (
                colored("ok" if stock.why_not is None else "problem"),
                stock.source.name,
                stock.source.where,
                f"{table.rows:,}" if table else "",
                f"{stock.reading.dropped:,}" if table else "",
                written_duration(now - dated) if dated is not None else "",
                table.digest[:12] if table else "",
                _required(stock.source.require),
                stock.why_not or "",
            )
        )
    out = console()
    print_table(out, ("", "data", "where", "rows", "dropped", "age", "digest", "required", "problem"), rows)
    for stock in stocks:
        for remark in stock.remarks:
            out.print(printable(f"{stock.source.name}: {remark.text}"), soft_wrap=True)
    bad = sum(stock.why_not is not None for stock in stocks)
    out.print(f"{len(stocks)} source{'s' if len(stocks) != 1 else ''}, {bad} not good.")


def _required(guard: Guard) -> str:
    """A guard as in a policy."""
    from pm_autoaccept.policy.durations import written_duration

    guards = {
        "rows": None if guard.rows is None else f"{guard.rows:,}",
        "age": None if guard.age is None else written_duration(guard.age),
        "shrink": None if guard.shrink is None else f"{guard.shrink}%",
        "grow": None if guard.grow is None else f"{guard.grow}%",
    }
    return ", ".join(f"{name} {value}" for name, value in guards.items() if value is not None)
