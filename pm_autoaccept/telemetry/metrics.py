"""What is counted and timed, for Prometheus: counters that grow and a histogram, each with a closed set of labels."""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Histogram

from pm_autoaccept.model import Decision, Receipt
from pm_autoaccept.portfolio_manager import CallMade

PREFIX = "pm_autoaccept"

REMOVED_RULE = "(removed)"
"""The label of a rule that the policy in force does not have: an answer in hand when its rule was taken away."""

CALL_DURATION_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""The histogram's bounds: Portfolio Manager answers in a second or so, and a call ends at its timeout, 60 s."""


class CycleResult(StrEnum):
    """How a cycle ended."""

    GOOD = "good"
    LIST_NOT_WHOLE = "list_not_whole"
    FAILED = "failed"
    NOT_AUTHORISED = "not_authorised"
    LEDGER_UNAVAILABLE = "ledger_unavailable"


class Counters:
    """Everything that only grows. Its series are bounded: by the accounts, the services, and the rules in force."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers = Counter(
            f"{PREFIX}_answers_total",
            "Answers by what came of them when they were sent; a rule in brackets is none of the policy's: "
            "why there was no rule, or that it was removed while its answer was on its way",
            ("account", "kind", "action", "rule", "outcome"),
            registry=registry,
        )
        self._notified = Counter(
            f"{PREFIX}_told_total",
            "Decisions of which a group of people is to be told, by the rule that says so; each decision once",
            ("account", "group", "rule"),
            registry=registry,
        )
        self._shadows = Counter(
            f"{PREFIX}_shadow_decisions_total",
            "What rules with enforce: false would have decided; each request again only when that, or its decision, "
            "changes",
            ("account", "kind", "rule", "verdict"),
            registry=registry,
        )
        self._cycles = Counter(
            f"{PREFIX}_cycles_total", "Cycles by how they ended", ("account", "result"), registry=registry
        )
        self._calls = Counter(
            f"{PREFIX}_calls_total",
            "Calls to Portfolio Manager, each attempt, by service and what came of it: ok, or the kind of error",
            ("account", "service", "result"),
            registry=registry,
        )
        self._seconds = Histogram(
            f"{PREFIX}_call_duration_seconds",
            "How long calls to Portfolio Manager took, each attempt, to the last byte; waiting for a turn is not in it",
            ("service",),
            buckets=CALL_DURATION_BUCKETS_S,
            registry=registry,
        )
        self._refusals = Counter(
            f"{PREFIX}_policy_refusals_total",
            "Changed policies that were refused, so that the one before stayed in force",
            ("account",),
            registry=registry,
        )
        self._rules: dict[str, frozenset[str]] = {}
        self._rule_at = {self._answers: 3, self._notified: 2, self._shadows: 2}
        """Where among its labels a counter has the rule: the series of a rule that is gone go too."""
        self._series: set[tuple[Counter, tuple[str, ...]]] = set()

    def start_account(self, account: str) -> None:
        """Show what an account counts from zero, so that the first failed cycle is seen as an increase."""
        for result in CycleResult:
            self._cycles.labels(account, result)
        self._refusals.labels(account)

    def rules_in_force(self, account: str, rules: Collection[str]) -> None:
        """Take these as the account's rules; the series of those that are gone go too."""
        self._rules[account] = frozenset(rules)
        for counter, labels in set(self._series):
            rule = labels[self._rule_at[counter]]
            if labels[0] == account and not rule.startswith("(") and rule not in self._rules[account]:
                counter.remove(*labels)
                self._series.discard((counter, labels))

    def answered(self, account: str, receipt: Receipt) -> None:
        """Count one answer; a step that was not sent is none."""
        if receipt.outcome is None:
            return
        decision = receipt.step.decision
        rule = decision.rule or f"({decision.reason.kind})"
        if decision.rule is not None and decision.rule not in self._rules.get(account, ()):
            rule = REMOVED_RULE
        labels = (account, str(receipt.step.key.kind), str(receipt.step.action), rule, str(receipt.outcome))
        self._count(self._answers, *labels)

    def decided(self, account: str, decision: Decision) -> None:
        """Count who is told of a decision that is new, and what rules that are not enforced would have decided."""
        if decision.tell is not None:
            self._count(self._notified, account, decision.tell, decision.rule or "")
        for shadow in decision.shadows:
            self._count(self._shadows, account, str(decision.key.kind), shadow.rule, str(shadow.verdict))

    def _count(self, counter: Counter, *labels: str) -> None:
        self._series.add((counter, labels))
        counter.labels(*labels).inc()

    def policy_refused(self, account: str) -> None:
        """Count one policy that was refused."""
        self._refusals.labels(account).inc()

    def cycle_ended(self, account: str, result: CycleResult) -> None:
        """Count one cycle."""
        self._cycles.labels(account, result).inc()

    def called(self, account: str, made: CallMade) -> None:
        """Count and time one call."""
        # The errors' names are a closed set; statuses are whatever stands between us and the service.
        result = "ok" if made.error is None else re.sub(r"(?<!^)(?=[A-Z])", "_", made.error).lower()
        self._calls.labels(account, made.service, result).inc()
        self._seconds.labels(made.service).observe(made.seconds)
