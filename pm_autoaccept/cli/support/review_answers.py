"""Answers of a reviewer from the command line: looks requests up, adds their families, records and reports."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
from sqlalchemy import Connection

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.ledger_access import read_ledger, write_ledger
from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import ReviewSettings
from pm_autoaccept.ledger.audit import find_decisions
from pm_autoaccept.ledger.human_answers import take_back
from pm_autoaccept.ledger.new_answers import record_answers
from pm_autoaccept.ledger.pauses import current_pauses
from pm_autoaccept.ledger.review_queue import review_queue
from pm_autoaccept.model import (
    Action,
    AnswerResult,
    Kind,
    NewAnswer,
    RequestKey,
    Reviewer,
)
from pm_autoaccept.record import DecisionFilter, DecisionRow, QueueEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewLedger:
    """The ledger as a reviewer's command uses it.

    Attributes:
        option: the value of --ledger.
        settings: the value of --settings.
        account: only this provider account; None for all.
        by: the reviewer.
        review: the settings of reviewers.
    """

    option: str | None
    settings: Path | None
    account: str | None
    by: Reviewer
    review: ReviewSettings

    def entries(self, keys: Iterable[RequestKey] | None = None) -> list[QueueEntry]:
        """The pending requests with these keys, or all that wait for a person."""
        wanted = None if keys is None else list(keys)

        def read(connection: Connection) -> list[QueueEntry]:
            return list(review_queue(connection, account=self.account, keys=wanted))

        return read_ledger(self.option, self.settings, read, account=self.account)

    def with_history(self, key: RequestKey) -> list[tuple[QueueEntry, Sequence[DecisionRow]]]:
        """The pending requests with this key, each with the recorded decisions for the key, oldest first."""
        wanted = DecisionFilter(kind=key.kind, id=key.id, account=self.account, every=True)

        def read(connection: Connection) -> list[tuple[QueueEntry, Sequence[DecisionRow]]]:
            entries = list(review_queue(connection, account=self.account, keys=[key]))
            decisions = list(find_decisions(connection, wanted))
            return [(entry, [row for row in decisions if row.account == entry.row.account]) for entry in entries]

        return read_ledger(self.option, self.settings, read, account=self.account)

    def record(self, answers: Sequence[NewAnswer]) -> list[AnswerResult]:
        """Record these answers, in one transaction."""
        return write_ledger(
            self.option,
            self.settings,
            lambda connection: record_answers(
                connection,
                answers,
                account=self.account,
                by=self.by,
                grace=self.review.grace,
                at=utc_now(),
                targets=self.review.targets,
            ),
        )

    def pauses(self, accounts: Collection[str]) -> list[str]:
        """The pauses that keep answers of these accounts waiting: who paused, when and why."""

        def read(connection: Connection) -> list[str]:
            return [str(each) for each in current_pauses(connection) if each.name is None or each.name in accounts]

        return read_ledger(self.option, self.settings, read)

    def take_back(self, keys: Sequence[RequestKey]) -> list[tuple[RequestKey, bool, str]]:
        """Take back the answers to these requests, where that is still possible."""
        return write_ledger(
            self.option,
            self.settings,
            lambda connection: take_back(
                connection,
                keys,
                account=self.account,
                by=self.by,
                at=utc_now(),
                targets=self.review.targets,
            ),
        )


@dataclass(slots=True)
class ReviewedKeys:
    """The requests that a command names, each with the stamp of what its reviewer saw; None without one."""

    stamps: dict[RequestKey, str | None] = field(default_factory=dict)

    @classmethod
    def read(cls, arguments: Sequence[str]) -> ReviewedKeys:
        """Read the command's arguments; `-` stands for keys on stdin, one on each line."""
        found = cls()
        for argument in arguments:
            lines = sys.stdin.read().split() if argument == "-" else [argument]
            for line in lines:
                kind, number, stamp = options.reviewed_key(line)
                found.stamps[RequestKey(Kind(kind), number)] = stamp
        if not found.stamps:
            raise click.UsageError("no keys; name at least one, for example property:8120045")
        return found

    def new_answers(
        self, entries: Mapping[RequestKey, QueueEntry], action: Action, notes: Mapping[RequestKey, str | None]
    ) -> list[NewAnswer]:
        """The answers to give: with the stamp that the reviewer saw, or that of the preview."""
        return [
            NewAnswer(
                key=key,
                stamp=stamp or (entries[key].stamp if key in entries else ""),
                action=action,
                note=notes.get(key),
            )
            for key, stamp in self.stamps.items()
        ]


def family_of(ledger: ReviewLedger, entries: Iterable[QueueEntry], action: Action) -> list[QueueEntry]:
    """The pending requests that must or should get the same answer: those above an accept, those below a reject."""
    known = {entry.row.key for entry in entries}
    wanted = {key for entry in entries for key in _relatives(entry, action)} - known
    found: list[QueueEntry] = []
    while wanted:
        more = ledger.entries(wanted)
        found += more
        known |= wanted
        wanted = {key for entry in more for key in _relatives(entry, action)} - known
    return [
        entry
        for entry in found
        if entry.answered_by_policy is None and (entry.answer is None or entry.may_be_answered_by(ledger.by))
    ]


def _relatives(entry: QueueEntry, action: Action) -> tuple[RequestKey, ...]:
    return entry.needs if action is Action.ACCEPT else tuple(each.key for each in entry.reject_also)
