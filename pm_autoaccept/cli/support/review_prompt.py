"""Prompt of `review next`: one request at a time, answered with single keys."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import click

from pm_autoaccept.cli.output.review_entries import consequences, family, in_full
from pm_autoaccept.cli.output.rows import text_zone
from pm_autoaccept.cli.output.tables import console
from pm_autoaccept.cli.support.review_answers import ReviewLedger, family_of
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
u  take back your last answer; you are asked again at the end
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
    _queue: list[tuple[ReviewLedger, RequestKey]] = field(default_factory=list, init=False)
    _written: dict[RequestKey, str] = field(default_factory=dict, init=False)
    _answered: int = field(default=0, init=False)
    _last: tuple[ReviewLedger, Sequence[RequestKey]] | None = field(default=None, init=False)

    def run(self) -> int:
        """Show one request after the other until the queue ends or the reviewer quits; returns the exit code."""
        if not sys.stdin.isatty():
            raise click.UsageError("not a terminal; use `review`, `review accept KEY` and `review reject KEY`")
        self._queue = [(replace(self.ledger, account=each.row.account), each.row.key) for each in _mine(self.ledger)]
        for place, (ledger, key) in enumerate(self._queue, start=1):  # what is taken back is asked about again
            if not self._one(ledger, key, place):
                break
        click.echo(f"\nAnswered {self._answered} {'request' if self._answered == 1 else 'requests'}.")
        return 0

    def _one(self, ledger: ReviewLedger, key: RequestKey, place: int) -> bool:
        """Ask about one request; False if the reviewer quits.

        It is read from the ledger now, and again after a refused answer. Meanwhile, colleagues may have answered it,
        or the reviewer may have, with the family of another one.
        """
        while entry := next(_mine(ledger, [key]), None):
            click.echo()
            click.echo(_headline(entry, f"[{place}/{len(self._queue)}]"))
            going_on = self._ask(ledger, entry)
            if going_on is not None:
                return going_on
        return True

    def _ask(self, ledger: ReviewLedger, entry: QueueEntry) -> bool | None:
        """Ask until a key ends this request; False if the reviewer quits, None if it must be looked at again."""
        while True:
            click.echo("Accept, reject, show, next, quit? [a r s n q ?] ", nl=False)
            pressed = self._pressed()
            match pressed:
                case "q":
                    return False
                case "n" | "\r" | "\n" | " ":
                    return True
                case "a" | "r":
                    if (
                        given := self._answer(ledger, entry, Action.ACCEPT if pressed == "a" else Action.REJECT)
                    ) is not None:
                        return given or None
                case "s":
                    _show(ledger, entry)
                case "u":
                    self._undo()
                case _:
                    click.echo(_HELP)

    def _pressed(self) -> str:
        """The next key; Ctrl-C and the end of the input quit."""
        try:
            pressed = self.read_key().lower()
        except (EOFError, KeyboardInterrupt):
            pressed = "q"
        click.echo(pressed if pressed.isprintable() else "")
        return pressed

    def _answer(self, ledger: ReviewLedger, entry: QueueEntry, action: Action) -> bool | None:
        """Record an answer; False if it was refused, None if the reviewer changed their mind."""
        note = self._note(entry) if action is Action.REJECT else None
        if note is _CANCELLED:
            return None
        given = [entry]
        relatives = family_of(ledger, [entry], action)
        if relatives:
            click.echo(printable(f"Also {family(action, [each.row.key for each in relatives])}? [Y/n] "), nl=False)
            match self._pressed():
                case "y" | "\r" | "\n":
                    given += relatives
                case "n":
                    pass
                case _:
                    return None
        results = ledger.record(
            [NewAnswer(key=each.row.key, stamp=each.stamp, action=action, note=note) for each in given]
        )
        for result in results:
            if result.status is not AnswerStatus.RECORDED:
                click.echo(printable(f"{result.text}."))
        recorded = tuple(result.key for result in results if result.status.recorded)
        self._answered += len(recorded)
        self._last = (ledger, recorded) if recorded else self._last
        return entry.row.key in recorded

    def _note(self, entry: QueueEntry) -> str | None:
        """Ask for the note of a reject. A note that was written for a refused answer is offered again."""
        offered = self._written.get(entry.row.key, entry.note)
        default = f" (Enter: {printable(offered)})" if offered else " (Enter: no note)"
        while True:
            try:
                written = click.prompt(f"Note to the customer{default}", default="", show_default=False)
            except click.Abort:
                click.echo()
                return _CANCELLED
            if not written.strip():
                return offered
            try:
                self._written[entry.row.key] = check_note(written)
            except ValueError as error:
                click.echo(f"{error}.")
            else:
                return self._written[entry.row.key]

    def _undo(self) -> None:
        if self._last is None:
            click.echo("Nothing to take back.")
            return
        ledger, keys = self._last
        for key, done, text in ledger.take_back(keys):
            click.echo(printable(f"{text}."))
            if done:
                self._answered -= 1
                self._queue.append((ledger, key))
        self._last = None


_CANCELLED = "\0"
"""A note that cannot be written: the reviewer changed their mind."""


def _mine(ledger: ReviewLedger, keys: Iterable[RequestKey] | None = None) -> Iterator[QueueEntry]:
    """The requests that the reviewer may answer and has not."""
    return (entry for entry in ledger.entries(keys) if entry.may_be_answered_by(ledger.by))


def _show(ledger: ReviewLedger, entry: QueueEntry) -> None:
    zone = text_zone(ledger.settings, entry.row.account)
    for each, history in ledger.with_history(entry.row.key):
        console().print(in_full(each, history, zone=zone, now=utc_now()))


def _headline(entry: QueueEntry, place: str) -> str:
    """What a reviewer needs for most answers."""
    row = entry.row
    owner = f"{row.username or 'unnamed'} (account {row.account_id or 'unknown'})"
    lines = [
        f"{place} {row.key} of {owner}, waiting {written_duration(utc_now() - row.since)}",
        f"  {row.reason_text}",
    ]
    also = (("An accept", consequences(entry, Action.ACCEPT)), ("A reject", consequences(entry, Action.REJECT)))
    lines += [f"  {answer} also {done}." for answer, done in also if done]
    return "\n".join(map(printable, lines))
