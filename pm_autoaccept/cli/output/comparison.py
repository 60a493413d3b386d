"""Prints `pending --recorded`: what another policy would decide about every request in the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pm_autoaccept.account import load_policy
from pm_autoaccept.cli.output.json_rows import print_json
from pm_autoaccept.cli.output.tables import colored, console, print_table
from pm_autoaccept.cli.support.ledger_access import read_ledger
from pm_autoaccept.cli.support.moments import format_moment
from pm_autoaccept.data_sources import not_read, read
from pm_autoaccept.ledger.replay import recall
from pm_autoaccept.policy import Policy
from pm_autoaccept.what_if import Rejudged, rejudge


def show_recorded(folder: Path, *, ledger: str | None, settings: Path | None, account: str | None, output: str) -> int:
    """Evaluate the policy in a folder, with its current data, for every request in the ledger, and print the result."""
    policy = load_policy(folder).policy
    tables = {**read(policy.sources, folder), **not_read(policy.sources)}
    memory = read_ledger(ledger, settings, lambda connection: recall(connection, account=account), account=account)
    judged = tuple(rejudge(memory, policy=policy, tables=tables))
    if output == "json":
        print_json(_as_data(folder, policy, judged))
    else:
        _print_text(console(), folder, policy, judged)
    return 0


def _changes(judged: Sequence[Rejudged]) -> list[tuple[str, str, int]]:
    """Old verdict, new verdict and the number of requests, the most frequent first."""
    counts = Counter((str(each.recalled.verdict), str(each.verdict)) for each in judged)
    return [(was, would, count) for (was, would), count in counts.most_common() if was != would]


def _not_learnt(judged: Sequence[Rejudged]) -> dict[str, int]:
    """The facts that the policy needs and the ledger does not have, and the number of requests."""
    return dict(Counter(name for each in judged if each.judgement for name in each.judgement.unknown).most_common())


def _as_data(folder: Path, policy: Policy, judged: Sequence[Rejudged]) -> dict[str, object]:
    return {
        "policy": str(folder),
        "policy_digest": policy.digest,
        "changes": [{"was": was, "would_be": would, "requests": count} for was, would, count in _changes(judged)],
        "not_learnt": _not_learnt(judged),
        "requests": [
            {
                "account": each.recalled.account,
                "request": each.recalled.key,
                "owner_username": each.recalled.username,
                "decided_at": each.recalled.decided_at,
                "changed": each.verdict is not each.recalled.verdict,
                "was": {"verdict": each.recalled.verdict, "rule": each.recalled.rule, "reason": each.recalled.reason},
                "would_be": each.judgement,
                "not_judged": each.why_not or None,
            }
            for each in judged
        ],
    }


def _print_text(out: Console, folder: Path, policy: Policy, judged: Sequence[Rejudged]) -> None:
    changed = [each for each in judged if each.verdict is not each.recalled.verdict]
    not_judged = Counter(each.why_not for each in judged if each.judgement is None)
    several = len({each.recalled.account for each in judged}) > 1
    if changed:
        rows = [(colored(was), colored(would), count) for was, would, count in _changes(judged)]
        print_table(out, ("was", "would be", "requests"), rows)
        print_table(
            out,
            (*(("account",) if several else ()), "decided", "request", "owner", "was", "would be", "rule", "reason"),
            [
                (
                    *((each.recalled.account,) if several else ()),
                    format_moment(each.recalled.decided_at, policy.time_zone),
                    each.recalled.key,
                    each.recalled.username or "",
                    colored(str(each.recalled.verdict)),
                    colored(str(each.verdict)),
                    (each.judgement and each.judgement.rule) or "",
                    each.judgement.reason.text if each.judgement else "",
                )
                for each in changed
            ],
        )
    out.print(f"{len(judged)} requests in the ledger: {folder} would decide {len(changed)} of them differently.")
    for why, count in not_judged.items():
        out.print(f"{count} could not be evaluated: {why}.")
    for name, count in _not_learnt(judged).items():
        out.print(f"{count} would be held because {name} is unknown.")
    if policy.taken:
        out.print("`taken` was not evaluated: other owners' answers are not looked up in the ledger.")
    if guarded := ", ".join(name for name, source in policy.sources.items() if source.guarded):
        out.print(f"Guards (`require`) were not checked for these data sources: {guarded}.")
