"""`data`: what each data source of the policy holds, and whether it is good; `data confirm` takes it as good."""

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
    from pm_autoaccept.data_sources.source_status import Stock
    from pm_autoaccept.model import Fact, SourceHistory
    from pm_autoaccept.policy import Guard, Policy


@click.group(cls=Group, invoke_without_command=True)
@options.account
@options.output
@click.pass_context
def data(context: click.Context, /, output: str, **said: Any) -> int:  # noqa: ANN401 — click hands over the options, config checks them
    """Read each data source of the policy, and say how many rows it has, how old it is, and whether it is good.

    It is read here and now, beside a `run` that may be at work; the ledger is only read, and Portfolio Manager is not
    asked. Exit code 1 where a source is not good, or most cells of a declared column cannot be read: then what needs it
    is held.
    """
    import asyncio

    from pm_autoaccept.cli.output.json_rows import print_json
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.config import load_settings

    if context.invoked_subcommand is not None:
        return 0
    now = utc_now()
    stocks, remembered = asyncio.run(_take_stock(load_settings(**said), now))
    if output == "json":
        print_json([_in_full(stock, remembered, now) for stock in stocks])
    else:
        _print(stocks, now)
    return int(any(stock.why_not or any(remark.grave for remark in stock.remarks) for stock in stocks))


@data.command()
@click.argument("name")
@options.account
def confirm(name: str, **said: Any) -> int:  # noqa: ANN401 — likewise
    """Take what NAME holds now as good, though it breaks a guard of the policy. Your name is recorded with it.

    It lasts for just these contents, and an `age` counts from now on. A `run` takes notice with its next cycle.
    """
    import asyncio

    from pm_autoaccept.config import load_settings

    return asyncio.run(_confirm(name, load_settings(**said)))


@data.command()
@options.settings
@options.ledger
@options.table_output
@click.option("--account", metavar="NAME", help="Only of this provider account, by the settings' name.")
def history(settings: Path | None, ledger: str | None, *, output: str, account: str | None) -> int:
    """List what each source held while it was good, from when to when, and who took what as good.

    Reads the ledger only. A decision's `sources` name the same digests.
    """
    from pm_autoaccept.cli.output.rows import attributes, from_ledger, print_rows, text_zone
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
                ("last noted", lambda row: row.until),
                ("data", lambda row: row.source),
                ("rows", lambda row: row.rows),
                ("digest", lambda row: row.digest[:12]),
                ("taken as good by", lambda row: row.confirmed_by or ""),
            ),
            what=("entry", "entries"),
        )

    from_ledger(ledger, settings, show, account=account)
    return 0


async def _take_stock(settings: Settings, now: datetime) -> tuple[Sequence[Stock], Fact[Mapping[str, SourceHistory]]]:
    from pm_autoaccept.account import load_policy, places
    from pm_autoaccept.data_sources.source_status import take_stock
    from pm_autoaccept.sign_in import passage_to_look

    sources = load_policy(settings.policy).policy.sources
    remembered = await _remembered(settings, now)
    async with passage_to_look(settings) as passage:
        return await take_stock(sources, places(settings, passage), remembered=remembered, now=now), remembered


async def _remembered(settings: Settings, now: datetime) -> Fact[Mapping[str, SourceHistory]]:
    """What the ledger remembers; nothing where there is no ledger yet."""
    from pm_autoaccept.cli.support.recorded import ledger_exists
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
    from pm_autoaccept.account import load_policy, places
    from pm_autoaccept.cli.support.confirm import who
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.data_sources.fetch import read_source
    from pm_autoaccept.ledger import Database, source_history
    from pm_autoaccept.model import NotLearnt, SourceUse
    from pm_autoaccept.sign_in import passage_to_look

    source = _named(name, load_policy(settings.policy).policy)
    async with passage_to_look(settings) as passage:
        table = (await read_source(source, places(settings, passage))).table
    if isinstance(table, NotLearnt):
        click.echo(f"{name} cannot be taken as good: {table.why}", err=True)
        return 1
    use = SourceUse(name, table.rows, table.digest)
    database = await Database.open(settings.ledger)
    try:
        by, at = who(), utc_now()
        await database.run(
            lambda connection: source_history.confirm_source(connection, settings.name, use, by=by, at=at)
        )
    finally:
        await database.close()
    click.echo(f"{name} is taken as good with its {table.rows:,} rows ({table.digest[:12]}), until they change.")
    return 0


def _named(name: str, policy: Policy) -> Any:  # noqa: ANN401 — a source, whose type is not imported so early
    from pm_autoaccept.policy.messages import listed, perhaps

    if name in policy.sources:
        return policy.sources[name]
    has = f"it has {listed(policy.sources)}" if policy.sources else "it has none"
    raise click.UsageError(f"the policy has no data `{name}`{perhaps(name, policy.sources)}; {has}")


def _in_full(stock: Stock, remembered: Fact[Mapping[str, SourceHistory]], now: datetime) -> dict[str, object]:
    from pm_autoaccept.model import NotLearnt, SourceHistory

    source, reading, table = stock.source, stock.reading, stock.reading.table
    read = None if isinstance(table, NotLearnt) else table
    before = SourceHistory() if isinstance(remembered, NotLearnt) else remembered.get(source.name, SourceHistory())
    require = source.require
    return {
        "name": source.name,
        "form": source.form,
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


def _print(stocks: Sequence[Stock], now: datetime) -> None:
    from pm_autoaccept.cli.output.tables import coloured, console, print_table
    from pm_autoaccept.model import NotLearnt
    from pm_autoaccept.policy.durations import written_duration
    from pm_autoaccept.telemetry.terminal import printable

    rows = []
    for stock in stocks:
        dated = stock.reading.dated
        table = None if isinstance(stock.reading.table, NotLearnt) else stock.reading.table
        rows.append(
            (
                coloured("ok" if stock.why_not is None else "problem"),
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
    print_table(out, ("", "data", "where", "rows", "dropped", "age", "digest", "required", "why not"), rows)
    for stock in stocks:
        for remark in stock.remarks:
            out.print(printable(f"{stock.source.name}: {remark.text}"), soft_wrap=True)
    bad = sum(stock.why_not is not None for stock in stocks)
    out.print(f"{len(stocks)} source{'s' if len(stocks) != 1 else ''}, {bad} not good.")


def _required(guard: Guard) -> str:
    """A guard as policies write it."""
    from pm_autoaccept.policy.durations import written_duration

    said = {
        "rows": None if guard.rows is None else f"{guard.rows:,}",
        "age": None if guard.age is None else written_duration(guard.age),
        "shrink": None if guard.shrink is None else f"{guard.shrink}%",
        "grow": None if guard.grow is None else f"{guard.grow}%",
    }
    return ", ".join(f"{name} {value}" for name, value in said.items() if value is not None)
