"""Prints what became of the answers that a reviewer gave."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

import click

from pm_autoaccept.cli.output.json_rows import print_json
from pm_autoaccept.model import AnswerResult, AnswerStatus, Reviewer
from pm_autoaccept.telemetry.terminal import printable


def print_results(
    results: Sequence[AnswerResult],
    *,
    by: Reviewer,
    grace: timedelta,
    pauses: Callable[[Collection[str]], list[str]],
    output: str,
) -> None:
    """Print the results; what was refused goes to stderr.

    Args:
        results: one for each answer.
        by: the reviewer.
        grace: how long an answer can be taken back.
        pauses: returns who has paused these accounts, when and why.
        output: text or json.
    """
    if output == "json":
        print_json(
            [
                {
                    "request": each.key,
                    "account": each.account,
                    "status": each.status,
                    "text": each.text,
                    "answer": each.number,
                    "due_at": each.due_at,
                    "answered_by": by.name,
                }
                for each in results
            ]
        )
        return
    for each in results:
        if each.status is not AnswerStatus.RECORDED:
            click.echo(printable(f"{each.text}."), err=not each.status.recorded)
    recorded = [each for each in results if each.status is AnswerStatus.RECORDED]
    if not recorded:
        return
    what, them = (recorded[0].key, "it") if len(recorded) == 1 else (f"{len(recorded)} answers", "them")
    sent = f"`run` sends {them} now"
    if grace:
        sent = f"`run` sends {them} in {grace.total_seconds():g} s; until then, `review take-back` takes {them} back"
    click.echo(f"Recorded {what}, by {by.name}. {sent}.")
    for pause in pauses({each.account for each in recorded}):
        click.echo(printable(f"Not sent until `resume`: {pause}."), err=True)
