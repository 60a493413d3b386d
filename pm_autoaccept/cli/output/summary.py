"""Counts decisions and outcomes by kind and by rule, from the ledger's rows, for `once` and `demo`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from pm_autoaccept.cli.output.tables import print_table
from pm_autoaccept.model import Action, Kind, Outcome, ReasonKind, Verdict
from pm_autoaccept.record import DecisionRow

ENDINGS = ("accepted", "rejected", "held", "kept back", "fallen")
"""How requests end without a fault; others are named by their outcome."""

PLURAL = {"connection": "connections", "property": "properties", "meter": "meters"}

WHY_KEPT_BACK = {
    ReasonKind.CONNECTION_NOT_ACCEPTED: "accepting the share would also connect an owner who is not accepted",
    ReasonKind.PROPERTY_NOT_ACCEPTED: "accepting the meter would also accept a property that is not accepted",
    ReasonKind.PROPERTY_NOT_SHARED: "accepting the meter would also share a property that nobody asked to share",
    ReasonKind.PARENT_REJECTED: "the connection or property above it was rejected",
    ReasonKind.LIST_NOT_WHOLE: "a pending list is incomplete",
    ReasonKind.ANSWERED: "it has been answered, and the list lags behind",
    ReasonKind.LISTED_AGAIN: "it was answered more than an hour ago and is still listed, or listed again",
    ReasonKind.MISSED_ONCE: "a request below it was missing from one read of its list",
    ReasonKind.IN_DOUBT: "the outcome of an earlier answer is not known yet",
    ReasonKind.VERDICT_CHANGED: "another answer was sent before, and its outcome is unknown",
    ReasonKind.REFUSED: "Portfolio Manager refused the answer",
    ReasonKind.OVER_LIMIT: "one more answer would exceed a limit of the policy",
    ReasonKind.ANSWER_VOID: "a reviewer answered it, but more would go along than the reviewer was shown",
}


def ending(row: DecisionRow) -> str:
    """How one request ended, in a word or two."""
    if row.outcome is Outcome.DONE:
        word = "accepted" if row.answer == Action.ACCEPT else "rejected"
    elif row.outcome is not None:
        word = str(row.outcome).replace("_", " ")
        word += f": {row.elsewhere}" if row.elsewhere is not None else ""
    elif row.verdict is Verdict.HOLD:
        word = "held"
    elif row.kept_back is not None:
        word = "kept back"
    else:
        word = f"would {row.verdict}"
    return word


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of requests.

    Attributes:
        endings: kind → ending → number of requests.
        rules: rule ("people" for their answers, or "no rule") → ending → number of requests.
        kept_back: reason code of answers that were kept back → ending → number of requests.
    """

    endings: dict[str, dict[str, int]]
    rules: dict[str, dict[str, int]]
    kept_back: dict[str, dict[str, int]]


def summarize(rows: Sequence[DecisionRow]) -> Summary:
    """Count the last decisions of requests by ending."""
    endings = {str(kind): Counter(ending(row) for row in rows if row.kind is kind) for kind in Kind}
    rules: dict[str, Counter[str]] = {}
    for row in rows:
        by = "people" if row.reason is ReasonKind.PERSON else row.rule or "no rule"
        rules.setdefault(by, Counter())[ending(row)] += 1
    kept_back: dict[str, Counter[str]] = {}
    for row in rows:
        if row.kept_back is not None:
            kept_back.setdefault(str(row.kept_back), Counter())[ending(row)] += 1
    return Summary(
        endings={kind: dict(sorted(counts.items())) for kind, counts in endings.items()},
        rules={rule: dict(sorted(counts.items())) for rule, counts in rules.items()},
        kept_back={why: dict(sorted(counts.items())) for why, counts in sorted(kept_back.items())},
    )


def print_summary(to: Console, summary: Summary) -> None:
    """Print the counts as tables."""
    words = _words(summary.endings)
    kinds = [(PLURAL[kind], *(counts.get(word, 0) for word in words)) for kind, counts in summary.endings.items()]
    print_table(to, ("", *words), kinds, title="Requests by outcome")
    words = _words(summary.rules)
    rules = [(rule, *(counts.get(word, 0) for word in words)) for rule, counts in summary.rules.items()]
    print_table(to, ("rule", *words), sorted(rules), title="Requests by rule")
    if summary.kept_back:
        words = _words(summary.kept_back)
        reasons = [
            (*(counts.get(word, 0) for word in words), WHY_KEPT_BACK[ReasonKind(why)])
            for why, counts in summary.kept_back.items()
        ]
        print_table(to, (*words, "reason"), reasons, title="Answers kept back")


def _words(counts: dict[str, dict[str, int]]) -> list[str]:
    found = {word for each in counts.values() for word in each}
    return [*(word for word in ENDINGS if word in found), *sorted(found - set(ENDINGS))]
