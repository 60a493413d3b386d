"""The `account` command: list or end connections and shares; list or clear stored notifications."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Group

if TYPE_CHECKING:
    from pm_autoaccept.config import Settings
    from pm_autoaccept.model import Removal


@click.group(cls=Group)
def account() -> None:
    """List or end connections and shares."""


def _note(command: Any) -> Any:  # noqa: ANN401 — whatever click decorates
    return click.option("--note", metavar="TEXT", help="Send this note to the customer (1 to 1,000 characters).")(
        command
    )


def _yes(command: Any) -> Any:  # noqa: ANN401 — likewise
    return click.option("--yes", is_flag=True, help="Do not ask for confirmation; required if there is no terminal.")(
        command
    )


@account.command("list")
@options.settings
@options.ledger
@options.table_output
@click.option("--account", "name", metavar="NAME", help="List only this provider account, by its name in the settings.")
def list_(settings: Path | None, ledger: str | None, *, output: str, name: str | None) -> int:
    """List connected customers and what they share, since when, and by which rule. Reads only the ledger.

    The list is as the last cycles read it: shares are read owner by owner, in turn. `since` is the time of our accept;
    for connections and shares that we did not accept, the time when they were first seen.
    """
    from pm_autoaccept.cli.output.columns import INVENTORY_COLUMNS, INVENTORY_TEXT_COLUMNS
    from pm_autoaccept.cli.output.rows import print_rows, text_zone, with_account
    from pm_autoaccept.cli.support.ledger_access import read_ledger
    from pm_autoaccept.ledger.inventory_report import list_inventory

    read_ledger(
        ledger,
        settings,
        lambda connection: print_rows(
            list_inventory(connection, account=name),
            output=output,
            zone=text_zone(settings, name),
            columns=INVENTORY_COLUMNS,
            text=with_account(connection, name, INVENTORY_TEXT_COLUMNS),
            what=("connection or share", "connections and shares"),
        ),
        account=name,
    )
    return 0


@account.command()
@click.argument("number", metavar="ID", type=click.IntRange(min=1))
@click.option(
    "--keep-shares/--remove-shares",
    "keep_shares",
    default=None,
    help="Keep or remove the customer's shares; required.",
)
@_note
@_yes
@options.account
@options.mode
def disconnect(number: int, *, keep_shares: bool | None, note: str | None, yes: bool, **overrides: Any) -> int:  # noqa: ANN401 — settings given as options; config checks them
    """End the connection with customer ID; --remove-shares also ends everything it shares. Requires mode enforce."""
    from pm_autoaccept.model import Kind, Removal, RequestKey

    if keep_shares is None:
        raise click.UsageError("pass --keep-shares or --remove-shares; Portfolio Manager's own default removes them")
    shares = "keep its shares" if keep_shares else "also remove everything that it shares"
    removal = Removal(RequestKey(Kind.CONNECTION, number), keep_shares=keep_shares, note=note)
    return _remove(removal, f"Disconnect account {number} and {shares}", yes=yes, overrides=overrides)


@account.command()
@click.argument("share", metavar="property:ID|meter:ID")
@_note
@_yes
@options.account
@options.mode
def unshare(share: str, *, note: str | None, yes: bool, **overrides: Any) -> int:  # noqa: ANN401 — likewise
    """End the share of a property, including its meters, or of a meter. Requires mode enforce."""
    from pm_autoaccept.model import Kind, Removal, RequestKey

    kind, _, number = share.partition(":")
    if kind not in (Kind.PROPERTY, Kind.METER) or not (number.isascii() and number.isdigit() and int(number) > 0):
        raise click.UsageError(f"invalid share {share!r}; use property:ID or meter:ID, for example meter:30511977")
    removal = Removal(RequestKey(Kind(kind), int(number)), note=note)
    with_it = " and the shares of its meters" if removal.key.kind is Kind.PROPERTY else ""
    return _remove(removal, f"End the share of {kind} {number}{with_it}", yes=yes, overrides=overrides)


@account.command()
@click.option(
    "--clear", is_flag=True, help="Store them, then mark them as read in Portfolio Manager. Requires mode enforce."
)
@_yes
@options.table_output
@options.account
@options.mode
def notifications(*, clear: bool, yes: bool, output: str, **overrides: Any) -> int:  # noqa: ANN401 — likewise
    """List the stored notifications, each with its effect; or clear Portfolio Manager's list."""
    from pm_autoaccept.cli.output.columns import NOTIFICATION_COLUMNS, NOTIFICATION_TEXT_COLUMNS
    from pm_autoaccept.cli.output.rows import print_rows, text_zone, with_account
    from pm_autoaccept.cli.support.ledger_access import read_ledger
    from pm_autoaccept.ledger.inventory_report import list_notifications

    if clear:
        return _clear(yes=yes, overrides=overrides)
    read_ledger(
        overrides["ledger"],
        overrides["settings"],
        lambda connection: print_rows(
            list_notifications(connection, account=overrides["account"]),
            output=output,
            zone=text_zone(overrides["settings"], overrides["account"]),
            columns=NOTIFICATION_COLUMNS,
            text=with_account(connection, overrides["account"], NOTIFICATION_TEXT_COLUMNS),
            what=("notification", "notifications"),
        ),
        account=overrides["account"],
    )
    return 0


def _enforcing_settings(overrides: dict[str, Any]) -> Settings:
    """The account's settings; raises `ConfigurationError` unless the mode is enforce."""
    from pm_autoaccept.config import load_settings
    from pm_autoaccept.errors import ConfigurationError
    from pm_autoaccept.model import Mode

    settings = load_settings(**overrides)
    if settings.mode is not Mode.ENFORCE:
        raise ConfigurationError("in mode observe nothing is sent, not even for this command; pass --mode enforce")
    return settings


def _remove(removal: Removal, what: str, *, yes: bool, overrides: dict[str, Any]) -> int:
    from pm_autoaccept.cli.support.confirm import confirm, user_name
    from pm_autoaccept.cli.support.runner import run_to_end
    from pm_autoaccept.cli.support.session import signed_in
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.daemon import Stop
    from pm_autoaccept.model import Outcome
    from pm_autoaccept.remove import remove

    settings = _enforcing_settings(overrides)
    confirm(f"{what}, at {settings.service_shown} as {settings.username}?", yes=yes)

    async def work(stop: Stop) -> int:
        async with signed_in(settings, stop=stop) as (pm, ledger):
            outcome, text = await remove(removal, pm=pm, ledger=ledger, by=user_name(), now=utc_now)
        if outcome is Outcome.DONE:
            click.echo(f"Ended {removal.key}.")
            return 0
        if outcome is Outcome.OPEN:
            click.echo(f"Unknown whether {removal.key} was ended: {text}", err=True)
            click.echo(
                "The call was sent once and is on record. The next cycles read whether it still exists: see", err=True
            )
            click.echo("`account list`, and repeat the command if it does.", err=True)
            return 69
        click.echo(f"Did not end {removal.key}: {text}", err=True)
        return 1

    return run_to_end(work, settings=settings)


def _clear(*, yes: bool, overrides: dict[str, Any]) -> int:
    from pm_autoaccept.cli.support.confirm import confirm
    from pm_autoaccept.cli.support.runner import run_to_end
    from pm_autoaccept.cli.support.session import signed_in
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.daemon import Stop
    from pm_autoaccept.errors import PortfolioManagerError

    settings = _enforcing_settings(overrides)
    click.echo(
        "Unread notifications are stored first, then marked as read, including any that arrive in between. Portfolio\n"
        "Manager never shows them again: if the response to the last call is lost, those in between are lost too.",
        err=True,
    )
    confirm(f"Mark all notifications of {settings.username} at {settings.service_shown} as read?", yes=yes)

    async def work(stop: Stop) -> int:
        async with signed_in(settings, stop=stop) as (pm, ledger):
            first = await pm.notifications(clear=False)
            new = await ledger.store_notifications(first, at=utc_now())
            try:
                cleared = await pm.notifications(clear=True)
            except PortfolioManagerError as error:
                click.echo(f"Unknown whether they were marked as read: {error}", err=True)
                click.echo(f"{len(first)} are stored; any that arrived afterwards may be lost.", err=True)
                return 69
            late = await ledger.store_notifications(cleared, at=utc_now())
        click.echo(f"Marked {len(cleared)} as read; {new + late} of them are newly stored.")
        return 0

    return run_to_end(work, settings=settings)
