"""The `explain` command: explain the decision for one request, with each rule, test and the planned answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pm_autoaccept.cli.support.preview import Preview
    from pm_autoaccept.config import Settings
    from pm_autoaccept.model import Decision, RequestKey
    from pm_autoaccept.policy import Source

_NOT_PENDING = -1
"""Not an exit code: the request is not in the pending lists, so the ledger is searched once the loop has ended."""


@click.command(cls=Command)
@click.argument("key", required=False)
@click.option(
    "--xml",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read a pending list from a file instead of Portfolio Manager.",
)
@options.account
@options.output
def explain(key: str | None, *, xml: Path | None, output: str, **overrides: Any) -> int:  # noqa: ANN401 — config checks them
    """Explain the decision for the pending request KEY (for example meter:30511977), or for each request in --xml FILE.

    For a request that is no longer pending, print what the ledger has: each decision, its evidence and its outcome.

    Nothing is sent, and only refused passwords are recorded. With --xml, neither Portfolio Manager nor the ledger nor a
    database is used: facts that are not in the file or in the policy's own files are unknown.
    """
    if (key is None) == (xml is None):
        raise click.UsageError("pass either KEY, for example meter:30511977, or --xml FILE")
    if xml is not None:
        folder = options.policy_folder(
            overrides["policy"], settings=overrides["settings"], account=overrides["account"]
        )
        preview = _from_file(xml, folder)
        code = _show(preview, preview.plan.decisions, output=output)
        _warn_of_unchecked_guards(preview.policy.sources)
        return code
    kind, number = options.request_key(key or "")

    from pm_autoaccept.cli.support.runner import run_reading
    from pm_autoaccept.config import load_settings
    from pm_autoaccept.model import Kind, RequestKey

    settings = load_settings(**overrides)
    request = RequestKey(Kind(kind), number)
    code = run_reading(lambda: _explain(settings, request, output=output), settings=settings)
    return _from_ledger(settings, request, output=output) if code == _NOT_PENDING else code


async def _explain(settings: Settings, key: RequestKey, *, output: str) -> int:
    from pm_autoaccept.cli.support.preview import load_preview

    preview = await load_preview(settings)
    found = [decision for decision in preview.plan.decisions if decision.key == key]
    if not found:
        return _NOT_PENDING
    return _show(preview, tuple(found), output=output)


def _from_ledger(settings: Settings, key: RequestKey, *, output: str) -> int:
    """Print the recorded decisions for a request that is no longer pending; exit code 1 if there are none."""
    from pm_autoaccept.cli.decisions import print_one
    from pm_autoaccept.config import ledger_exists

    click.echo(f"{key} is not pending.", err=True)
    if ledger_exists(settings.ledger) and print_one(
        str(key.kind), key.id, ledger=settings.ledger, settings=None, account=settings.name, output=output
    ):
        return 0
    click.echo("It is not in the ledger either. `pm-autoaccept decisions` lists the keys.", err=True)
    return 1


def _from_file(xml: Path, folder: Path) -> Preview:
    from pm_autoaccept.cli.support.preview import Preview
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.data_sources import not_read, read_folder, read_local
    from pm_autoaccept.decide import decide
    from pm_autoaccept.model import History, Kind, NotLearnt, PendingList, ProviderAccount, Snapshot
    from pm_autoaccept.parse import parse_pending_page
    from pm_autoaccept.plan import plan
    from pm_autoaccept.policy import apply_guards, load

    policy, body, now = load(read_folder(folder)), xml.read_bytes(), utc_now()
    pages = {kind: parse_pending_page(kind, body) for kind in Kind}
    # Elements of another kind are unreadable as this one, so only what no kind can read is reported.
    unreadable_as_all = set.intersection(*({each.source for each in page.unreadable} for page in pages.values()))
    lists = []
    for kind, page in pages.items():
        strange = tuple(each for each in page.unreadable if each.source in unreadable_as_all)
        lists.append(PendingList(kind=kind, requests=page.requests, unreadable=strange, begun=now, ended=now))
    for element in lists[0].unreadable:
        click.echo(f"{xml}: an element cannot be parsed: {element.why}", err=True)
    snapshot = Snapshot(
        provider=ProviderAccount(0, ""),
        connections=lists[0],
        properties=lists[1],
        meters=lists[2],
        connected=NotLearnt("the file does not say who is connected"),
        custom_fields=NotLearnt("the file does not say which custom fields the account defines"),
        ended=now,
    )
    readings = read_local(policy.sources, folder)
    dated = {name: reading.dated for name, reading in readings.items()}
    read = {**{name: reading.table for name, reading in readings.items()}, **not_read(policy.sources)}
    tables = apply_guards(policy.sources, read, dated=dated, remembered={}, time=now)
    decisions = decide(
        snapshot,
        policy=policy,
        tables=tables,
        now=now,
        held=NotLearnt("the file does not say how long the request has been held"),
        accepted=NotLearnt("the file does not contain the requests that were accepted"),
    )
    return Preview(plan(decisions, snapshot=snapshot, history=History()), policy, tables, dated)


def _warn_of_unchecked_guards(sources: Mapping[str, Source]) -> None:
    """Warn of guards on growth that were not checked: only the ledger knows earlier row counts."""
    compared = [name for name, source in sources.items() if source.require.shrink or source.require.grow]
    if compared:
        names = ", ".join(compared)
        click.echo(
            f"The guards `shrink` and `grow` were not checked for {names}. `pm-autoaccept data` checks them.",
            err=True,
        )


def _show(preview: Preview, decisions: tuple[Decision, ...], *, output: str) -> int:
    from pm_autoaccept.cli.output.explanation import print_explanation
    from pm_autoaccept.cli.output.json_rows import print_json
    from pm_autoaccept.cli.output.tables import console

    if output == "json":
        print_json([_as_data(preview, decision) for decision in decisions])
        return 0
    out = console()
    for decision in decisions:
        print_explanation(out, preview, decision)
    return 0


def _as_data(preview: Preview, decision: Decision) -> dict[str, object]:
    """One decision for JSON."""
    from pm_autoaccept.cli.output.explanation import data_used, rules_evaluated
    from pm_autoaccept.cli.support.preview import planned_answers

    rules, near = rules_evaluated(preview, decision)
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
        "data": tuple(data_used(preview, decision)),
        "policy_digest": decision.policy_digest,
        "plan": planned_answers(preview.plan)[decision.key],
        "rules": rules,
        "nearest": None if near is None else {"rule": near.id, "then": near.then, "lacking": near.lacking},
    }
