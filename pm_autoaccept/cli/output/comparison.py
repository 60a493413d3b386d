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
from pm_autoaccept.ledger.replay import recall
from pm_autoaccept.policy import Policy
from pm_autoaccept.what_if import Rejudged, rejudge


def show_recorded(folder: Path, *, ledger: str | None, settings: Path | None, account: str | None, output: str) -> int:
    """Judge what the ledger remembers by the policy in this folder, with its files as they are now, and print it."""
    policy = load_policy(folder).policy
    tables = {**read(policy.sources, folder), **not_read(policy.sources)}
    memory = from_ledger(ledger, settings, lambda connection: recall(connection, account=account), account=account)
    judged = tuple(rejudge(memory, policy=policy, tables=tables))
    if output == "json":
        print_json(_as_data(folder, policy, judged))
    else:
        _tell(console(), folder, policy, judged)
    return 0


def _changes(judged: Sequence[Rejudged]) -> list[tuple[str, str, int]]:
    """From which verdict to which other, and of how many requests; the most first."""
    counts = Counter((str(each.recalled.verdict), str(each.verdict)) for each in judged)
    return [(was, would, count) for (was, would), count in counts.most_common() if was != would]


def _not_learnt(judged: Sequence[Rejudged]) -> dict[str, int]:
    """What the policy asked and nobody knows any more, and of how many requests."""
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


def _tell(out: Console, folder: Path, policy: Policy, judged: Sequence[Rejudged]) -> None:
    changed = [each for each in judged if each.verdict is not each.recalled.verdict]
    not_judged = Counter(each.why_not for each in judged if each.judgement is None)
    several = len({each.recalled.account for each in judged}) > 1
    if changed:
        rows = [(coloured(was), coloured(would), count) for was, would, count in _changes(judged)]
        print_table(out, ("was", "would be", "requests"), rows)
        print_table(
            out,
            (*(("account",) if several else ()), "decided", "request", "owner", "was", "would be", "by rule", "why"),
            [
                (
                    *((each.recalled.account,) if several else ()),
                    in_zone(each.recalled.decided_at, policy.time_zone),
                    each.recalled.key,
                    each.recalled.username or "",
                    coloured(str(each.recalled.verdict)),
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
