"""What one account's work is told to those who run it: the one object that the daemon hands its events to."""

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
from pm_autoaccept.portfolio_manager import CallMade, Pace
from pm_autoaccept.telemetry.events import log_told
from pm_autoaccept.telemetry.health import AccountHealth, Lease, Refusal, Trouble
from pm_autoaccept.telemetry.metrics import Counters, CycleResult

log = structlog.get_logger()

_RESULTS: Mapping[Trouble, CycleResult] = {
    Trouble.NOT_AUTHORISED: CycleResult.NOT_AUTHORISED,
    Trouble.LEDGER_UNAVAILABLE: CycleResult.LEDGER_UNAVAILABLE,
    Trouble.LIST_NOT_WHOLE: CycleResult.LIST_NOT_WHOLE,
}


@dataclass(slots=True, kw_only=True)
class AccountTelemetry:
    """One account's state for health and gauges, and its way to the counters. What is None is not known (yet).

    Attributes:
        health: what the probes look at.
        counters: what is counted over all accounts.
        groups: the people whom policies may tell, by the settings.
        pace: at which calls leave, of the last sign-in.
        pending: how many requests pended when last read, by kind and verdict.
        oldest: when the oldest of them was made.
        kept_back: how many decided answers are not sent now, by kind and why.
        open_intents: answers of which it is not known what became of them.
        undecided_in: connections and shares that came in without having been decided.
        policy_digest: of the policy in force.
        policy_since: since when it is, in this process.
        never_a_policy: the folder has never held a policy without faults.
        tables: the policy's data as they were read, now.
        dated: when the contents of each are from.
        weighed: the same as they were last weighed: what is not good is not learnt. None before the first cycle.
    """

    health: AccountHealth
    counters: Counters
    groups: frozenset[str] = frozenset()
    pace: Pace | None = field(default=None, init=False)
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
    weighed: Mapping[str, Fact[Table]] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.counters.begin(self.name)

    @property
    def name(self) -> str:
        """The settings' name for the account."""
        return self.health.account

    @property
    def policy_is_refused(self) -> bool:
        """Whether the folder holds a policy with faults."""
        return self.never_a_policy or self.health.refusal is not None

    def policy_loaded(
        self,
        policy: Policy,
        tables: Mapping[str, Fact[Table]],
        *,
        at: datetime,
        dated: Mapping[str, datetime | None] = MappingProxyType({}),
    ) -> None:
        """A policy is in force from then on, with its data, which are looked at whenever somebody asks."""
        if policy.digest != self.policy_digest:
            for group in sorted(policy.told - self.groups):
                log.warning("group_not_named", group=group)
        self.policy_digest, self.policy_since, self.tables, self.dated = policy.digest, at, tables, dated
        self.never_a_policy, self.health.refusal = False, None
        self.counters.rules_in_force(self.name, [rule.id for rule in policy.rules])

    def data_weighed(self, weighed: Mapping[str, Fact[Table]]) -> None:
        """These data are good, and those are not: they cannot be read, or break a guard."""
        before = self.weighed or {}
        for name, table in weighed.items():
            was_good, read = isinstance(before.get(name), Table), isinstance(self.tables.get(name), Table)
            if isinstance(table, NotLearnt) and read and before.get(name) != table:
                log.warning("guard_broken", source=name, why=table.why)
            elif isinstance(table, Table) and name in before and not was_good:
                log.info("data_good_again", source=name, rows=table.rows)
        self.weighed = weighed
        self.health.doubtful_data = tuple(name for name, table in weighed.items() if isinstance(table, NotLearnt))

    def policy_refused(self, refusal: Refusal | None) -> None:
        """The folder holds a policy with faults, and the one before it stays in force; None where it does not."""
        if refusal is not None and refusal != self.health.refusal:
            self.counters.policy_refused(self.name)
        self.health.refusal = refusal

    def without_policy(self) -> None:
        """The folder has never held a policy without faults, so the account is not begun."""
        self.never_a_policy = True
        self.health.lease, self.health.trouble = Lease.NOT_KNOWN, Trouble.POLICY_REFUSED

    def lease_taken(self) -> None:
        """This process does the account's work from now on."""
        self.health.lease, self.health.trouble = Lease.HELD, None

    def standing_by(self) -> None:
        """Another replica does it, and what this one knew of the account grows old: it says nothing of it any more."""
        self.health.lease, self.health.signed_in, self.health.trouble = Lease.ELSEWHERE, False, None
        self.weighed, self.health.doubtful_data = None, ()
        self.pending = self.oldest = self.kept_back = self.open_intents = self.undecided_in = self.pace = None

    def lease_in_doubt(self) -> None:
        """The ledger cannot say who holds the lease."""
        self.health.lease, self.health.trouble = Lease.NOT_KNOWN, Trouble.LEDGER_UNAVAILABLE

    def signed_in(self, pace: Pace) -> None:
        """Portfolio Manager took the password; calls leave at this pace."""
        self.health.signed_in, self.health.trouble, self.pace = True, None, pace

    def sign_in_failed(self, trouble: Trouble) -> None:
        """Signing in came to nothing, because of this."""
        self.health.signed_in, self.health.trouble = False, trouble

    def paused(self, *, paused: bool) -> None:
        """Answers are held up by `pause`, or no more."""
        self.health.paused = paused

    def planned(self, plan: Plan) -> None:
        """The lists were read and everything in them decided."""
        decided = Counter((str(decision.key.kind), str(decision.verdict)) for decision in plan.decisions)
        # Of a list that was not read to its end the numbers before stand: it may be full, though nothing of it came.
        read = set(Kind) - {each.kind for each in plan.not_whole}
        fresh = {pair: decided[pair] for pair in product(map(str, read), map(str, Verdict))}
        self.pending = {**(self.pending or {}), **fresh} or None
        kept = Counter((str(each.decision.key.kind), str(each.reason.kind)) for each in plan.kept_back)
        # What was kept back for some reason and no more is told as 0, so that an alert on it ends.
        self.kept_back = dict.fromkeys(self.kept_back or {}, 0) | kept
        made = (decision.request.requested_at for decision in plan.decisions)
        oldest = min((at for at in made if at is not None and at.tzinfo is not None), default=None)
        if not plan.not_whole or (oldest is not None and (self.oldest is None or oldest < self.oldest)):
            self.oldest = oldest

    def decided(self, decision: Decision) -> None:
        """A request was decided for the first time, or otherwise than before: who is told, and what was only tried."""
        self.counters.decided(self.name, decision)
        log_told(decision)

    def answered(self, receipt: Receipt) -> None:
        """One step came to an end: it is counted, and has one line in the log."""
        self.counters.answered(self.name, receipt)
        step = receipt.step
        told = {"request": str(step.key), "rule": step.decision.rule, "owner": step.decision.request.username}
        if receipt.outcome is Outcome.DONE:
            log.info("request_accepted" if step.action is Action.ACCEPT else "request_rejected", **told)
        elif receipt.outcome is None:
            log.info("step_dropped", action=step.action, why=receipt.text, **told)
        else:
            log.warning("answer_not_done", action=step.action, outcome=receipt.outcome, why=receipt.text, **told)

    def cycle_finished(self, plan: Plan, *, open_intents: int, undecided_in: int, at: datetime) -> None:
        """A cycle came to its end; it is a good one if every list was read whole."""
        self.open_intents, self.undecided_in = open_intents, undecided_in
        if plan.clock_skew is not None and open_intents:
            log.warning("clocks_apart", seconds=round(plan.clock_skew.total_seconds()), open_intents=open_intents)
        if plan.not_whole:
            self.cycle_failed(Trouble.LIST_NOT_WHOLE)
            return
        self.health.last_good_cycle, self.health.trouble = at, None
        self.counters.cycle_ended(self.name, CycleResult.GOOD)

    def cycle_failed(self, trouble: Trouble) -> None:
        """A cycle came to nothing, because of this."""
        self.health.trouble = trouble
        if trouble in {Trouble.NOT_AUTHORISED, Trouble.PROXY_NOT_AUTHORISED}:
            self.health.signed_in = False
        self.counters.cycle_ended(self.name, _RESULTS.get(trouble, CycleResult.FAILED))

    def died(self) -> None:
        """The account's task ended without having been asked to."""
        self.health.died = True

    def called(self, made: CallMade) -> None:
        """One attempt at a call to Portfolio Manager came to an end."""
        self.counters.called(self.name, made)
        log.debug(
            "call_made", service=made.service, status=made.status, error=made.error, seconds=round(made.seconds, 3)
        )
