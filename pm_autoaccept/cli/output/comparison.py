"""`pending --recorded`: what another policy would have decided of all that is in the ledger. Nothing is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pm_autoaccept.account import load_policy
from pm_autoaccept.cli.output.json_rows import print_json
from pm_autoaccept.cli.output.rows import from_ledger, in_zone
from pm_autoaccept.cli.output.tables import coloured, console, print_table
from pm_autoaccept.data_sources import not_read, read
from pm_autoaccept.ledger.replay import load_recorded_requests
from pm_autoaccept.policy import Policy
from pm_autoaccept.what_if import WhatIfResult, judge_recorded


def show_recorded(folder: Path, *, ledger: str | None, settings: Path | None, account: str | None, output: str) -> int:
    """Judge what the ledger remembers by the policy in this folder, with its files as they are now, and print it."""
    policy = load_policy(folder).policy
    tables = {**read(policy.sources, folder), **not_read(policy.sources)}
    memory = from_ledger(
        ledger, settings, lambda connection: load_recorded_requests(connection, account=account), account=account
    )
    judged = tuple(judge_recorded(memory, policy=policy, tables=tables))
    if output == "json":
        print_json(_as_data(folder, policy, judged))
    else:
        _tell(console(), folder, policy, judged)
    return 0


def _changes(judged: Sequence[WhatIfResult]) -> list[tuple[str, str, int]]:
    """From which verdict to which other, and of how many requests; the most first."""
    counts = Counter((str(each.recorded.verdict), str(each.verdict)) for each in judged)
    return [(was, would, count) for (was, would), count in counts.most_common() if was != would]


def _not_learnt(judged: Sequence[WhatIfResult]) -> dict[str, int]:
    """What the policy asked and nobody knows any more, and of how many requests."""
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


def _tell(out: Console, folder: Path, policy: Policy, judged: Sequence[WhatIfResult]) -> None:
    changed = [each for each in judged if each.verdict is not each.recorded.verdict]
    not_judged = Counter(each.not_judged_reason for each in judged if each.judgement is None)
    several = len({each.recorded.account for each in judged}) > 1
    if changed:
        rows = [(coloured(was), coloured(would), count) for was, would, count in _changes(judged)]
        print_table(out, ("was", "would be", "requests"), rows)
        print_table(
            out,
            (*(("account",) if several else ()), "decided", "request", "owner", "was", "would be", "by rule", "why"),
            [
                (
                    *((each.recorded.account,) if several else ()),
                    in_zone(each.recorded.decided_at, policy.time_zone),
                    each.recorded.key,
                    each.recorded.username or "",
                    coloured(str(each.recorded.verdict)),
                    coloured(str(each.verdict)),
                    (each.judgement and each.judgement.rule) or "",
                    each.judgement.reason.text if each.judgement else "",
                )
                for each in changed
            ],
        )
    out.print(f"{len(judged)} requests in the ledger: {len(changed)} would be decided otherwise by {folder}.")
    for why, count in not_judged.items():
        out.print(f"{count} could not be judged: {why}.")
    for name, count in _not_learnt(judged).items():
        out.print(f"{count} would be held because {name} could not be learnt.")
    if policy.taken:
        out.print("Who else had said the same, as `taken` asks, is not looked for in the ledger.")
    if guarded := ", ".join(name for name, source in policy.sources.items() if source.guarded):
        out.print(f"These data were taken as they are now, whether `require` finds them good or not: {guarded}.")
