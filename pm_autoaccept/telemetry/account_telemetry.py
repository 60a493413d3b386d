"""Telemetry of one account: turns the events of its worker into health, gauges, counters and log lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from types import MappingProxyType

import structlog

from pm_autoaccept.model import Action, Decision, Fact, Kind, NotLearnt, Outcome, Plan, Receipt, Verdict
from pm_autoaccept.policy import Policy, Table
from pm_autoaccept.portfolio_manager import CallMade, RateLimiter
from pm_autoaccept.telemetry.events import log_notify_group
from pm_autoaccept.telemetry.health import AccountHealth, LeaseState, Refusal, Trouble
from pm_autoaccept.telemetry.metrics import Counters, CycleResult

log = structlog.get_logger()

_RESULTS: Mapping[Trouble, CycleResult] = {
    Trouble.NOT_AUTHORISED: CycleResult.NOT_AUTHORISED,
    Trouble.LEDGER_UNAVAILABLE: CycleResult.LEDGER_UNAVAILABLE,
    Trouble.LIST_NOT_WHOLE: CycleResult.LIST_NOT_WHOLE,
}


@dataclass(slots=True, kw_only=True)
class AccountTelemetry:
    """The state of one account for probes and gauges, and its counters. None means not known yet.

    Attributes:
        health: the state that the probes report.
        counters: the counters of all accounts.
        groups: the groups that policies may notify, by the setting GROUPS.
        rate_limiter: the rate limit of the last sign-in.
        pending: the number of pending requests at the last read, by kind and verdict.
        oldest: when the oldest of them was made.
        kept_back: the number of decided answers that are not sent now, by kind and reason.
        open_intents: the number of answers with an unknown outcome.
        undecided_in: the number of connections and shares that we did not decide.
        policy_digest: the digest of the policy in effect.
        policy_since: since when it has been in effect in this process.
        never_a_policy: no valid policy has been loaded yet.
        tables: the policy's tables as read.
        dated: the date of the contents of each table.
        checked_tables: the tables after the last check of their guards. None before the first cycle.
    """

    health: AccountHealth
    counters: Counters
    groups: frozenset[str] = frozenset()
    rate_limiter: RateLimiter | None = field(default=None, init=False)
    pending: Mapping[tuple[str, str], int] | None = field(default=None, init=False)
    oldest: datetime | None = field(default=None, init=False)
    kept_back: Mapping[tuple[str, str], int] | None = field(default=None, init=False)
    open_intents: int | None = field(default=None, init=False)
    undecided_in: int | None = field(default=None, init=False)
    policy_digest: str = field(default="", init=False)
    policy_since: datetime | None = field(default=None, init=False)
    never_a_policy: bool = field(default=False, init=False)
    tables: Mapping[str, Fact[Table]] = field(default_factory=dict, init=False)
    dated: Mapping[str, datetime | None] = field(default_factory=dict, init=False)
    checked_tables: Mapping[str, Fact[Table]] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.counters.start_account(self.name)

    @property
    def name(self) -> str:
        """The account's name in the settings."""
        return self.health.account

    @property
    def policy_is_refused(self) -> bool:
        """Whether the policy in the folder is invalid."""
        return self.never_a_policy or self.health.refusal is not None

    def policy_loaded(
        self,
        policy: Policy,
        tables: Mapping[str, Fact[Table]],
        *,
        at: datetime,
        dated: Mapping[str, datetime | None] = MappingProxyType({}),
    ) -> None:
        """A policy takes effect. Its tables are read each time a gauge is collected."""
        if policy.digest != self.policy_digest:
            for group in sorted(policy.told - self.groups):
                log.warning("notify_group_unknown", group=group)
        self.policy_digest, self.policy_since, self.tables, self.dated = policy.digest, at, tables, dated
        self.never_a_policy, self.health.refusal = False, None
        self.counters.rules_in_force(self.name, [rule.id for rule in policy.rules])

    def tables_checked(self, checked_tables: Mapping[str, Fact[Table]]) -> None:
        """The guards of the tables were checked: log which tables became unusable, and which are usable again."""
        before = self.checked_tables or {}
        for name, table in checked_tables.items():
            was_good, read = isinstance(before.get(name), Table), isinstance(self.tables.get(name), Table)
            if isinstance(table, NotLearnt) and read and before.get(name) != table:
                log.warning("guard_broken", source=name, why=table.why)
            elif isinstance(table, Table) and name in before and not was_good:
                log.info("data_good_again", source=name, rows=table.rows)
        self.checked_tables = checked_tables
        self.health.unusable_tables = tuple(
            name for name, table in checked_tables.items() if isinstance(table, NotLearnt)
        )

    def policy_refused(self, refusal: Refusal | None) -> None:
        """The policy in the folder is refused, and the previous one stays in effect; None if it is not refused."""
        if refusal is not None and refusal != self.health.refusal:
            self.counters.policy_refused(self.name)
        self.health.refusal = refusal

    def without_policy(self) -> None:
        """There is no valid policy yet, so the account is not started."""
        self.never_a_policy = True
        self.health.lease, self.health.trouble = LeaseState.NOT_KNOWN, Trouble.POLICY_REFUSED

    def lease_taken(self) -> None:
        """This process now holds the account's lease."""
        self.health.lease, self.health.trouble = LeaseState.HELD, None

    def standing_by(self) -> None:
        """Another replica holds the lease. What this process knew of the account is outdated, so it is not reported."""
        self.health.lease, self.health.signed_in, self.health.trouble = LeaseState.ELSEWHERE, False, None
        self.checked_tables, self.health.unusable_tables = None, ()
        self.pending = self.oldest = self.kept_back = self.open_intents = self.undecided_in = self.rate_limiter = None

    def lease_in_doubt(self) -> None:
        """The ledger is unavailable, so it is not known who holds the lease."""
        self.health.lease, self.health.trouble = LeaseState.NOT_KNOWN, Trouble.LEDGER_UNAVAILABLE

    def signed_in(self, rate_limiter: RateLimiter) -> None:
        """Portfolio Manager accepted the password. Calls are sent under this rate limit."""
        self.health.signed_in, self.health.trouble, self.rate_limiter = True, None, rate_limiter

    def sign_in_failed(self, trouble: Trouble) -> None:
        """Signing in failed for this reason."""
        self.health.signed_in, self.health.trouble = False, trouble

    def paused(self, *, paused: bool) -> None:
        """Answering is paused, or not any more."""
        self.health.paused = paused

    def planned(self, plan: Plan) -> None:
        """The lists were read, and everything in them was decided."""
        decided = Counter((str(decision.key.kind), str(decision.verdict)) for decision in plan.decisions)
        # A list that was not read in full keeps its previous numbers: it may be full although nothing of it arrived.
        read = set(Kind) - {each.kind for each in plan.not_whole}
        fresh = {pair: decided[pair] for pair in product(map(str, read), map(str, Verdict))}
        self.pending = {**(self.pending or {}), **fresh} or None
        kept = Counter((str(each.decision.key.kind), str(each.reason.kind)) for each in plan.kept_back)
        # A reason that no longer applies is reported as 0, so that an alert on it resolves.
        self.kept_back = dict.fromkeys(self.kept_back or {}, 0) | kept
        made = (decision.request.requested_at for decision in plan.decisions)
        oldest = min((at for at in made if at is not None and at.tzinfo is not None), default=None)
        if not plan.not_whole or (oldest is not None and (self.oldest is None or oldest < self.oldest)):
            self.oldest = oldest

    def decided(self, decision: Decision) -> None:
        """A decision is new or has changed: count it, and log the group to notify."""
        self.counters.decided(self.name, decision)
        log_notify_group(decision)

    def answered(self, receipt: Receipt) -> None:
        """One step has ended: count it, and write one log line."""
        self.counters.answered(self.name, receipt)
        step = receipt.step
        fields = {"request": str(step.key), "rule": step.decision.rule, "owner": step.decision.request.username}
        if receipt.outcome is Outcome.DONE:
            log.info("request_accepted" if step.action is Action.ACCEPT else "request_rejected", **fields)
        elif receipt.outcome is None:
            log.info("step_dropped", action=step.action, why=receipt.text, **fields)
        else:
            log.warning("answer_not_done", action=step.action, outcome=receipt.outcome, why=receipt.text, **fields)

    def cycle_finished(self, plan: Plan, *, open_intents: int, undecided_in: int, at: datetime) -> None:
        """A cycle has ended. It is good if every list was read in full."""
        self.open_intents, self.undecided_in = open_intents, undecided_in
        if plan.clock_skew is not None and open_intents:
            log.warning("clocks_apart", seconds=round(plan.clock_skew.total_seconds()), open_intents=open_intents)
        if plan.not_whole:
            self.cycle_failed(Trouble.LIST_NOT_WHOLE)
            return
        self.health.last_good_cycle, self.health.trouble = at, None
        self.counters.cycle_ended(self.name, CycleResult.GOOD)

    def cycle_failed(self, trouble: Trouble) -> None:
        """A cycle failed for this reason."""
        self.health.trouble = trouble
        if trouble in {Trouble.NOT_AUTHORISED, Trouble.PROXY_NOT_AUTHORISED}:
            self.health.signed_in = False
        self.counters.cycle_ended(self.name, _RESULTS.get(trouble, CycleResult.FAILED))

    def crashed(self) -> None:
        """The account worker ended without a request to stop."""
        self.health.crashed = True

    def called(self, made: CallMade) -> None:
        """One attempt at a call to Portfolio Manager has ended."""
        self.counters.called(self.name, made)
        log.debug(
            "call_made", service=made.service, status=made.status, error=made.error, seconds=round(made.seconds, 3)
        )
