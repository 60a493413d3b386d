"""The `review` command: answer the requests that wait for a person, and acknowledge what people did elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from pm_autoaccept.cli.support.review_answers import ReviewLedger
    from pm_autoaccept.model import Action
    from pm_autoaccept.record import QueueEntry


@click.group(cls=Group, invoke_without_command=True)
@options.settings
@options.ledger
@options.table_output
@click.option("--account", metavar="NAME", help="List only this provider account, by its name in the settings.")
@click.option("--rule", metavar="ID", help="List only what this rule holds.")
@click.option("--owner", metavar="OWNER", help="List only requests of this owner: an account id or a username.")
@click.option("--mine", is_flag=True, help="List only what you may answer and nobody has answered.")
@click.option("--as", "name", metavar="NAME", help="With --mine: for this reviewer.")
@click.pass_context
def review(
    context: click.Context,
    *,
    settings: Path | None,
    ledger: str | None,
    output: str,
    account: str | None,
    rule: str | None,
    owner: str | None,
    mine: bool,
    name: str | None,
) -> int | None:
    """List the requests that wait for a person, and answer them. Uses only the ledger; no password is needed.

    `pm-autoaccept run` sends the answers: until then, for a few seconds, `review take-back` takes one back.
    """
    if context.invoked_subcommand is not None:
        return None
    from pm_autoaccept.cli.output.review_entries import columns, text_columns
    from pm_autoaccept.cli.output.rows import print_rows, text_zone, with_account
    from pm_autoaccept.cli.support.ledger_access import read_ledger
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.ledger.review_queue import review_queue

    now = utc_now()
    by = _review_ledger(settings, ledger, account, name).by if mine else None

    def wanted(entry: QueueEntry) -> bool:
        return (
            (rule is None or entry.row.rule == rule)
            and (owner is None or owner in {str(entry.row.account_id), entry.row.username})
            and (by is None or entry.may_be_answered_by(by))
        )

    def show(connection: Connection) -> None:
        print_rows(
            filter(wanted, review_queue(connection, account=account)),
            output=output,
            zone=text_zone(settings, account),
            columns=columns(now),
            text=with_account(connection, account, text_columns(now)),
            what=("request is held for review", "requests are held for review"),
        )

    read_ledger(ledger, settings, show, account=account)
    return 0


def _answering(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that answer."""
    for option in (
        click.option("--as", "name", metavar="NAME", help="Answer under this name, if the settings allow it."),
        click.option("--account", metavar="NAME", help="Use this provider account, by its name in the settings."),
        options.ledger,
        options.settings,
    ):
        command = option(command)
    return command


_KEYS = click.argument("keys", metavar="KEYS", nargs=-1, required=True)


def _giving(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `accept` and `reject`."""
    for option in (
        _answering,
        options.output,
        click.option("--yes", is_flag=True, help="Do not ask for confirmation; required if there is no terminal."),
        click.option(
            "--family",
            is_flag=True,
            help="Give related requests the same answer: those above an accept, those below a reject.",
        ),
        click.option("--note-from-rule", is_flag=True, help="Send the note of the rule that holds it."),
        click.option("--note", metavar="TEXT", help="Send this note to the customer (1 to 1,000 characters)."),
        _KEYS,
    ):
        command = option(command)
    return command


@review.command()
@click.argument("key", metavar="KEY")
@options.settings
@options.ledger
@click.option("--account", metavar="NAME", help="Use this provider account, by its name in the settings.")
def show(key: str, *, settings: Path | None, ledger: str | None, account: str | None) -> int:
    """Show everything about KEY (for example property:8120045): who asks, why it waits, what each answer also does."""
    from pm_autoaccept.cli.output.review_entries import in_full
    from pm_autoaccept.cli.output.rows import text_zone
    from pm_autoaccept.cli.output.tables import console
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.errors import ConfigurationError
    from pm_autoaccept.model import Kind, RequestKey

    kind, number, _ = options.reviewed_key(key)
    wanted = RequestKey(Kind(kind), number)
    found = _review_ledger(settings, ledger, account, None, only_reads=True).with_history(wanted)
    if not found:
        raise ConfigurationError(f"{wanted} is not pending; `decisions {wanted}` shows what became of it")
    zone, now = text_zone(settings, account), utc_now()
    for entry, history in found:
        console().print(in_full(entry, history, zone=zone, now=now))
    return 0


@review.command()
@_giving
def accept(**given: Any) -> int:  # noqa: ANN401 — the command's options
    """Accept requests. KEY is, for example, property:8120045; `-` reads keys from stdin, one on each line.

    A KEY with a stamp, as `review --output json` prints it, is refused if anything has changed since.
    """
    from pm_autoaccept.model import Action

    return _answer(Action.ACCEPT, **given)


@review.command()
@_giving
def reject(**given: Any) -> int:  # noqa: ANN401 — likewise
    """Reject requests, with a note to the customer. KEY is as for `accept`."""
    from pm_autoaccept.model import Action

    return _answer(Action.REJECT, **given)


def _answer(
    action: Action,
    *,
    keys: Sequence[str],
    note: str | None,
    note_from_rule: bool,
    family: bool,
    yes: bool,
    output: str,
    name: str | None,
    account: str | None,
    ledger: str | None,
    settings: Path | None,
) -> int:
    from pm_autoaccept.cli.output import review_entries
    from pm_autoaccept.cli.output.answer_results import print_results
    from pm_autoaccept.cli.support.confirm import confirm
    from pm_autoaccept.cli.support.review_answers import ReviewedKeys, family_of
    from pm_autoaccept.model import Action

    if note is not None and note_from_rule:
        raise click.UsageError("--note and --note-from-rule are both set; use only one")
    text = _checked(note)
    wanted = ReviewedKeys.read(keys)
    here = _review_ledger(settings, ledger, account, name)
    entries = {entry.row.key: entry for entry in here.entries(wanted.stamps)}
    relatives = family_of(here, list(entries.values()), action)
    if not yes:
        for entry in (*entries.values(), *(relatives if family else ())):
            click.echo(review_entries.preview(entry, action), err=True)
    if relatives and not family and not yes:
        question = f"Also {review_entries.family(action, [entry.row.key for entry in relatives])}?"
        family = _ask(question)
    if family:
        for entry in relatives:
            wanted.stamps.setdefault(entry.row.key, None)
            entries.setdefault(entry.row.key, entry)
    elif relatives:
        verb = "needs an accept of" if action is Action.ACCEPT else "also rejects, without an own note,"
        click.echo(f"This {verb} {', '.join(str(entry.row.key) for entry in relatives)}; see --family.", err=True)
    count = len(wanted.stamps)
    confirm(f"{action} {count} {'request' if count == 1 else 'requests'} as {here.by.name}?", yes=yes)
    notes = {key: entry.note if note_from_rule else text for key, entry in entries.items()}
    results = here.record(wanted.new_answers(entries, action, notes))
    print_results(results, by=here.by, grace=here.review.grace, pauses=here.pauses, output=output)
    return 0 if all(each.status.recorded for each in results) else 1


@review.command("take-back")
@_KEYS
@_answering
def take_back(
    keys: Sequence[str], *, name: str | None, account: str | None, ledger: str | None, settings: Path | None
) -> int:
    """Take answers back that were not sent yet. KEY is as for `accept`."""
    from pm_autoaccept.cli.support.review_answers import ReviewedKeys
    from pm_autoaccept.telemetry.terminal import printable

    here = _review_ledger(settings, ledger, account, name)
    results = here.take_back(list(ReviewedKeys.read(keys).stamps))
    for _, done, text in results:
        click.echo(printable(f"{text}."), err=not done)
    return 0 if all(done for _, done, _ in results) else 1


@review.command("next")
@_answering
def next_(*, name: str | None, account: str | None, ledger: str | None, settings: Path | None) -> int:
    """Go through the requests one at a time, with single keys: a accept, r reject, s show more, n next, q quit."""
    from pm_autoaccept.cli.support.review_prompt import ReviewPrompt

    return ReviewPrompt(_review_ledger(settings, ledger, account, name)).run()


def _review_ledger(
    settings: Path | None, ledger: str | None, account: str | None, name: str | None, *, only_reads: bool = False
) -> ReviewLedger:
    """The ledger for a reviewer; anybody may read, also those who may not answer."""
    from pm_autoaccept.cli.support.confirm import user_name
    from pm_autoaccept.cli.support.review_answers import ReviewLedger
    from pm_autoaccept.config import review_settings
    from pm_autoaccept.model import Reviewer

    review = review_settings(settings=settings)
    by = Reviewer(name=user_name()) if only_reads else review.reviewer(user_name(), name=name)
    return ReviewLedger(option=ledger, settings=settings, account=account, by=by, review=review)


def _checked(note: str | None) -> str | None:
    from pm_autoaccept.policy.notes import check_note

    try:
        return None if note is None else check_note(note)
    except ValueError as error:
        raise click.UsageError(f"--note: {error}") from error


def _ask(question: str) -> bool:
    """Ask on the terminal; without one, the answer is no, and the confirmation that follows is refused."""
    import sys

    return sys.stdin.isatty() and click.confirm(question, default=True, err=True)


@review.command()
@click.argument("key", metavar="KEY")
@click.option("--why", required=True, metavar="TEXT", help="Give the reason; it is recorded with your name.")
@options.settings
@options.ledger
@click.option("--account", metavar="NAME", help="Use this provider account, by its name in the settings.")
def acknowledge(key: str, *, why: str, settings: Path | None, ledger: str | None, account: str | None) -> int:
    """Acknowledge KEY (for example property:8120045), a connection or share that somebody accepted elsewhere.

    This removes it from `decisions --undecided`, the gauge and the alert. Nothing is sent. Your name, the time and the
    reason are recorded; `account list --output json` shows them.
    """
    from pm_autoaccept.cli.support.confirm import user_name
    from pm_autoaccept.cli.support.ledger_access import write_ledger
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.ledger import held_requests
    from pm_autoaccept.model import Kind, RequestKey

    kind, number = options.request_key(key)
    wanted, text = RequestKey(Kind(kind), number), why.strip()
    if not text:
        raise click.UsageError("--why is empty; give a reason, for example --why 'accepted by phone on March 4'")
    by, now = user_name(), utc_now()
    name = write_ledger(
        ledger,
        settings,
        lambda it: held_requests.acknowledge(it, wanted, account=account, why=text, by=by, at=now),
    )
    click.echo(f"Acknowledged {wanted} of account `{name}`, by {by}.")
    return 0
