"""Prompt of `review next`: one request at a time, answered with single keys."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import click

from pm_autoaccept.cli.output.review_entries import consequences, in_full
from pm_autoaccept.cli.output.rows import text_zone
from pm_autoaccept.cli.output.tables import console
from pm_autoaccept.cli.support.review_answers import RECORDED, ReviewLedger, family_of
from pm_autoaccept.clock import utc_now
from pm_autoaccept.model import Action, AnswerStatus, NewAnswer, RequestKey
from pm_autoaccept.policy.durations import written_duration
from pm_autoaccept.policy.notes import check_note
from pm_autoaccept.record import QueueEntry
from pm_autoaccept.telemetry.terminal import printable

_HELP = """\
a  accept, without a note
r  reject; asks for the note
s  show everything about it
n  next: leave it in the queue
u  take back your last answer
q  quit
?  this help"""


@dataclass(slots=True)
class ReviewPrompt:
    """Goes through the queue once.

    Attributes:
        ledger: the ledger as the reviewer uses it.
        read_key: returns the next key that is pressed.
    """

    ledger: ReviewLedger
    read_key: Callable[[], str] = click.getchar
    _answered: int = field(default=0, init=False)
    _last: tuple[RequestKey, ...] = field(default=(), init=False)

    def run(self) -> int:
        """Show one request after the other until the queue ends or the reviewer quits; returns the exit code."""
        if not sys.stdin.isatty():
            raise click.UsageError("not a terminal; use `review`, `review accept KEY` and `review reject KEY`")
        entries = [entry for entry in self.ledger.entries() if entry.answer is None and not entry.answered_by_policy]
        for place, entry in enumerate(entries, start=1):
            click.echo()
            click.echo(_headline(entry, place, len(entries)))
            if not self._one(entry):
                break
        click.echo(f"\nAnswered {self._answered} of {len(entries)} requests.")
        return 0

    def _one(self, entry: QueueEntry) -> bool:
        """Ask about one request; False if the reviewer quits."""
        while True:
            click.echo("Accept, reject, show, next, quit? [a r s n q ?] ", nl=False)
            try:
                pressed = self.read_key().lower()
            except (EOFError, KeyboardInterrupt):
                pressed = "q"
            click.echo(pressed if pressed.isprintable() else "")
            match pressed:
                case "q":
                    return False
                case "n" | "\r" | "\n" | " ":
                    return True
                case "a" | "r":
                    if self._answer(entry, Action.ACCEPT if pressed == "a" else Action.REJECT):
                        return True
                case "s":
                    console().print(
                        in_full(entry, None, zone=text_zone(self.ledger.settings, entry.row.account), now=utc_now())
                    )
                case "u":
                    self._undo()
                case _:
                    click.echo(_HELP)

    def _answer(self, entry: QueueEntry, action: Action) -> bool:
        """Record an answer; False if the reviewer must look again."""
        note = self._note(entry) if action is Action.REJECT else None
        if note is _CANCELLED:
            return False
        given = [entry]
        relatives = family_of(self.ledger, [entry], action)
        if relatives:
            also = ", ".join(str(each.row.key) for each in relatives)
            click.echo(f"Also {action.lower()} {also}? [Y/n] ", nl=False)
            pressed = self.read_key().lower()
            click.echo(pressed if pressed.isprintable() else "")
            given += relatives if pressed != "n" else []
        results = self.ledger.record(
            [NewAnswer(key=each.row.key, stamp=each.stamp, action=action, note=note) for each in given]
        )
        for result in results:
            if result.status is not AnswerStatus.RECORDED:
                click.echo(printable(f"{result.text}."))
        recorded = tuple(result.key for result in results if result.status in RECORDED)
        self._answered += len(recorded)
        self._last = recorded or self._last
        return True

    def _note(self, entry: QueueEntry) -> str | None:
        """Ask for the note of a reject."""
        default = f" (Enter: {printable(entry.note)})" if entry.note else " (Enter: no note)"
        while True:
            try:
                written = click.prompt(f"Note to the customer{default}", default="", show_default=False)
            except click.Abort:
                click.echo()
                return _CANCELLED
            if not written.strip():
                return entry.note
            try:
                return check_note(written)
            except ValueError as error:
                click.echo(f"{error}.")

    def _undo(self) -> None:
        if not self._last:
            click.echo("Nothing to take back.")
            return
        for _, done, text in self.ledger.take_back(self._last):
            click.echo(printable(f"{text}."))
            self._answered -= done
        self._last = ()


_CANCELLED = "\0"
"""A note that cannot be written: the reviewer changed their mind."""


def _headline(entry: QueueEntry, place: int, of: int) -> str:
    """What a reviewer needs for most answers."""
    row = entry.row
    owner = f"{row.username or 'unnamed'} (account {row.account_id or 'unknown'})"
    lines = [
        f"[{place}/{of}] {row.key} of {owner}, waiting {written_duration(utc_now() - row.since)}",
        f"  {row.reason_text}",
    ]
    also = [(action, consequences(entry, action)) for action in Action]
    lines += [f"  {action} also {done}." for action, done in also if done]
    return "\n".join(map(printable, lines))
