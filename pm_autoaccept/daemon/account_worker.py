"""Looks after one account: takes its lease, signs in, repeats the cycle, rests while Portfolio Manager is down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from pm_autoaccept.account import PolicyInForce, cycle_of, places
from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import Settings
from pm_autoaccept.cycle import Cycle
from pm_autoaccept.daemon.abandoned_tasks import drop
from pm_autoaccept.daemon.backoff import RESTS_AFTER, beat, wait_after
from pm_autoaccept.daemon.lease import RENEWALS, Hold, holding
from pm_autoaccept.daemon.one_cycle import look_and_answer
from pm_autoaccept.daemon.policy_watch import PolicyWatch
from pm_autoaccept.daemon.shutdown import Stop
from pm_autoaccept.egress.proxy_password import Passage
from pm_autoaccept.errors import (
    ConfigurationError,
    LeaseLost,
    LedgerUnavailable,
    NotAuthorised,
    PolicyRefused,
    PortfolioManagerError,
    ProxyNotAuthorised,
)
from pm_autoaccept.ledger import Database, HeldLease, Leases, SqlLedger
from pm_autoaccept.ledger.retention import apply_retention
from pm_autoaccept.portfolio_manager import Pace
from pm_autoaccept.sign_in import sign_in
from pm_autoaccept.sign_in_memory import credential
from pm_autoaccept.telemetry.account_telemetry import AccountTelemetry
from pm_autoaccept.telemetry.health import Trouble
from pm_autoaccept.telemetry.logs import one_cycle

log = structlog.get_logger()

LOOKS_FOR_A_PASSWORD = timedelta(seconds=30)
"""How often the settings are read again while a password waits that was refused."""


@dataclass(slots=True, kw_only=True)
class Serving:
    """One account, as this process looks after it.

    Attributes:
        settings: the account's; read again where its password was refused.
        database: the ledger's.
        leases: this replica's.
        telemetry: is told what happens.
        stop: ends it.
        wants: whether this replica should have the account, beside those that it has.
        gives_up: whether it should leave the account to a replica that has fewer.
        read_again: the settings as they stand now.
        passage: what is known of proxies' passwords, by all accounts together.
        now: the clock.
    """

    settings: Settings
    database: Database
    leases: Leases
    telemetry: AccountTelemetry
    stop: Stop
    wants: Callable[[], bool] = lambda: True
    gives_up: Callable[[], bool] = lambda: False
    read_again: Callable[[], Settings]
    passage: Passage
    now: Callable[[], datetime] = utc_now
    _watch: PolicyWatch | None = field(default=None, init=False)
    _pace: Pace | None = field(default=None, init=False)
    _held: bool = field(default=False, init=False)

    @property
    def held(self) -> bool:
        """Whether this replica has the account."""
        return self._held

    async def load_policy(self) -> None:
        """Load the policy and read its data; raises `PolicyRefused` or `ConfigurationError`."""
        self._watch = await PolicyWatch.begin(places(self.settings, self.passage), now=self.now)
        self._policy_loaded(self._watch.in_force)

    async def serve(self) -> None:
        """Answer the account until `stop` is asked. A refused password or a service that is down does not end it.

        Raises:
            LedgerMismatch: the ledger belongs to another account.
        """
        unreachable = 0
        while not self.stop.asked.is_set():
            watch = await self._policy()
            if watch is None:
                self.telemetry.without_policy()
                await self.stop.wait(self._look)
                continue
            try:
                held_lease = await self.leases.take(self.settings.name) if self.wants() else None
            except LedgerUnavailable as error:
                self.telemetry.lease_in_doubt()
                wait = wait_after(unreachable)
                unreachable += 1
                log.warning("lease_not_taken", error=str(error), next_try_in_seconds=wait.total_seconds())
                await self.stop.wait(wait)
                continue
            unreachable = 0
            if held_lease is None:
                await self._stand_by(watch)
            else:
                await self._work(watch, held_lease)

    @property
    def _look(self) -> timedelta:
        """How long until it is looked again whether there is something to do."""
        return self.settings.lease / RENEWALS

    async def _stand_by(self, watch: PolicyWatch) -> None:
        """Be ready while another replica has the account."""
        await self._take_over(watch)
        # All is as it should be, so a health check of this replica must not fail.
        self.telemetry.standing_by()
        beat(self.settings.heartbeat)
        await self.stop.wait(self._look)

    async def _work(self, watch: PolicyWatch, held_lease: HeldLease) -> None:
        """Do the account's work while this replica holds its lease."""
        ledger = SqlLedger(
            self.database,
            name=self.settings.name,
            unknown_wait=self.settings.unknown_wait,
            first_answer_wait=self.settings.first_answer_wait,
        )
        answer, lease = self.settings.timeout, self.settings.lease
        async with holding(self.leases, held_lease, ledger, ttl=lease, longest_answer=answer) as hold:
            log.info("lease_taken", epoch=held_lease.epoch)
            self.telemetry.lease_taken()
            self._held = True
            keeping = asyncio.create_task(watch.keep(), name=f"keep the data of {self.settings.name}")
            try:
                await self._sign_in_and_repeat(watch, ledger, hold)
            finally:
                self._held = False
                await drop(keeping)
        log.info("lease_ended" if hold.lost else "lease_released")

    async def _policy(self) -> PolicyWatch | None:
        """The policy's watch; None while the folder has never held a policy without faults."""
        if self._watch is None:
            try:
                await self.load_policy()
            except (PolicyRefused, ConfigurationError) as error:
                log.error("policy_refused", error=str(error), in_force=None)  # noqa: TRY400 — its text says all
        return self._watch

    async def _sign_in_and_repeat(self, watch: PolicyWatch, ledger: SqlLedger, hold: Hold) -> None:
        """Until `stop` is asked, the lease is over, or another replica should have the account."""

        def blocked_reason() -> str | None:
            return self.stop.blocked_reason() or hold.blocked_reason() or watch.blocked_reason()

        failed = 0
        while not self._ends(hold):
            await self._take_over(watch)
            # What a 429 asked for holds for the next sign-in too.
            self._pace = self._pace or Pace(in_flight=self.settings.in_flight, rate=self.settings.rate)
            try:
                async with AsyncExitStack() as stack:
                    signing_in = sign_in(
                        self.settings,
                        ledger,
                        passage=self.passage,
                        pace=self._pace,
                        on_call=self.telemetry.called,
                        sleep=self.stop.sleep,
                        now=self.now,
                    )
                    session = await self.stop.unless_asked(stack.enter_async_context(signing_in))
                    if session is None:
                        return
                    cycle = cycle_of(
                        session,
                        self.settings,
                        watch.in_force,
                        blocked_reason=blocked_reason,
                        on_receipt=self.telemetry.answered,
                        on_decision=self.telemetry.decided,
                        on_tables=self.telemetry.data_weighed,
                        now=self.now,
                    )
                    log.info(
                        "signed_in",
                        username=session.provider.username,
                        service=self.settings.service_shown,
                        mode=self.settings.mode,
                    )
                    self.telemetry.signed_in(session.pm.pace)
                    failed = 0
                    await self._repeat(cycle, watch, hold)
            except NotAuthorised as error:
                await self._wait_for_a_password(error, ledger)
            except LeaseLost as error:
                hold.lost = True
                log.warning("lease_lost", error=str(error))
            except (PortfolioManagerError, LedgerUnavailable) as error:
                self.telemetry.sign_in_failed(_trouble(error, Trouble.SIGN_IN_FAILED))
                wait = wait_after(failed)
                failed += 1
                log.warning("sign_in_failed", error=str(error), next_try_in_seconds=wait.total_seconds())
                await self.stop.wait(wait)

    def _ends(self, hold: Hold) -> bool:
        return self.stop.asked.is_set() or hold.lost or self.gives_up()

    async def _repeat(self, cycle: Cycle, watch: PolicyWatch, hold: Hold) -> None:
        """Repeat the cycle; a failed one is tried again later, what it had begun stands in the ledger."""
        failed, on_record = 0, None
        while not self._ends(hold):
            await self._take_over(watch)
            cycle.replace_policy(watch.in_force.policy, watch.in_force.tables, watch.in_force.dated)
            try:
                with one_cycle():
                    if watch.in_force.revision != on_record:
                        await cycle.ledger.record_policy_revision(watch.in_force.revision, at=self.now())
                        on_record = watch.in_force.revision
                    all_failed = await self._go_round(cycle, hold, probes=failed >= RESTS_AFTER)
            except NotAuthorised as error:
                self.telemetry.cycle_failed(_whose_password(error))
                raise
            except LeaseLost:
                raise
            except (PortfolioManagerError, LedgerUnavailable) as error:
                self.telemetry.cycle_failed(_trouble(error, Trouble.CYCLE_FAILED))
                all_failed = str(error)
            if self.stop.asked.is_set():
                return  # given up half-way it shows neither that all goes well nor that it does not
            if all_failed is None:
                if failed >= RESTS_AFTER:
                    log.info("account_resumed", after_failures=failed)
                failed, wait = 0, self.settings.interval
                beat(self.settings.heartbeat)
            else:
                wait = wait_after(failed)
                failed += 1
                log.warning(
                    "account_rested" if failed == RESTS_AFTER else "cycle_failed",
                    error=all_failed,
                    next_try_in_seconds=wait.total_seconds(),
                )
            await self.stop.rest(wait, unless=watch.stirred if failed == 0 else None)
            cycle.pm.was_idle()

    async def _go_round(self, cycle: Cycle, hold: Hold, *, probes: bool) -> str | None:
        """One cycle, where it `probes` after one small call succeeded; says what failed as a whole."""
        if probes:
            await self.stop.unless_asked(cycle.pm.account())
        all_failed = None if self.stop.asked.is_set() else await look_and_answer(cycle, hold, self.telemetry, self.stop)
        if not self.stop.asked.is_set():
            await self._mask()
        return all_failed

    async def _mask(self) -> None:
        """Take names out of what has grown older than the settings let it, at most once a day."""
        retention = self.settings.retention
        masked = await apply_retention(self.database, retention, account=self.settings.name, at=self.now())
        if masked is not None:
            log.info("old_rows_masked", requests=masked.requests, others=masked.others, erased=masked.erased)

    async def _wait_for_a_password(self, error: NotAuthorised, ledger: SqlLedger) -> None:
        """Wait until the password, or the proxy's, may be tried again, is another one, or was taken from elsewhere."""
        refused = credential(self.settings, ledger.database)
        of_a_proxy = isinstance(error, ProxyNotAuthorised)
        until = error.until or self.now()
        self.telemetry.sign_in_failed(_whose_password(error))
        wait = max(until - self.now(), timedelta(seconds=1))
        if of_a_proxy:
            log.error("proxy_not_authorised", error=str(error), next_try_in_seconds=wait.total_seconds())
        else:
            log.error("not_authorised", error=str(error), next_try_in_seconds=wait.total_seconds())
        while not self.stop.asked.is_set() and self.now() < until:
            await self.stop.wait(min(max(until - self.now(), timedelta(seconds=1)), LOOKS_FOR_A_PASSWORD))
            try:
                fresh = self.read_again()
            except ConfigurationError:
                continue  # a file that is being written; the settings in force stay
            if (fresh.password, fresh.proxies) != (self.settings.password, self.settings.proxies):
                log.info("password_changed")
                self.settings, self._pace = fresh, None
                if self._watch is not None:
                    self._watch.move(places(fresh, self.passage))
                return
            with suppress(LedgerUnavailable):
                if not of_a_proxy and await refused.is_good() and await refused.may_try(at=self.now()) is None:
                    return

    def _policy_loaded(self, policy: PolicyInForce) -> None:
        self.telemetry.policy_loaded(policy.policy, policy.tables, dated=policy.dated, at=self.now())

    async def _take_over(self, watch: PolicyWatch) -> None:
        """Take over what has changed in the policy's folder."""
        if await watch.changed():
            self._policy_loaded(watch.in_force)
        self.telemetry.policy_refused(watch.refusal)


def _whose_password(error: NotAuthorised) -> Trouble:
    return Trouble.PROXY_NOT_AUTHORISED if isinstance(error, ProxyNotAuthorised) else Trouble.NOT_AUTHORISED


def _trouble(error: Exception, otherwise: Trouble) -> Trouble:
    return Trouble.LEDGER_UNAVAILABLE if isinstance(error, LedgerUnavailable) else otherwise
