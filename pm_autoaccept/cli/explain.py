"""`explain`: one request, its verdict, each test looked at, and what would be sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pm_autoaccept.cli import options

if TYPE_CHECKING:
    from pm_autoaccept.config import Settings
    from pm_autoaccept.model import Decision, Plan, RequestKey

_KEY = re.compile(r"(connection|property|meter)[: ](\d{1,19})")


@click.command()
@click.argument("key", required=False)
@click.option("--xml", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A pending list as a file.")
@options.account
@options.output
def explain(key: str | None, *, xml: Path | None, output: str, **said: Any) -> int:  # noqa: ANN401 — config checks them
    """Explain KEY (as meter:30511977) as it pends now, or each request of a pending list in --xml FILE.

    Nothing is sent and nothing is recorded. With --xml nothing is asked of Portfolio Manager either: what the file does
    not tell is unknown.
    """
    if (key is None) == (xml is None):
        raise click.UsageError("give either KEY, as meter:30511977, or --xml FILE")
    if xml is not None:
        from pm_autoaccept.config import policy_folder

        folder = policy_folder(said["policy"], settings=said["settings"], account=said["account"])
        planned = _from_file(xml, options.policy_folder(folder))
        return _show(planned, planned.decisions, output=output)
    wanted = _KEY.fullmatch(key or "")
    if wanted is None:
        raise click.UsageError(f"{key!r} names no request; write connection:ID, property:ID or meter:ID")

    from pm_autoaccept.cli.running import read_gently
    from pm_autoaccept.config import load_settings
    from pm_autoaccept.model import Kind, RequestKey

    settings = load_settings(**said)
    request = RequestKey(Kind(wanted[1]), int(wanted[2]))
    return read_gently(lambda: _explain(settings, request, output=output), settings=settings)


async def _explain(settings: Settings, key: RequestKey, *, output: str) -> int:
    from pm_autoaccept.cli.looking import look_only

    planned = await look_only(settings)
    found = [decision for decision in planned.decisions if decision.key == key]
    if not found:
        click.echo(
            f"{key} does not pend now; `pm-autoaccept decisions` says what became of it, if we knew it", err=True
        )
        return 1
    return _show(planned, tuple(found), output=output)


def _from_file(xml: Path, folder: Path) -> Plan:
    from pm_autoaccept.cycle import utc_now
    from pm_autoaccept.decide import decide
    from pm_autoaccept.model import History, Kind, NotLearnt, PendingList, ProviderAccount, Snapshot
    from pm_autoaccept.parse import parse_pending_page
    from pm_autoaccept.plan import plan
    from pm_autoaccept.policy import load
    from pm_autoaccept.reference import read, read_folder

    policy, body, now = load(read_folder(folder)), xml.read_bytes(), utc_now()
    pages = {kind: parse_pending_page(kind, body) for kind in Kind}
    # An element of another kind is unreadable as this one: only what no kind can read is said to be so.
    nobody_reads = set.intersection(*({each.source for each in page.unreadable} for page in pages.values()))
    lists = []
    for kind, page in pages.items():
        strange = tuple(each for each in page.unreadable if each.source in nobody_reads)
        lists.append(PendingList(kind=kind, requests=page.requests, unreadable=strange, begun=now, ended=now))
    for element in lists[0].unreadable:
        click.echo(f"{xml}: an element cannot be read: {element.why}", err=True)
    snapshot = Snapshot(
        provider=ProviderAccount(0, ""),
        connections=lists[0],
        properties=lists[1],
        meters=lists[2],
        connected=NotLearnt("a file does not tell who is connected"),
        custom_fields=NotLearnt("a file does not tell which custom fields the account defines"),
        ended=now,
    )
    decisions = decide(snapshot, policy=policy, tables=read(policy.sources, folder), now=now)
    return plan(decisions, snapshot=snapshot, history=History())


def _show(plan: Plan, decisions: tuple[Decision, ...], *, output: str) -> int:
    from pm_autoaccept.cli.as_json import print_json
    from pm_autoaccept.cli.looking import planned

    if output == "json":
        print_json(
            [
                {
                    "request": decision.key,
                    "account_id": decision.request.account_id,
                    "username": decision.request.username,
                    "verdict": decision.verdict,
                    "rule": decision.rule,
                    "reason": decision.reason,
                    "evidence": decision.evidence,
                    "unknown": decision.unknown,
                    "note": decision.note,
                    "sources": decision.sources,
                    "policy_digest": decision.policy_digest,
                    "plan": planned(plan)[decision.key],
                }
                for decision in decisions
            ]
        )
        return 0
    for decision in decisions:
        _tell(plan, decision)
    return 0


def _tell(plan: Plan, decision: Decision) -> None:
    """Print one decision for a person."""
    from rich.text import Text

    from pm_autoaccept.cli.looking import planned
    from pm_autoaccept.cli.printing import coloured, console, print_table
    from pm_autoaccept.telemetry.printable import printable

    out = console()
    request = decision.request
    owner = f"{printable(request.username or 'an unnamed owner')} (account {request.account_id or 'unknown'})"
    out.print(Text(f"{decision.key} of {owner}", style="bold"))
    out.print(Text.assemble("verdict  ", coloured(str(decision.verdict)), f"  by {decision.rule or 'no rule'}"))
    out.print(f"because  {printable(decision.reason.text)}")
    out.print(f"plan     {planned(plan)[decision.key].text}")
    if decision.note:
        out.print(f"note     {printable(decision.note)}")
    for source in decision.sources:
        out.print(f"data     {source.name}: {source.rows} rows, digest {source.digest[:12]}")
    if decision.evidence:
        rows = [
            (each.field, each.expected, each.found if each.found is not None else "nothing", each.truth)
            for each in decision.evidence
        ]
        print_table(out, ("test of", "expected", "found", "came out"), rows)
    out.print()
