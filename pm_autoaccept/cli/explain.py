"""`explain`: one request, its verdict, each test looked at, and what would be sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pm_autoaccept.cli.support.preview import Looked
    from pm_autoaccept.config import Settings
    from pm_autoaccept.model import Decision, RequestKey
    from pm_autoaccept.policy import Source

_NOT_PENDING = -1
"""Of the look, where the request is not in the lists: then the ledger is asked, once the loop has ended."""


@click.command(cls=Command)
@click.argument("key", required=False)
@click.option("--xml", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A pending list as a file.")
@options.account
@options.output
def explain(key: str | None, *, xml: Path | None, output: str, **said: Any) -> int:  # noqa: ANN401 — config checks them
    """Explain KEY (as meter:30511977) as it pends now, or each request of a pending list in --xml FILE.

    Of a request that does not pend any more, what the ledger has: each decision, its evidence, and what came of it.

    Nothing is sent, and nothing is recorded but refused passwords. With --xml neither Portfolio Manager nor the ledger
    nor a database is asked either: what the file and the policy's own files do not tell is unknown.
    """
    if (key is None) == (xml is None):
        raise click.UsageError("give either KEY, as meter:30511977, or --xml FILE")
    if xml is not None:
        folder = options.policy_folder(said["policy"], settings=said["settings"], account=said["account"])
        looked = _from_file(xml, folder)
        code = _show(looked, looked.plan.decisions, output=output)
        _say_what_is_not_compared(looked.policy.sources)
        return code
    kind, number = options.request_key(key or "")

    from pm_autoaccept.cli.support.runner import read_gently
    from pm_autoaccept.config import load_settings
    from pm_autoaccept.model import Kind, RequestKey

    settings = load_settings(**said)
    request = RequestKey(Kind(kind), number)
    code = read_gently(lambda: _explain(settings, request, output=output), settings=settings)
    return _from_ledger(settings, request, output=output) if code == _NOT_PENDING else code


async def _explain(settings: Settings, key: RequestKey, *, output: str) -> int:
    from pm_autoaccept.cli.support.preview import look_only

    looked = await look_only(settings)
    found = [decision for decision in looked.plan.decisions if decision.key == key]
    if not found:
        return _NOT_PENDING
    return _show(looked, tuple(found), output=output)


def _from_ledger(settings: Settings, key: RequestKey, *, output: str) -> int:
    """What was decided of a request that pends no more, with its evidence; exit code 1 where nothing is known of it."""
    from pm_autoaccept.cli.decisions import print_one
    from pm_autoaccept.cli.support.recorded import ledger_exists

    click.echo(f"{key} does not pend now.", err=True)
    if ledger_exists(settings.ledger) and print_one(
        str(key.kind), key.id, ledger=settings.ledger, settings=None, account=settings.name, output=output
    ):
        return 0
    click.echo("The ledger does not know it either. A key is as in the list of `pm-autoaccept decisions`.", err=True)
    return 1


def _from_file(xml: Path, folder: Path) -> Looked:
    from pm_autoaccept.cli.support.preview import Looked
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.data_sources import not_read, read_folder, read_local
    from pm_autoaccept.decide import decide
    from pm_autoaccept.model import History, Kind, NotLearnt, PendingList, ProviderAccount, Snapshot
    from pm_autoaccept.parse import parse_pending_page
    from pm_autoaccept.plan import plan
    from pm_autoaccept.policy import load, weigh

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
    readings = read_local(policy.sources, folder)
    dated = {name: reading.dated for name, reading in readings.items()}
    read = {**{name: reading.table for name, reading in readings.items()}, **not_read(policy.sources)}
    tables = weigh(policy.sources, read, dated=dated, remembered={}, time=now)
    decisions = decide(
        snapshot,
        policy=policy,
        tables=tables,
        now=now,
        held=NotLearnt("a file does not tell since when it has been held"),
        accepted=NotLearnt("a file does not tell what requests that were accepted say"),
    )
    return Looked(plan(decisions, snapshot=snapshot, history=History()), policy, tables, dated)


def _say_what_is_not_compared(sources: Mapping[str, Source]) -> None:
    """Say which data `run` might find to have shrunk or grown: only a ledger knows what they held before."""
    compared = [name for name, source in sources.items() if source.require.shrink or source.require.grow]
    if compared:
        names = ", ".join(compared)
        click.echo(
            f"What these data held before is not looked at here, though the policy requires it: {names}. "
            "`pm-autoaccept data` says whether they are good.",
            err=True,
        )


def _show(looked: Looked, decisions: tuple[Decision, ...], *, output: str) -> int:
    from pm_autoaccept.cli.output.explanation import tell
    from pm_autoaccept.cli.output.json_rows import print_json
    from pm_autoaccept.cli.output.tables import console

    if output == "json":
        print_json([_as_data(looked, decision) for decision in decisions])
        return 0
    out = console()
    for decision in decisions:
        tell(out, looked, decision)
    return 0


def _as_data(looked: Looked, decision: Decision) -> dict[str, object]:
    """One decision for machines."""
    from pm_autoaccept.cli.output.explanation import data_used, looked_at
    from pm_autoaccept.cli.support.preview import planned

    rules, near = looked_at(looked, decision)
    return {
        "request": decision.key,
        "owner_id": decision.request.account_id,
        "owner_username": decision.request.username,
        "verdict": decision.verdict,
        "rule": decision.rule,
        "reason": decision.reason,
        "evidence": decision.evidence,
        "unknown": decision.unknown,
        "note": decision.note,
        "tell": decision.tell,
        "shadows": decision.shadows,
        "sources": decision.sources,
        "data": tuple(data_used(looked, decision)),
        "policy_digest": decision.policy_digest,
        "plan": planned(looked.plan)[decision.key],
        "rules": rules,
        "nearest": None if near is None else {"rule": near.id, "then": near.then, "lacking": near.lacking},
    }
