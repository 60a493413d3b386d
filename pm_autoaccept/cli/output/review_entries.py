"""Describes requests that wait for a person: in one line, in full, and what each answer would also do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from operator import attrgetter

from rich.table import Table as Grid
from rich.text import Text

from pm_autoaccept.cascades import Consequence
from pm_autoaccept.cli.output.summary import ending
from pm_autoaccept.cli.output.tables import colored
from pm_autoaccept.cli.support.moments import format_moment
from pm_autoaccept.model import Action, HumanAnswerState, Kind, RequestKey
from pm_autoaccept.policy.durations import written_duration
from pm_autoaccept.record import DecisionRow, GivenAnswer, QueueEntry
from pm_autoaccept.telemetry.terminal import printable

_ACCEPTS = {
    (Kind.CONNECTION, True): "connects",
    (Kind.CONNECTION, False): "connects",
    (Kind.PROPERTY, True): "accepts the share of",
    (Kind.PROPERTY, False): "shares (read-only)",
}
"""What an accept also does to a connection or property, by whether a request for it is pending."""


def columns(now: datetime) -> list[tuple[str, Callable[[QueueEntry], object]]]:
    """The columns of JSON and CSV."""
    return [
        *_of_row("account"),
        ("request", attrgetter("row.key")),
        *_of_row("kind", "id"),
        ("key", attrgetter("key")),
        ("owner_id", attrgetter("row.account_id")),
        ("owner_username", attrgetter("row.username")),
        *_of_row("property_id", "requested_at", "verdict", "rule"),
        ("held_since", attrgetter("row.since")),
        ("held_for_seconds", lambda entry: round((now - entry.row.since).total_seconds())),
        *_of_row("missed", "reason", "reason_text", "tell"),
        ("accept_also", lambda entry: [each.key for each in entry.accept_also]),
        ("reject_also", lambda entry: [each.key for each in entry.reject_also]),
        ("needs", attrgetter("needs")),
        ("note", attrgetter("note")),
        ("answer_by", attrgetter("answer_rule.by")),
        ("answer_people", attrgetter("answer_rule.people")),
        ("answer", lambda entry: entry.answer and entry.answer.action),
        ("answered_by", lambda entry: entry.answer.names if entry.answer else ()),
        ("answer_due_at", lambda entry: entry.answer and entry.answer.due_at),
    ]


def _of_row(*names: str) -> list[tuple[str, Callable[[QueueEntry], object]]]:
    return [(name, attrgetter(f"row.{name}")) for name in names]


def text_columns(now: datetime) -> list[tuple[str, Callable[[QueueEntry], object]]]:
    """The columns of text."""
    return [
        ("request", lambda entry: entry.row.key),
        ("owner", lambda entry: entry.row.username or entry.row.account_id or ""),
        ("rule", lambda entry: entry.row.rule or ""),
        ("held for", lambda entry: written_duration(now - entry.row.since)),
        ("since", lambda entry: entry.row.since),
        ("reason", lambda entry: reason(entry, now=now)),
    ]


def reason(entry: QueueEntry, *, now: datetime) -> str:
    """Why it waits, what an accept also does, and the answer of others."""
    parts = [entry.row.reason_text]
    if entry.row.missed:
        parts.append("(missing from one read)")
    if also := consequences(entry, Action.ACCEPT):
        parts.append(f"An accept also {also}.")
    if entry.answer is not None:
        parts.append(f"{given(entry.answer, now=now)}.")
    return " ".join(parts)


def consequences(entry: QueueEntry, action: Action) -> str:
    """What this answer also does, in words; empty if nothing."""
    if action is Action.REJECT:
        return f"rejects {', '.join(str(each.key) for each in entry.reject_also)}" if entry.reject_also else ""
    return ", ".join(dict.fromkeys(_accepts(each, entry) for each in entry.accept_also))


def _accepts(each: Consequence, entry: QueueEntry) -> str:
    verb = _ACCEPTS[each.key.kind, bool(each.digest)]
    if each.key.kind is Kind.CONNECTION:
        return f"{verb} {entry.row.username or 'account'} ({each.key.id})"
    return f"{verb} property {each.key.id}"


def given(answer: GivenAnswer, *, now: datetime) -> str:
    """The answer that people gave, in words."""
    done = f"{' and '.join(answer.names)} answered {answer.action.lower()}"
    if answer.state is HumanAnswerState.OBSERVED:
        return f"{done}, which observe mode never sends"
    if answer.state is HumanAnswerState.SENT:
        return f"{done}, which was sent"
    if answer.due_at is None:
        return f"{done}; {answer.people_needed - len(answer.people)} more must agree"
    left = max(round((answer.due_at - now).total_seconds()), 0)
    return f"{done}, to be sent in {left} s" if left else f"{done}, to be sent in the next cycle"


def preview(entry: QueueEntry, action: Action) -> str:
    """What this answer does, in one line."""
    row, also = entry.row, consequences(entry, action)
    owner = row.username or f"account {row.account_id or 'unknown'}"
    return printable(f"{action} {row.key} of {owner}{f', which also {also}' if also else ''}. {row.reason_text}")


def family(action: Action, keys: Sequence[RequestKey]) -> str:
    """What else must be answered, in words."""
    verb = "accept" if action is Action.ACCEPT else "reject"
    return f"{verb} {', '.join(map(str, keys))}"


_DECISIONS_SHOWN = 5
"""Of the earlier decisions, the newest; `decisions KEY` shows all of them."""


def in_full(entry: QueueEntry, history: Sequence[DecisionRow], *, zone: tzinfo, now: datetime) -> Grid:
    """Everything about one request. `history` has the recorded decisions for its key, oldest first."""
    row = entry.row
    ours = [each for each in history if each.request == entry.request_number]
    decision = ours[-1] if ours else None
    earlier = [each for each in history if each is not decision][-_DECISIONS_SHOWN:]
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    owner = f"{row.username or 'unnamed'} (account {row.account_id or 'unknown'})"
    lines: list[tuple[str, object]] = [
        ("request", Text(str(row.key), style="bold")),
        ("owner", owner),
        ("property", row.property_id if row.kind is Kind.METER else None),
        ("sent", format_moment(row.requested_at, zone) if row.requested_at else None),
        ("waiting", f"{written_duration(now - row.since)}, since {format_moment(row.since, zone)}"),
        ("verdict", Text.assemble(colored(str(row.verdict)), f" by {f'rule {row.rule}' if row.rule else 'no rule'}")),
        ("reason", row.reason_text + (" It was missing from one read." if row.missed else "")),
    ]
    if decision is not None:
        lines += [
            ("", f"{each.field}: expected {each.expected}, found {each.found or 'nothing'}: {each.truth}")
            for each in decision.evidence
        ]
        lines += [(name, value) for name, value in decision.custom]
        lines.append(("access", decision.access_level))
    who = entry.answer_rule
    needed = f", {who.people} people" if who.people > 1 else ""
    lines += [
        ("an accept also", consequences(entry, Action.ACCEPT) or "does nothing else"),
        ("a reject also", consequences(entry, Action.REJECT) or "does nothing else"),
        ("note of the rule", entry.note),
        *((("earlier" if each is earlier[0] else ""), _decided(each, zone)) for each in earlier),
        ("who may answer", f"group {who.by}{needed}" if who.by else f"everybody{needed}"),
        ("answer", given(entry.answer, now=now) if entry.answer else entry.answered_by_policy),
        ("key", entry.key),
    ]
    for name, value in lines:
        if value not in (None, ""):
            grid.add_row(printable(name), value if isinstance(value, Text) else printable(str(value)))
    return grid


def _decided(row: DecisionRow, zone: tzinfo) -> str:
    """An earlier decision, in one line."""
    by = " and ".join(row.answered_by) or (f"rule {row.rule}" if row.rule else "no rule")
    return f"{format_moment(row.decided_at, zone)}: {row.verdict} by {by}; {ending(row)}"
