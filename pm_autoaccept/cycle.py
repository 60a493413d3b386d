"""One cycle of an account: `look` polls, parses, decides and plans; `answer` sends the plan and records outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import is_not
from pathlib import Path
from types import MappingProxyType

from pm_autoaccept.act import AnswerSender
from pm_autoaccept.clock import utc_now
from pm_autoaccept.decide import decide, sources_in_use, trusted_time
from pm_autoaccept.model import (
    NOT_ASKED_FOR,
    Decision,
    Fact,
    Finding,
    GuardFacts,
    Mode,
    Need,
    Plan,
    ProviderAccount,
    Receipt,
    Snapshot,
    SourceUse,
    Step,
    VoidedAnswer,
)
from pm_autoaccept.plan import plan
from pm_autoaccept.policy import AcceptedClaims, Policy, Table, apply_guards, end_of_day
from pm_autoaccept.poll import Poller
from pm_autoaccept.portfolio_manager import PortfolioManager
from pm_autoaccept.record import RETRY_WITHIN, Ledger
from pm_autoaccept.telemetry.events import log_finding, log_notify_group, log_voided_answer

Tables = Mapping[str, Fact[Table]]
"""The policy's tables by name, or the reason why a table cannot be used."""

TABLE_NOTE_INTERVAL = timedelta(hours=1)
"""How often the row counts of unchanged tables are recorded again."""

GUARD_RECHECK = timedelta(milliseconds=50)
"""How long a check of the guards is trusted. Contents grow old later by this much; new contents count at once."""


def pause_file_reason(file: Path | None) -> str | None:
    """Why the pause file blocks answering; None if it does not exist. It also blocks if it cannot be checked."""
    try:
        return f"answering is paused while {file} exists" if file is not None and file.exists() else None
    except OSError as error:
        return f"answering is paused, because {file} cannot be checked: {error}"


@dataclass(slots=True)
class Cycle:
    """The cycle of one provider account, and everything it needs.

    Attributes:
        tables: the policy's tables as read. They can change at any time; an answer that was decided on other contents
            is dropped.
        dated: the date of the contents of each table.
        blocked_reason: returns why nothing more may be sent now, or None.
        pause_file: while this file exists, nothing is answered.
        repeat_within: see `AnswerSender`.
        on_receipt: called with the outcome of each step.
        on_finding: called with each connection or share that appeared or ended without a decision of ours.
        on_decision: called with each decision that is new or differs from the request's last one.
        on_voided: called with each answer by people that will not be sent, because what they saw has changed.
        on_tables: called in each look with the checked tables; a table that its guard refused is a reason instead.
    """

    pm: PortfolioManager
    provider: ProviderAccount
    ledger: Ledger
    policy: Policy
    tables: Tables
    mode: Mode
    now: Callable[[], datetime] = utc_now
    blocked_reason: Callable[[], str | None] = lambda: None
    pause_file: Path | None = None
    on_receipt: Callable[[Receipt], None] = lambda _receipt: None
    repeat_within: timedelta = RETRY_WITHIN
    on_finding: Callable[[Finding], None] = log_finding
    on_decision: Callable[[Decision], None] = log_notify_group
    on_tables: Callable[[Tables], None] = lambda _tables: None
    on_voided: Callable[[VoidedAnswer], None] = log_voided_answer
    dated: Mapping[str, datetime | None] = field(default_factory=dict)
    _poller: Poller = field(init=False)
    _claims: AcceptedClaims = field(default_factory=AcceptedClaims, init=False)
    _last_noted: tuple[tuple[SourceUse, ...], datetime] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._poller = Poller(pm=self.pm, provider=self.provider, needs=self.policy.needs, now=self.now)

    def replace_policy(
        self,
        policy: Policy,
        tables: Tables,
        dated: Mapping[str, datetime | None] = MappingProxyType({}),
    ) -> None:
        """Use another policy from now on. Steps planned by the old policy are dropped."""
        if policy is not self.policy:
            self._poller.needs = policy.needs
        self.policy, self.tables, self.dated = policy, tables, dated

    async def look(self, *, record: bool = True) -> Plan:
        """Poll, decide and plan. Sends nothing but GETs.

        Args:
            record: whether requests and decisions are recorded; otherwise the ledger is only read.
        """
        snapshot = await self._read(record=record)
        guards = await self._guard_facts(snapshot)
        tables = self.checked_tables(guards, now=self.now())
        self.on_tables(tables)
        planned = replace(await self._judge(snapshot, tables), guards=guards, paused=await self.pause_reason())
        if record:
            await self._record_tables(tables)
            # The decision on a request stays in effect while a read misses it; its row in the ledger says so.
            shown = {request.key for pending in snapshot.lists for request in pending.requests}
            decisions = [decision for decision in planned.decisions if decision.key in shown]
            appended = await self.ledger.record_decisions(decisions, planned.kept_back, mode=self.mode, at=self.now())
            for each in appended:
                self.on_decision(each.decision)
            self._tell_voided(await self.ledger.void_answers(planned.voided, at=self.now()))
            numbers = {each.decision.key: each.number for each in appended}
            steps = (replace(step, decision_number=numbers.get(step.key)) for step in planned.steps)
            planned = replace(planned, steps=tuple(steps))
        return planned

    def checked_tables(self, guards: GuardFacts, *, now: datetime) -> Tables:
        """The policy's tables as they are now, checked against their guards."""
        time = trusted_time(guards.clock, now)
        return apply_guards(self.policy.sources, self.tables, dated=self.dated, remembered=guards.remembered, time=time)

    async def _guard_facts(self, snapshot: Snapshot) -> GuardFacts:
        """The clock difference and earlier row counts that the guards are checked against."""
        if any(source.guarded for source in self.policy.sources.values()):
            return GuardFacts(snapshot.clock, await self.ledger.source_histories(at=self.now()))
        return GuardFacts(snapshot.clock, {})

    async def _judge(self, snapshot: Snapshot, tables: Tables) -> Plan:
        """Decide the requests of a snapshot, and plan the answers."""
        # Most cycles of most accounts find nothing pending, so they skip what only an answer needs.
        pending = any(each.requests for each in snapshot.lists)
        history = await self.ledger.history(snapshot, limits=self.policy.limits if pending else (), at=self.now())
        claims = pending and Need.CLAIMS in self.policy.needs
        accepted = await self.ledger.accepted_claims() if claims else NOT_ASKED_FOR
        now = self.now()
        decisions = decide(
            snapshot,
            policy=self.policy,
            tables=tables,
            now=now,
            held=history.held,
            accepted=accepted,
            missed=history.missed,
            kept_claims=self._claims,
            human_answers=history.human_answers,
        )
        planned = plan(decisions, snapshot=snapshot, history=history)
        # `today` and `until` may mean something else on the next day.
        return replace(planned, fresh_until=min(planned.fresh_until, end_of_day(now, self.policy.time_zone)))

    async def answer(self, planned: Plan) -> tuple[Receipt, ...]:
        """Send the planned answers, in `enforce` mode only. In `observe` mode, or while paused, nothing is sent."""
        if self.mode is not Mode.ENFORCE or await self.pause_reason() is not None:
            return ()

        basis = _Basis(self, planned.guards)

        def blocked_reason(step: Step) -> str | None:
            if (why := self.blocked_reason() or pause_file_reason(self.pause_file)) is not None:
                return why
            now = self.now()
            # Checked again before each answer: a table may have been replaced or become too old since. People stand
            # above the policy, so their answers do not depend on it.
            if step.decision.person is None and not basis.is_that_of(step.decision, now=now):
                return "the policy or its data has changed since this was decided"
            if not planned.fresh_from <= now <= planned.fresh_until:
                return "the list that showed it is too old, the day has ended, or the clock was set back"
            return None

        sender = AnswerSender(
            pm=self.pm,
            ledger=self.ledger,
            now=self.now,
            blocked_reason=blocked_reason,
            on_receipt=self.on_receipt,
            repeat_within=self.repeat_within,
        )
        return await sender.act(planned)

    async def pause_reason(self) -> str | None:
        """Why answering is paused: the pause file, or who paused it; None if it is not paused."""
        return pause_file_reason(self.pause_file) or await self.ledger.pause_reason()

    def _tell_voided(self, voided: Sequence[VoidedAnswer]) -> None:
        for answer in voided:
            self.on_voided(answer)

    async def _record_tables(self, tables: Tables) -> None:
        """Record the row counts of the usable tables when they change, and again every hour."""
        now, good = self.now(), sources_in_use(self.policy, tables)
        if good and (
            self._last_noted is None
            or self._last_noted[0] != good
            or abs(now - self._last_noted[1]) >= TABLE_NOTE_INTERVAL
        ):
            await self.ledger.record_sources(good, at=now)
            self._last_noted = good, now

    async def _read(self, *, record: bool) -> Snapshot:
        in_doubt = await self.ledger.owners_with_open_answers()
        if not record:
            return await self._poller.poll(in_doubt=in_doubt)
        snapshot = await self._poller.poll(in_doubt=in_doubt, watched=await self.ledger.share_reads())
        self._tell_voided(await self.ledger.record_snapshot(snapshot, at=self.now(), private=self.policy.private))
        for finding in await self.ledger.reconcile(snapshot, at=self.now()):
            self.on_finding(finding)
        return snapshot


class _Basis:
    """The policy and the data that answers are sent by. Asked several times for each answer, so it compares objects.

    A policy or a table that was replaced is another object. Only the guards also depend on the time, so they are
    checked again after `GUARD_RECHECK`.
    """

    def __init__(self, cycle: Cycle, guards: GuardFacts) -> None:
        self._cycle, self._guards = cycle, guards
        self._policy: Policy | None = None
        self._tables: tuple[Fact[Table] | None, ...] = ()
        self._sources: tuple[SourceUse, ...] = ()
        self._checked_at: datetime | None = None

    def is_that_of(self, decision: Decision, *, now: datetime) -> bool:
        """Whether the decision was made by the policy and the data that are in force now."""
        policy = self._cycle.policy
        tables = tuple(map(self._cycle.tables.get, policy.sources))
        if (
            self._checked_at is None
            or not timedelta() <= now - self._checked_at <= GUARD_RECHECK
            or policy is not self._policy
            or any(map(is_not, tables, self._tables))
        ):
            self._sources = sources_in_use(policy, self._cycle.checked_tables(self._guards, now=now))
            self._policy, self._tables, self._checked_at = policy, tables, now
        return decision.policy_digest == policy.digest and decision.sources == self._sources
