"""Prints `pending --recorded`: what another policy would decide about every request in the ledger.

Requests are printed as they are judged, and the counts follow at the end, so that a ledger of any size needs little
memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from sqlalchemy import Connection

from pm_autoaccept.account import load_policy
from pm_autoaccept.cli.output.json_rows import print_json_with_rows
from pm_autoaccept.cli.output.tables import colored, console, print_table
from pm_autoaccept.cli.support.ledger_access import read_ledger
from pm_autoaccept.cli.support.moments import format_moment
from pm_autoaccept.cli.support.standard_streams import until_closed
from pm_autoaccept.data_sources import not_read, read
from pm_autoaccept.ledger.audit import account_names
from pm_autoaccept.ledger.recorded_requests import (
    count_recorded_requests,
    read_recorded_requests,
    recorded_field_names,
)
from pm_autoaccept.model import Fact
from pm_autoaccept.policy import Policy, Table
from pm_autoaccept.what_if import WhatIfResult, judge_recorded


def show_recorded(folder: Path, *, ledger: str | None, settings: Path | None, account: str | None, output: str) -> int:
    """Evaluate the policy in a folder, with its current data, for every request in the ledger, and print the result."""
    policy = load_policy(folder).policy
    tables = {**read(policy.sources, folder), **not_read(policy.sources)}
    out = console()

    def show(connection: Connection) -> None:
        counts = _Counts()
        if output == "json":
            judged = counts.count(_judge(connection, policy, tables, account))
            print_json_with_rows(
                {"policy": str(folder), "policy_digest": policy.digest},
                "requests",
                map(_as_data, judged),
                lambda: {
                    "changes": [
                        {"was": was, "would_be": would, "requests": count} for was, would, count in counts.changes()
                    ],
                    "not_learnt": counts.not_learnt(),
                },
            )
            return
        several = account is None and len(account_names(connection)) > 1
        messages = out if out.is_terminal else console(stderr=True)
        with Progress(console=messages, transient=True, disable=not messages.is_terminal) as progress:
            total = count_recorded_requests(connection, account=account)
            judged = _judge(connection, policy, tables, account)
            judged = counts.count(progress.track(judged, total=total, description="Evaluating the recorded requests"))
            _print_changed(out, policy, until_closed(judged), several=several)
        _print_counts(out, folder, policy, counts)

    read_ledger(ledger, settings, show, account=account)
    return 0


def _judge(
    connection: Connection, policy: Policy, tables: Mapping[str, Fact[Table]], account: str | None
) -> Iterator[WhatIfResult]:
    return judge_recorded(
        read_recorded_requests(connection, account=account),
        defined=recorded_field_names(connection, account=account),
        policy=policy,
        tables=tables,
    )


class _Counts:
    """What is counted while the requests are judged."""

    def __init__(self) -> None:
        self.requests = self.changed = 0
        self.not_judged: Counter[str] = Counter()
        self._verdicts: Counter[tuple[str, str]] = Counter()
        self._not_learnt: Counter[str] = Counter()

    def count(self, judged: Iterable[WhatIfResult]) -> Iterator[WhatIfResult]:
        """The same results, each counted as it passes."""
        for each in judged:
            self.requests += 1
            self.changed += _is_changed(each)
            self._verdicts[str(each.recorded.verdict), str(each.verdict)] += 1
            if each.judgement is None:
                self.not_judged[each.not_judged_reason] += 1
            else:
                self._not_learnt.update(each.judgement.unknown)
            yield each

    def changes(self) -> list[tuple[str, str, int]]:
        """Old verdict, new verdict and the number of requests, the most frequent first."""
        return [(was, would, count) for (was, would), count in self._verdicts.most_common() if was != would]

    def not_learnt(self) -> dict[str, int]:
        """The facts that the policy needs and the ledger does not have, and the number of requests."""
        return dict(self._not_learnt.most_common())


def _is_changed(each: WhatIfResult) -> bool:
    return each.verdict is not each.recorded.verdict


def _as_data(each: WhatIfResult) -> dict[str, object]:
    """One request for JSON."""
    return {
        "account": each.recorded.account,
        "request": each.recorded.key,
        "owner_username": each.recorded.username,
        "decided_at": each.recorded.decided_at,
        "changed": _is_changed(each),
        "was": {"verdict": each.recorded.verdict, "rule": each.recorded.rule, "reason": each.recorded.reason},
        "would_be": each.judgement,
        "not_judged": each.not_judged_reason or None,
    }


def _print_changed(out: Console, policy: Policy, judged: Iterator[WhatIfResult], *, several: bool) -> None:
    """Print each request that the policy would decide differently."""
    rows = (
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
        for each in judged
        if _is_changed(each)
    )
    columns = ("decided", "request", "owner", "was", "would be", "rule", "reason")
    print_table(out, (*(("account",) if several else ()), *columns), rows, skip_empty=True)


def _print_counts(out: Console, folder: Path, policy: Policy, counts: _Counts) -> None:
    rows = [(colored(was), colored(would), count) for was, would, count in counts.changes()]
    print_table(out, ("was", "would be", "requests"), rows, skip_empty=True)
    out.print(f"{counts.requests} requests in the ledger: {folder} would decide {counts.changed} of them differently.")
    for why, count in counts.not_judged.items():
        out.print(f"{count} could not be evaluated: {why}.")
    for name, count in counts.not_learnt().items():
        out.print(f"{count} would be held because {name} is unknown.")
    if policy.taken:
        out.print("`taken` was not evaluated: other owners' answers are not looked up in the ledger.")
    if guarded := ", ".join(name for name, source in policy.sources.items() if source.guarded):
        out.print(f"Guards (`require`) were not checked for these data sources: {guarded}.")
