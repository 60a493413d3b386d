"""`decisions`: what was decided and what came of it, from the ledger; for auditors, and for the billing system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import tzinfo
    from pathlib import Path

    from sqlalchemy import Connection

    from pm_autoaccept.record import DecisionFilter, DecisionRow, InventoryRow


@click.command(cls=Command)
@click.argument("key", required=False)
@options.settings
@options.ledger
@options.table_output
@click.option(
    "--kind",
    type=click.Choice(["connection", "property", "meter"]),
    metavar="KIND",
    help="connection, property or meter.",
)
@click.option(
    "--verdict", type=click.Choice(["accept", "reject", "hold"]), metavar="VERDICT", help="accept, reject, hold."
)
@click.option("--rule", metavar="ID", help="Only what this rule decided, or would have, with enforce: false.")
@click.option("--account", metavar="NAME", help="Only of this provider account, by the settings' name.")
@click.option("--owner", metavar="ID|USERNAME", help="Only what this owner asked.")
@click.option("--since", metavar="TIME", help="From then on: 7d, a date, or a date and time (UTC where none is said).")
@click.option("--until", metavar="TIME", help="Before then; of a date the whole day is within.")
@click.option("--accepted", is_flag=True, help="What was let in; as CSV with a column for each custom field.")
@click.option("--undecided", is_flag=True, help="What came in, not by an answer of ours, with what removes it.")
@click.option("--policies", is_flag=True, help="Which policy was in force from when on, and which were refused.")
@click.option("--every", is_flag=True, help="Every decision, not only each request's last.")
def decisions(
    key: str | None,
    settings: Path | None,
    ledger: str | None,
    *,
    output: str,
    kind: str | None,
    verdict: str | None,
    rule: str | None,
    account: str | None,
    owner: str | None,
    since: str | None,
    until: str | None,
    accepted: bool,
    undecided: bool,
    policies: bool,
    every: bool,
) -> int:
    """List the last decision of each request, the answer sent, and its outcome. Reads the ledger only.

    With KEY (as meter:30511977) every decision of this one request, with its evidence.

    --since and --until go by the time of the decision; with --accepted, by the time the answer was sent. In CSV a text
    that a spreadsheet would take for a formula has an apostrophe before it; JSON has it as it was.
    """
    from pm_autoaccept.cli.output.policy_columns import show_policies
    from pm_autoaccept.cli.output.rows import from_ledger, moment, text_zone
    from pm_autoaccept.model import Kind, Verdict
    from pm_autoaccept.record import DecisionFilter

    if key is not None:
        named = options.request_key(key)
        if not print_one(*named, ledger=ledger, settings=settings, account=account, output=output):
            raise click.UsageError(f"the ledger knows no {key}; a key is as in the list that `decisions` prints")
        return 0
    wanted = DecisionFilter(
        kind=Kind(kind) if kind else None,
        verdict=Verdict(verdict) if verdict else None,
        rule=rule,
        account=account,
        owner=owner,
        since=moment(since),
        until=moment(until, until=True),
        accepted=accepted,
        every=every,
    )
    if undecided and any((verdict, rule, accepted, every)):
        raise click.UsageError("--undecided lists what nobody decided here; leave out what asks for decisions")

    if policies and any((kind, verdict, rule, owner, accepted, undecided, every)):
        raise click.UsageError("--policies lists policies; leave out what asks for decisions")

    zone = text_zone(settings, account)

    def show(connection: Connection) -> None:
        if rule is not None:
            _known(connection, rule, settings, account)
        how = show_policies if policies else _show_undecided if undecided else _show
        how(connection, wanted, output=output, zone=zone)

    from_ledger(ledger, settings, show, account=account)
    return 0


def print_one(
    kind: str, number: int, *, ledger: str | None, settings: Path | None, account: str | None, output: str
) -> bool:
    """Print every decision of one request; says whether there was one."""
    from pm_autoaccept.cli.output.request_history import print_recorded, recorded
    from pm_autoaccept.cli.output.rows import print_rows, text_zone

    rows, zone = recorded(kind, number, ledger=ledger, settings=settings, account=account), text_zone(settings, account)
    if rows and output == "text":
        print_recorded(rows, zone=zone)
    elif rows:
        print_rows(rows, output=output, zone=zone, columns=_columns(None), text=(), what=("decision", "decisions"))
    return bool(rows)


def _known(connection: Connection, rule: str, settings: Path | None, account: str | None) -> None:
    """See that there is such a rule, in the ledger or in the policy: an empty list would look like an answer."""
    from pm_autoaccept.cli.output.rows import policies_in_force
    from pm_autoaccept.ledger.audit import rule_ids
    from pm_autoaccept.policy.messages import perhaps, some

    known = {each.id for policy in policies_in_force(settings, account) for each in policy.rules}
    if rule not in known and rule not in (known := known | rule_ids(connection)):
        there = f"; there are {some(sorted(known))}" if known else ""
        raise click.UsageError(f"neither the ledger nor the policy has a rule `{rule}`{perhaps(rule, known)}{there}")


def _show(connection: Connection, wanted: DecisionFilter, *, output: str, zone: tzinfo) -> None:
    from pm_autoaccept.cli.output.rows import print_rows, with_account
    from pm_autoaccept.cli.output.summary import ending
    from pm_autoaccept.cli.output.tables import coloured
    from pm_autoaccept.ledger.audit import custom_field_names, find_decisions

    names = custom_field_names(connection, wanted) if wanted.accepted and output.startswith("csv") else None
    print_rows(
        find_decisions(connection, wanted),
        output=output,
        zone=zone,
        columns=_columns(names),
        text=with_account(
            connection,
            wanted.account,
            (
                ("decided", lambda row: row.decided_at),
                ("request", lambda row: row.key),
                ("owner", lambda row: row.username or ""),
                ("verdict", lambda row: coloured(str(row.verdict))),
                ("rule", lambda row: row.rule or ""),
                ("what became of it", lambda row: coloured(ending(row))),
                ("why", lambda row: f"{row.outcome_text or row.kept_back_text or row.reason_text}{_tried(row)}"),
            ),
        ),
        what=("decision", "decisions"),
    )


def _tried(row: DecisionRow) -> str:
    """What rules that are not enforced would have decided."""
    return "".join(f" (Not enforced: {each.rule} would {each.verdict}.)" for each in row.shadows)


_PLAIN = (
    *("access_level", "requested_at", "first_seen", "last_seen", "decided_at", "mode", "verdict", "rule", "reason"),
    *("reason_text", "kept_back", "kept_back_text", "evidence", "unknown", "policy_digest", "sources"),
    *("tell", "shadows", "answer", "note", "answered_at", "attempts", "not_sent"),
    *("outcome", "outcome_at", "outcome_text", "cause", "elsewhere"),
)
"""Columns that are a decision's attributes of the same name."""


def _columns(custom: Sequence[str] | None) -> list[tuple[str, Callable[[DecisionRow], object]]]:
    """The columns of JSON and CSV: with these custom fields each in its own, or (None) with all of them in one."""
    from pm_autoaccept.cli.output.rows import attributes
    from pm_autoaccept.model import Kind

    def answers(name: str) -> tuple[str, Callable[[DecisionRow], object]]:
        return f"custom: {name}", lambda row: "; ".join(value for each, value in row.custom if each == name)

    return [
        *attributes("account"),
        ("request", lambda row: row.key),
        *attributes("kind", "id", "time"),
        ("owner_id", lambda row: row.account_id),
        ("owner_username", lambda row: row.username),
        *attributes("property_id"),
        ("meter_id", lambda row: row.id if row.kind is Kind.METER else None),
        *([("custom", lambda row: row.custom)] if custom is None else map(answers, custom)),
        *attributes("sender_id", "sender_username", *_PLAIN),
    ]


def _show_undecided(connection: Connection, wanted: DecisionFilter, *, output: str, zone: tzinfo) -> None:
    from pm_autoaccept.cli.output.inventory_columns import COLUMNS, TEXT
    from pm_autoaccept.cli.output.rows import print_rows, with_account
    from pm_autoaccept.ledger.inventory_report import list_inventory
    from pm_autoaccept.model import Origin

    def asked(row: InventoryRow) -> bool:
        since, until, owner = wanted.since, wanted.until, wanted.owner
        return (
            wanted.kind in (None, row.kind)
            and (owner is None or owner in (str(row.owner), row.owner_name))
            and (since is None or row.since >= since)
            and (until is None or row.since < until)
        )

    rows = list_inventory(connection, account=wanted.account, origin=Origin.UNDECIDED)
    print_rows(
        (row for row in rows if asked(row)),
        output=output,
        zone=zone,
        columns=COLUMNS,
        text=with_account(connection, wanted.account, (*TEXT, ("what removes it", lambda row: row.command))),
        what=("connection or share came in undecided", "connections and shares came in undecided"),
    )
