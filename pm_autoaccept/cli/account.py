"""`account`: who is connected and what is shared; ending either; the notifications that are stored."""

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
    """Say who is connected and what is shared, and end it."""


def _note(command: Any) -> Any:  # noqa: ANN401 — whatever click decorates
    return click.option("--note", metavar="TEXT", help="For the customer, 1 to 1,000 characters.")(command)


def _yes(command: Any) -> Any:  # noqa: ANN401 — likewise
    return click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")(command)


@account.command("list")
@options.settings
@options.ledger
@options.table_output
@click.option("--account", "name", metavar="NAME", help="Only of this provider account, by the settings' name.")
def list_(settings: Path | None, ledger: str | None, *, output: str, name: str | None) -> int:
    """List connected customers and what they share, since when, and by which rule. Reads the ledger only.

    It is what the last cycles read: shares are read owner by owner, in turn. `since` is when our accept was done; of
    what was not let in by us, when it was first seen.
    """
    from pm_autoaccept.cli.output.inventory_columns import COLUMNS, TEXT
    from pm_autoaccept.cli.output.rows import from_ledger, print_rows, text_zone, with_account
    from pm_autoaccept.ledger.inventory_report import list_inventory

    from_ledger(
        ledger,
        settings,
        lambda connection: print_rows(
            list_inventory(connection, account=name),
            output=output,
            zone=text_zone(settings, name),
            columns=COLUMNS,
            text=with_account(connection, name, TEXT),
            what=("connection or share", "connections and shares"),
        ),
        account=name,
    )
    return 0


@account.command()
@click.argument("number", metavar="ID", type=click.IntRange(min=1))
@click.option("--keep-shares/--remove-shares", "keep_shares", default=None, help="What becomes of the shares; say one.")
@_note
@_yes
@options.account
@options.mode
def disconnect(number: int, *, keep_shares: bool | None, note: str | None, yes: bool, **said: Any) -> int:  # noqa: ANN401 — click hands over the options, config checks them
    """End the connection with customer ID, with --remove-shares all that it shares too. Needs mode enforce."""
    from pm_autoaccept.model import Kind, Removal, RequestKey

    if keep_shares is None:
        raise click.UsageError("say --keep-shares or --remove-shares: Portfolio Manager's own default removes them")
    shares = "its shares stay" if keep_shares else "everything that it shares is removed too"
    removal = Removal(RequestKey(Kind.CONNECTION, number), keep_shares=keep_shares, note=note)
    return _remove(removal, f"Disconnect account {number}; {shares}", yes=yes, said=said)


@account.command()
@click.argument("share", metavar="property:ID|meter:ID")
@_note
@_yes
@options.account
@options.mode
def unshare(share: str, *, note: str | None, yes: bool, **said: Any) -> int:  # noqa: ANN401 — likewise
    """End the share of a property, its meters included, or of a meter. Needs mode enforce."""
    from pm_autoaccept.model import Kind, Removal, RequestKey

    kind, _, number = share.partition(":")
    if kind not in (Kind.PROPERTY, Kind.METER) or not (number.isascii() and number.isdigit() and int(number) > 0):
        raise click.UsageError(f"{share!r} is no share; write property:8120045 or meter:30511977")
    removal = Removal(RequestKey(Kind(kind), int(number)), note=note)
    with_it = ", and the shares of its meters" if removal.key.kind is Kind.PROPERTY else ""
    return _remove(removal, f"End the share of {kind} {number}{with_it}", yes=yes, said=said)


@account.command()
@click.option("--clear", is_flag=True, help="Mark them read in Portfolio Manager, after storing them. Needs enforce.")
@_yes
@options.table_output
@options.account
@options.mode
def notifications(*, clear: bool, yes: bool, output: str, **said: Any) -> int:  # noqa: ANN401 — likewise
    """List the notifications that are stored, each with what it changed; or clear Portfolio Manager's list of them."""
    from pm_autoaccept.cli.output.notification_columns import COLUMNS, TEXT
    from pm_autoaccept.cli.output.rows import from_ledger, print_rows, text_zone, with_account
    from pm_autoaccept.ledger.inventory_report import list_notifications as stored

    if clear:
        return _clear(yes=yes, said=said)
    from_ledger(
        said["ledger"],
        said["settings"],
        lambda connection: print_rows(
            stored(connection, account=said["account"]),
            output=output,
            zone=text_zone(said["settings"], said["account"]),
            columns=COLUMNS,
            text=with_account(connection, said["account"], TEXT),
            what=("notification", "notifications"),
        ),
        account=said["account"],
    )
    return 0


def _enforcing(said: dict[str, Any]) -> Settings:
    """The settings of the account, where its mode lets something be sent."""
    from pm_autoaccept.config import load_settings
    from pm_autoaccept.errors import ConfigurationError
    from pm_autoaccept.model import Mode

    settings = load_settings(**said)
    if settings.mode is not Mode.ENFORCE:
        raise ConfigurationError(
            "mode is observe, in which nothing is sent, what people ask for included; say --mode enforce"
        )
    return settings


def _remove(removal: Removal, what: str, *, yes: bool, said: dict[str, Any]) -> int:
    from pm_autoaccept.cli.support.confirm import ask, who
    from pm_autoaccept.cli.support.runner import run_gently
    from pm_autoaccept.cli.support.session import signed_in
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.daemon import Stop
    from pm_autoaccept.model import Outcome
    from pm_autoaccept.remove import remove

    settings = _enforcing(said)
    ask(f"{what}, at {settings.service_shown} as {settings.username}?", yes=yes)

    async def work(stop: Stop) -> int:
        async with signed_in(settings, stop=stop) as (pm, ledger):
            outcome, text = await remove(removal, pm=pm, ledger=ledger, by=who(), now=utc_now)
        if outcome is Outcome.DONE:
            click.echo(f"{removal.key} is ended.")
            return 0
        if outcome is Outcome.OPEN:
            click.echo(f"It is not known whether {removal.key} is ended: {text}", err=True)
            click.echo("It was sent once and is on record. The next cycles read whether it stands; look with", err=True)
            click.echo("`account list`, and repeat the command if it does.", err=True)
            return 69
        click.echo(f"{removal.key} was not ended: {text}", err=True)
        return 1

    return run_gently(work, settings=settings)


def _clear(*, yes: bool, said: dict[str, Any]) -> int:
    from pm_autoaccept.cli.support.confirm import ask
    from pm_autoaccept.cli.support.runner import run_gently
    from pm_autoaccept.cli.support.session import signed_in
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.daemon import Stop
    from pm_autoaccept.errors import PortfolioManagerError

    settings = _enforcing(said)
    click.echo(
        "All that is unread is stored first, then marked read with what came since. Portfolio Manager never shows it\n"
        "again: if the answer to that last call is lost on its way, what came in between the two is lost.",
        err=True,
    )
    ask(f"Mark all notifications of {settings.username} at {settings.service_shown} as read?", yes=yes)

    async def work(stop: Stop) -> int:
        async with signed_in(settings, stop=stop) as (pm, ledger):
            first = await pm.notifications(clear=False)
            new = await ledger.store_notifications(first, at=utc_now())
            try:
                cleared = await pm.notifications(clear=True)
            except PortfolioManagerError as error:
                click.echo(f"They may or may not be marked read: {error}", err=True)
                click.echo(f"{len(first)} are stored; what came after they were read may be lost.", err=True)
                return 69
            late = await ledger.store_notifications(cleared, at=utc_now())
        click.echo(f"{len(cleared)} marked read; {new + late} of them were not stored before, and are now.")
        return 0

    return run_gently(work, settings=settings)
