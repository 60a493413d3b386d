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
from pm_autoaccept.ledger.recorded_requests import load_recorded_requests
from pm_autoaccept.policy import Policy
from pm_autoaccept.what_if import WhatIfResult, judge_recorded


def show_recorded(folder: Path, *, ledger: str | None, settings: Path | None, account: str | None, output: str) -> int:
    """Evaluate the policy in a folder, with its current data, for every request in the ledger, and print the result."""
    policy = load_policy(folder).policy
    tables = {**read(policy.sources, folder), **not_read(policy.sources)}
    memory = read_ledger(
        ledger, settings, lambda connection: load_recorded_requests(connection, account=account), account=account
    )
    judged = tuple(judge_recorded(memory, policy=policy, tables=tables))
    if output == "json":
        print_json(_as_data(folder, policy, judged))
    else:
        _print_text(console(), folder, policy, judged)
    return 0


def _changes(judged: Sequence[WhatIfResult]) -> list[tuple[str, str, int]]:
    """Old verdict, new verdict and the number of requests, the most frequent first."""
    counts = Counter((str(each.recorded.verdict), str(each.verdict)) for each in judged)
    return [(was, would, count) for (was, would), count in counts.most_common() if was != would]


def _not_learnt(judged: Sequence[WhatIfResult]) -> dict[str, int]:
    """The facts that the policy needs and the ledger does not have, and the number of requests."""
    return dict(Counter(name for each in judged if each.judgement for name in each.judgement.unknown).most_common())


def _as_data(folder: Path, policy: Policy, judged: Sequence[WhatIfResult]) -> dict[str, object]:
    return {
        "policy": str(folder),
        "policy_digest": policy.digest,
        "changes": [{"was": was, "would_be": would, "requests": count} for was, would, count in _changes(judged)],
        "not_learnt": _not_learnt(judged),
        "requests": [
            {
                "account": each.recorded.account,
                "request": each.recorded.key,
                "owner_username": each.recorded.username,
                "decided_at": each.recorded.decided_at,
                "changed": each.verdict is not each.recorded.verdict,
                "was": {"verdict": each.recorded.verdict, "rule": each.recorded.rule, "reason": each.recorded.reason},
                "would_be": each.judgement,
                "not_judged": each.not_judged_reason or None,
            }
            for each in judged
        ],
    }


def _print_text(out: Console, folder: Path, policy: Policy, judged: Sequence[WhatIfResult]) -> None:
    changed = [each for each in judged if each.verdict is not each.recorded.verdict]
    not_judged = Counter(each.not_judged_reason for each in judged if each.judgement is None)
    several = len({each.recorded.account for each in judged}) > 1
    if changed:
        rows = [(colored(was), colored(would), count) for was, would, count in _changes(judged)]
        print_table(out, ("was", "would be", "requests"), rows)
        print_table(
            out,
            (*(("account",) if several else ()), "decided", "request", "owner", "was", "would be", "rule", "reason"),
            [
                (
                    *((each.recorded.account,) if several else ()),
                    format_moment(each.recorded.decided_at, policy.time_zone),
                    each.recorded.key,
                    each.recorded.username or "",
                    colored(str(each.recorded.verdict)),
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
