"""The `decisions` command: audit recorded decisions and outcomes, as text, JSON or CSV; filters and exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command
from pm_autoaccept.cli.support.moments import MomentType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, tzinfo
    from pathlib import Path

    from sqlalchemy import Connection

    from pm_autoaccept.record import DecisionFilter, DecisionRow, InventoryRow, RevisionRow


@click.command(cls=Command)
@click.argument("key", required=False)
@options.settings
@options.ledger
@options.table_output
@click.option(
    "--kind",
    type=click.Choice(["connection", "property", "meter"]),
    metavar="KIND",
    help="List only this kind: connection, property or meter.",
)
@click.option(
    "--verdict",
    type=click.Choice(["accept", "reject", "hold"]),
    metavar="VERDICT",
    help="List only this verdict: accept, reject or hold.",
)
@click.option(
    "--rule", metavar="ID", help="List only decisions by this rule, or that it would make with enforce: false."
)
@click.option("--account", metavar="NAME", help="List only this provider account, by its name in the settings.")
@click.option("--owner", metavar="ID|USERNAME", help="List only this owner's requests.")
@click.option(
    "--since",
    type=MomentType(),
    metavar="TIME",
    help="List from then on: 7d (a week ago), 2026-03-04 or 2026-03-04T18:00-06:00. UTC unless it has an offset.",
)
@click.option(
    "--until", type=MomentType(whole_day=True), metavar="TIME", help="List until then; a date includes that whole day."
)
@click.option("--accepted", is_flag=True, help="List what we accepted; CSV has a column for each custom field.")
@click.option(
    "--undecided",
    is_flag=True,
    help="List connections and shares we did not decide, with the command that removes each.",
)
@click.option("--policies", is_flag=True, help="List the policies that were in effect or refused, with times.")
@click.option("--every", is_flag=True, help="List every decision, not only each request's last.")
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
    since: datetime | None,
    until: datetime | None,
    accepted: bool,
    undecided: bool,
    policies: bool,
    every: bool,
) -> int:
    """List the last decision for each request, the answer sent, and its outcome. Reads only the ledger.

    With KEY (for example meter:30511977), list every decision for this request, with its evidence.

    --since and --until filter by the time of the decision; with --accepted, by the time the answer was sent. In CSV, a
    text that a spreadsheet might run as a formula has an apostrophe in front; JSON has it unchanged.
    """
    from pm_autoaccept.cli.output.rows import text_zone
    from pm_autoaccept.cli.support.ledger_access import read_ledger
    from pm_autoaccept.model import Kind, Verdict
    from pm_autoaccept.record import DecisionFilter

    if key is not None:
        named = options.request_key(key)
        if not print_one(*named, ledger=ledger, settings=settings, account=account, output=output):
            raise click.UsageError(f"unknown request {key}; `pm-autoaccept decisions` lists the keys in the ledger")
        return 0
    wanted = DecisionFilter(
        kind=Kind(kind) if kind else None,
        verdict=Verdict(verdict) if verdict else None,
        rule=rule,
        account=account,
        owner=owner,
        since=since,
        until=until,
        accepted=accepted,
        every=every,
    )
    if undecided and any((verdict, rule, accepted, every)):
        raise click.UsageError("--undecided cannot be combined with --verdict, --rule, --accepted or --every")

    if policies and any((kind, verdict, rule, owner, accepted, undecided, every)):
        raise click.UsageError("--policies can only be combined with --account, --since and --until")

    zone = text_zone(settings, account)

    def show(connection: Connection) -> None:
        if rule is not None:
            _require_known_rule(connection, rule, settings, account)
        print_list = _print_policies if policies else _print_undecided if undecided else _print_decisions
        print_list(connection, wanted, output=output, zone=zone)

    read_ledger(ledger, settings, show, account=account)
    return 0


def print_one(
    kind: str, number: int, *, ledger: str | None, settings: Path | None, account: str | None, output: str
) -> bool:
    """Print every decision for one request; returns whether there was one."""
    from pm_autoaccept.cli.output.request_history import print_history, recorded_decisions
    from pm_autoaccept.cli.output.rows import print_rows, text_zone

    rows = recorded_decisions(kind, number, ledger=ledger, settings=settings, account=account)
    zone = text_zone(settings, account)
    if rows and output == "text":
        print_history(rows, zone=zone)
    elif rows:
        print_rows(rows, output=output, zone=zone, columns=_columns(None), text=(), what=("decision", "decisions"))
    return bool(rows)


def _require_known_rule(connection: Connection, rule: str, settings: Path | None, account: str | None) -> None:
    """Raise if no such rule is in the ledger or the policy: an empty list would look like an answer."""
    from pm_autoaccept.cli.output.rows import policies_in_force
    from pm_autoaccept.ledger.audit import rule_ids
    from pm_autoaccept.policy.messages import perhaps, some

    known = {each.id for policy in policies_in_force(settings, account) for each in policy.rules}
    if rule not in known and rule not in (known := known | rule_ids(connection)):
        there = f"; there are {some(sorted(known))}" if known else ""
        raise click.UsageError(f"neither the ledger nor the policy has a rule `{rule}`{perhaps(rule, known)}{there}")


def _print_decisions(connection: Connection, wanted: DecisionFilter, *, output: str, zone: tzinfo) -> None:
    from pm_autoaccept.cli.output.rows import print_rows, with_account
    from pm_autoaccept.cli.output.summary import ending
    from pm_autoaccept.cli.output.tables import colored
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
                ("verdict", lambda row: colored(str(row.verdict))),
                ("rule", lambda row: row.rule or ""),
                ("outcome", lambda row: colored(ending(row))),
                (
                    "reason",
                    lambda row: f"{row.outcome_text or row.kept_back_text or row.reason_text}{_not_enforced(row)}",
                ),
            ),
        ),
        what=("decision", "decisions"),
    )


def _not_enforced(row: DecisionRow) -> str:
    """What rules with `enforce: false` would have decided."""
    return "".join(f" (Not enforced: {each.rule} would {each.verdict}.)" for each in row.shadows)


_PLAIN = (
    *("access_level", "requested_at", "first_seen", "last_seen", "decided_at", "mode", "verdict", "rule", "reason"),
    *("reason_text", "kept_back", "kept_back_text", "evidence", "unknown", "policy_digest", "sources"),
    *("tell", "shadows", "answer", "note", "answered_by", "answered_at", "attempts", "not_sent"),
    *("outcome", "outcome_at", "outcome_text", "cause", "elsewhere"),
)
"""Columns that have the name of a decision's attribute."""


def _columns(custom: Sequence[str] | None) -> list[tuple[str, Callable[[DecisionRow], object]]]:
    """The columns of JSON and CSV: one for each of these custom fields, or (None) a single one for all."""
    from pm_autoaccept.cli.output.columns import attributes
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


def _print_undecided(connection: Connection, wanted: DecisionFilter, *, output: str, zone: tzinfo) -> None:
    from pm_autoaccept.cli.output.columns import INVENTORY_COLUMNS, INVENTORY_TEXT_COLUMNS
    from pm_autoaccept.cli.output.rows import print_rows, with_account
    from pm_autoaccept.ledger.inventory_report import list_inventory
    from pm_autoaccept.model import Origin

    def matches(row: InventoryRow) -> bool:
        since, until, owner = wanted.since, wanted.until, wanted.owner
        return (
            wanted.kind in (None, row.kind)
            and (owner is None or owner in (str(row.owner), row.owner_name))
            and (since is None or row.since >= since)
            and (until is None or row.since < until)
        )

    rows = list_inventory(connection, account=wanted.account, origin=Origin.UNDECIDED)
    print_rows(
        (row for row in rows if matches(row)),
        output=output,
        zone=zone,
        columns=INVENTORY_COLUMNS,
        text=with_account(
            connection, wanted.account, (*INVENTORY_TEXT_COLUMNS, ("to remove it", lambda row: row.command))
        ),
        what=("undecided connection or share", "undecided connections and shares"),
    )


def _print_policies(connection: Connection, wanted: DecisionFilter, *, output: str, zone: tzinfo) -> None:
    """Print each policy that took effect or was refused, oldest first."""
    from pm_autoaccept.cli.output.columns import POLICY_COLUMNS, POLICY_TEXT_COLUMNS
    from pm_autoaccept.cli.output.rows import print_rows
    from pm_autoaccept.ledger.policy_history import list_revisions

    def matches(row: RevisionRow) -> bool:
        since, until = wanted.since, wanted.until
        return (since is None or row.at >= since) and (until is None or row.at < until)

    print_rows(
        (row for row in list_revisions(connection, account=wanted.account) if matches(row)),
        output=output,
        zone=zone,
        columns=POLICY_COLUMNS,
        text=POLICY_TEXT_COLUMNS,
        what=("revision", "revisions"),
    )
