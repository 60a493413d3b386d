"""One account's cycle: `look` is poll, parse, decide, plan; `answer` is act and record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from pm_autoaccept.act import Answering
from pm_autoaccept.decide import decide, sources_in_use, trusted_time
from pm_autoaccept.model import (
    NOT_ASKED_FOR,
    Decision,
    Fact,
    Finding,
    Mode,
    Need,
    NotLearnt,
    Plan,
    ProviderAccount,
    Receipt,
    Remembered,
    Snapshot,
    SourceUse,
    Step,
)
from pm_autoaccept.plan import plan
from pm_autoaccept.policy import Policy, Table, end_of_day, weigh
from pm_autoaccept.poll import Poller
from pm_autoaccept.portfolio_manager import PortfolioManager
from pm_autoaccept.record import REPEAT_WITHIN, Ledger
from pm_autoaccept.telemetry.events import log_finding, log_told

NOTED_EVERY = timedelta(hours=1)
"""How often it is noted again what tables hold that have not changed."""


def utc_now() -> datetime:
    """The clock that everything but tests uses."""
    return datetime.now(UTC)


def paused_by(file: Path | None) -> str | None:
    """Say so while the file is there that pauses answering; also where nobody can say whether it is."""
    try:
        return f"answering is paused while {file} is there" if file is not None and file.exists() else None
    except OSError as error:
        return f"answering is paused, because nobody can say whether {file} is there: {error}"


@dataclass(slots=True)
class Cycle:
    """Everything that one provider account's cycle works with.

    Attributes:
        tables: the policy's data as they were read; they may change at any moment, and an answer that was decided by
            others is dropped.
        dated: when the contents of each are from.
        stop: says why nothing more may be sent, None while it may.
        pause_file: while it is there nothing is answered.
        repeat_within: see `Answering`.
        tell: called with what came of each step.
        tell_found: called with what changed in what is connected and shared.
        tell_decided: called with each decision that is new, or differs from the request's last one.
    """

    pm: PortfolioManager
    provider: ProviderAccount
    ledger: Ledger
    policy: Policy
    tables: Mapping[str, Fact[Table]]
    mode: Mode
    now: Callable[[], datetime] = utc_now
    stop: Callable[[], str | None] = lambda: None
    pause_file: Path | None = None
    tell: Callable[[Receipt], None] = lambda _receipt: None
    repeat_within: timedelta = REPEAT_WITHIN
    tell_found: Callable[[Finding], None] = log_finding
    tell_decided: Callable[[Decision], None] = log_told
    dated: Mapping[str, datetime | None] = field(default_factory=dict)
    _poller: Poller = field(init=False)
    _remembered: Fact[Mapping[str, Remembered]] = field(default=NotLearnt("nobody was asked yet"), init=False)
    _apart: Fact[timedelta] = field(default=NotLearnt("nothing was read yet"), init=False)
    _noted: tuple[tuple[SourceUse, ...], datetime] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._poller = Poller(pm=self.pm, provider=self.provider, needs=self.policy.needs, now=self.now)

    def replace_policy(
        self,
        policy: Policy,
        tables: Mapping[str, Fact[Table]],
        dated: Mapping[str, datetime | None] = MappingProxyType({}),
    ) -> None:
        """Judge by another policy from now on; steps that were planned by the old one are dropped."""
        self.policy, self.tables, self.dated = policy, tables, dated
        self._poller.needs = policy.needs

    async def look(self, *, record: bool = True) -> Plan:
        """Read, decide, plan; sends nothing but GETs.

        Args:
            record: whether what was seen and decided goes into the ledger; otherwise the ledger is only read.
        """
        snapshot = await self._read(record=record)
        planned = replace(await self.judge(snapshot), paused=await self.paused())
        if record:
            await self._remember()
            # What was decided of a request stands while a read misses it; that it does, its row says.
            shown = {request.key for pending in snapshot.lists for request in pending.requests}
            decisions = [decision for decision in planned.decisions if decision.key in shown]
            for decision in await self.ledger.decide(decisions, planned.kept_back, mode=self.mode, at=self.now()):
                self.tell_decided(decision)
        return planned

    async def judge(self, snapshot: Snapshot) -> Plan:
        """Decide and plan what a snapshot shows."""
        history = await self.ledger.history(snapshot, limits=self.policy.limits, at=self.now())
        claims = Need.CLAIMS in self.policy.needs and any(pending.requests for pending in snapshot.lists)
        accepted = await self.ledger.accepted() if claims else NOT_ASKED_FOR
        self._apart, self._remembered = snapshot.clock, {}
        if any(source.guarded for source in self.policy.sources.values()):
            self._remembered = await self.ledger.remembered(at=self.now())
        now = self.now()
        decisions = decide(
            snapshot,
            policy=self.policy,
            tables=self.good_tables(),
            now=now,
            held=history.held,
            accepted=accepted,
            missed=history.missed,
        )
        planned = plan(decisions, snapshot=snapshot, history=history)
        # What `today` and `until` said of one day is not said of the next.
        return replace(planned, fresh_until=min(planned.fresh_until, end_of_day(now, self.policy.time_zone)))

    def good_tables(self) -> Mapping[str, Fact[Table]]:
        """The policy's data as they stand now, by the memory and the clocks of the last look."""
        time = trusted_time(self._apart, self.now())
        return weigh(self.policy.sources, self.tables, dated=self.dated, remembered=self._remembered, time=time)

    async def answer(self, planned: Plan) -> tuple[Receipt, ...]:
        """Send what was planned, in `enforce` mode only; in `observe` mode, or while paused, nothing is sent."""
        if self.mode is not Mode.ENFORCE or await self.paused() is not None:
            return ()

        def still_good(step: Step) -> str | None:
            if (why := self.stop() or paused_by(self.pause_file)) is not None:
                return why
            in_force = self.policy.digest, sources_in_use(self.policy, self.good_tables())
            if in_force != (step.decision.policy_digest, step.decision.sources):
                return "the policy or its data has changed since this was decided"
            if not planned.fresh_from <= self.now() <= planned.fresh_until:
                return "the list that showed it has grown too old, the day has ended, or the clock was set back"
            return None

        answering = Answering(
            pm=self.pm,
            ledger=self.ledger,
            now=self.now,
            still_good=still_good,
            tell=self.tell,
            repeat_within=self.repeat_within,
        )
        return await answering.act(planned)

    async def paused(self) -> str | None:
        """Say who or what has paused answering, None where nobody has."""
        return paused_by(self.pause_file) or await self.ledger.paused()

    async def _remember(self) -> None:
        """Note what the good tables hold, when that has changed, and again every hour."""
        now, good = self.now(), sources_in_use(self.policy, self.good_tables())
        if good and (self._noted is None or self._noted[0] != good or abs(now - self._noted[1]) >= NOTED_EVERY):
            await self.ledger.remember(good, at=now)
            self._noted = good, now

    async def _read(self, *, record: bool) -> Snapshot:
        in_doubt = await self.ledger.owners_in_doubt()
        if not record:
            return await self._poller.poll(in_doubt=in_doubt)
        snapshot = await self._poller.poll(in_doubt=in_doubt, watched=await self.ledger.watched())
        await self.ledger.see(snapshot, at=self.now(), private=self.policy.private)
        for finding in await self.ledger.watch(snapshot, at=self.now()):
            self.tell_found(finding)
        return snapshot
