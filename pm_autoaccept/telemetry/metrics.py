"""Prometheus counters and the call-duration histogram, each with a bounded set of label values."""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Histogram

from pm_autoaccept.model import Decision, Receipt
from pm_autoaccept.portfolio_manager import CallMade

PREFIX = "pm_autoaccept"

REMOVED_RULE = "(removed)"
"""The label for a rule that is not in the policy any more: it was removed while its answer was in flight."""

CALL_DURATION_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Histogram buckets: Portfolio Manager answers in about a second, and a call times out after 60 s by default."""


class CycleResult(StrEnum):
    """How a cycle ended."""

    GOOD = "good"
    LIST_NOT_WHOLE = "list_not_whole"
    FAILED = "failed"
    NOT_AUTHORISED = "not_authorised"
    LEDGER_UNAVAILABLE = "ledger_unavailable"


class Counters:
    """All counters. The number of series is bounded by the accounts, the services and the rules in effect."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers = Counter(
            f"{PREFIX}_answers_total",
            "Answers by outcome; a rule value in brackets is a reason code, not a rule id: "
            "why no rule decided, or (removed) if the rule was removed while its answer was in flight",
            ("account", "kind", "action", "rule", "outcome"),
            registry=registry,
        )
        self._notified = Counter(
            f"{PREFIX}_notify_decisions_total",
            "Decisions that notify a group, by rule; each decision counts once",
            ("account", "group", "rule"),
            registry=registry,
        )
        self._shadows = Counter(
            f"{PREFIX}_shadow_decisions_total",
            "What rules with enforce: false would have decided; a request counts again only when that or its decision "
            "changes",
            ("account", "kind", "rule", "verdict"),
            registry=registry,
        )
        self._cycles = Counter(f"{PREFIX}_cycles_total", "Cycles by result", ("account", "result"), registry=registry)
        self._calls = Counter(
            f"{PREFIX}_calls_total",
            "Calls to Portfolio Manager by service and result: ok, or the kind of error; each attempt counts",
            ("account", "service", "result"),
            registry=registry,
        )
        self._seconds = Histogram(
            f"{PREFIX}_call_duration_seconds",
            "Duration of each attempt at a call to Portfolio Manager, to the last byte; "
            "waiting for the rate limit is not included",
            ("service",),
            buckets=CALL_DURATION_BUCKETS_S,
            registry=registry,
        )
        self._refusals = Counter(
            f"{PREFIX}_policy_refusals_total",
            "Changed policies that were refused; the previous policy stayed in effect",
            ("account",),
            registry=registry,
        )
        self._rules: dict[str, frozenset[str]] = {}
        self._rule_at = {self._answers: 3, self._notified: 2, self._shadows: 2}
        """The position of the rule among a counter's labels, used to remove the series of a removed rule."""
        self._series: set[tuple[Counter, tuple[str, ...]]] = set()

    def start_account(self, account: str) -> None:
        """Start an account's counters at zero, so that the first failed cycle is an increase."""
        for result in CycleResult:
            self._cycles.labels(account, result)
        self._refusals.labels(account)

    def rules_in_force(self, account: str, rules: Collection[str]) -> None:
        """Set the account's rules, and remove the series of rules that no longer exist."""
        self._rules[account] = frozenset(rules)
        for counter, labels in set(self._series):
            rule = labels[self._rule_at[counter]]
            if labels[0] == account and not rule.startswith("(") and rule not in self._rules[account]:
                counter.remove(*labels)
                self._series.discard((counter, labels))

    def answered(self, account: str, receipt: Receipt) -> None:
        """Count one answer. A step that was not sent does not count."""
        if receipt.outcome is None:
            return
        decision = receipt.step.decision
        rule = decision.rule or f"({decision.reason.kind})"
        if decision.rule is not None and decision.rule not in self._rules.get(account, ()):
            rule = REMOVED_RULE
        labels = (account, str(receipt.step.key.kind), str(receipt.step.action), rule, str(receipt.outcome))
        self._count(self._answers, *labels)

    def decided(self, account: str, decision: Decision) -> None:
        """Count a new decision that notifies a group, and what rules with `enforce: false` would have decided."""
        if decision.tell is not None:
            self._count(self._notified, account, decision.tell, decision.rule or "")
        for shadow in decision.shadows:
            self._count(self._shadows, account, str(decision.key.kind), shadow.rule, str(shadow.verdict))

    def _count(self, counter: Counter, *labels: str) -> None:
        self._series.add((counter, labels))
        counter.labels(*labels).inc()

    def policy_refused(self, account: str) -> None:
        """Count one refused policy."""
        self._refusals.labels(account).inc()

    def cycle_ended(self, account: str, result: CycleResult) -> None:
        """Count one cycle by result."""
        self._cycles.labels(account, result).inc()

    def called(self, account: str, made: CallMade) -> None:
        """Count one attempt at a call, and record its duration."""
        # Error names are a closed set. Statuses are not: a proxy or a gateway can send any.
        result = "ok" if made.error is None else re.sub(r"(?<!^)(?=[A-Z])", "_", made.error).lower()
        self._calls.labels(account, made.service, result).inc()
        self._seconds.labels(made.service).observe(made.seconds)
