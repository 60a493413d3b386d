"""Account worker: takes the lease, signs in, repeats the cycle, and after several failures only probes the service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from pm_autoaccept.account import ActivePolicy, build_cycle, data_places
from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import Settings
from pm_autoaccept.cycle import Cycle
from pm_autoaccept.daemon.abandoned_tasks import cancel_and_wait
from pm_autoaccept.daemon.backoff import FAILURES_BEFORE_PROBING, backoff_after, touch_heartbeat
from pm_autoaccept.daemon.lease import RENEWALS_PER_LEASE, LeaseHold, hold_lease
from pm_autoaccept.daemon.one_cycle import run_cycle
from pm_autoaccept.daemon.policy_watch import PolicyWatch
from pm_autoaccept.daemon.shutdown import Stop
from pm_autoaccept.egress.proxy_password import ProxyPasswordGuard
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
from pm_autoaccept.model import NoticeTarget
from pm_autoaccept.portfolio_manager import RateLimiter
from pm_autoaccept.sign_in import sign_in
from pm_autoaccept.sign_in_memory import sign_in_attempts
from pm_autoaccept.telemetry.account_telemetry import AccountTelemetry
from pm_autoaccept.telemetry.health import Trouble
from pm_autoaccept.telemetry.logs import cycle_context

log = structlog.get_logger()

SETTINGS_RECHECK = timedelta(seconds=30)
"""How often the settings are read again for a changed password after a refusal."""


@dataclass(slots=True, kw_only=True)
class AccountWorker:
    """The worker of one account in this process.

    Attributes:
        settings: the account's settings; read again after its password was refused.
        database: the database of the ledger.
        leases: the leases of this replica.
        telemetry: receives the account's events.
        stop: ends the worker.
        wants_account: returns whether this replica should take another account.
        should_release: returns whether to release the account for a replica that holds fewer.
        reload_settings: reads the current settings.
        proxy_guard: protects proxy passwords from lockout; shared by all accounts.
        targets: whom notices tell of what happens.
        now: the clock.
    """

    settings: Settings
    database: Database
    leases: Leases
    telemetry: AccountTelemetry
    stop: Stop
    wants_account: Callable[[], bool] = lambda: True
    should_release: Callable[[], bool] = lambda: False
    reload_settings: Callable[[], Settings]
    proxy_guard: ProxyPasswordGuard
    targets: tuple[NoticeTarget, ...] = ()
    now: Callable[[], datetime] = utc_now
    _watch: PolicyWatch | None = field(default=None, init=False)
    _rate_limiter: RateLimiter | None = field(default=None, init=False)
    _held: bool = field(default=False, init=False)

    @property
    def held(self) -> bool:
        """Whether this process holds the account's lease."""
        return self._held

    @property
    def account(self) -> str:
        """The account's name."""
        return self.settings.name

    def wake(self) -> None:
        """Begin the next cycle now, unless the last one failed."""
        if self._watch is not None:
            self._watch.stirred.set()

    async def load_policy(self) -> None:
        """Load the policy and read its data; raises `PolicyRefused` or `ConfigurationError`."""
        self._watch = await PolicyWatch.begin(data_places(self.settings, self.proxy_guard), now=self.now)
        self._policy_loaded(self._watch.active)

    async def run(self) -> None:
        """Answer the account until a stop is requested. A refused password or an outage of the service does not end it.

        Raises:
            LedgerMismatch: the ledger belongs to another account.
        """
        unreachable = 0
        while not self.stop.requested.is_set():
            watch = await self._get_watch()
            if watch is None:
                self.telemetry.without_policy()
                await self.stop.wait(self._recheck_interval)
                continue
            try:
                held_lease = await self.leases.take(self.settings.name) if self.wants_account() else None
            except LedgerUnavailable as error:
                self.telemetry.lease_in_doubt()
                wait = backoff_after(unreachable)
                unreachable += 1
                log.warning("lease_not_taken", error=str(error), next_try_in_seconds=wait.total_seconds())
                await self.stop.wait(wait)
                continue
            unreachable = 0
            if held_lease is None:
                await self._stand_by(watch)
            else:
                await self._run_with_lease(watch, held_lease)

    @property
    def _recheck_interval(self) -> timedelta:
        """How long to wait before checking again whether there is work for this process."""
        return self.settings.lease / RENEWALS_PER_LEASE

    async def _stand_by(self, watch: PolicyWatch) -> None:
        """Stand by while another replica holds the lease."""
        await self._apply_changes(watch)
        # Standby is a healthy state, so a health check of this replica must not fail.
        self.telemetry.standing_by()
        touch_heartbeat(self.settings.heartbeat)
        await self.stop.wait(self._recheck_interval)

    async def _run_with_lease(self, watch: PolicyWatch, held_lease: HeldLease) -> None:
        """Work on the account while this process holds its lease."""
        ledger = SqlLedger(
            self.database,
            name=self.settings.name,
            unknown_wait=self.settings.unknown_wait,
            first_answer_wait=self.settings.first_answer_wait,
        )
        ledger.answer_expiry = self.settings.review_expiry
        ledger.targets = self.targets
        answer, ttl = self.settings.timeout, self.settings.lease
        async with hold_lease(self.leases, held_lease, ledger, ttl=ttl, answer_timeout=answer) as lease:
            log.info("lease_taken", epoch=held_lease.epoch)
            self.telemetry.lease_taken()
            self._held = True
            polling = asyncio.create_task(watch.poll_files(), name=f"poll the policy files of {self.settings.name}")
            try:
                await self._sign_in_and_repeat(watch, ledger, lease)
            finally:
                self._held = False
                await cancel_and_wait(polling)
        log.info("lease_ended" if lease.lost else "lease_released")

    async def _get_watch(self) -> PolicyWatch | None:
        """The policy watch; None while no valid policy has been loaded yet."""
        if self._watch is None:
            try:
                await self.load_policy()
            except (PolicyRefused, ConfigurationError) as error:
                log.error("policy_refused", error=str(error), in_force=None)  # noqa: TRY400 — its text is enough
        return self._watch

    async def _sign_in_and_repeat(self, watch: PolicyWatch, ledger: SqlLedger, lease: LeaseHold) -> None:
        """Sign in and repeat the cycle until a stop is requested, the lease ends, or it should be released."""

        def blocked_reason() -> str | None:
            return self.stop.blocked_reason() or lease.blocked_reason() or watch.blocked_reason()

        failed = 0
        while not self._should_end(lease):
            await self._apply_changes(watch)
            # A rate lowered by a 429 and a Retry-After also apply to the next sign-in.
            self._rate_limiter = self._rate_limiter or RateLimiter(
                in_flight=self.settings.in_flight, rate=self.settings.rate
            )
            try:
                async with AsyncExitStack() as stack:
                    signing_in = sign_in(
                        self.settings,
                        ledger,
                        proxy_guard=self.proxy_guard,
                        rate_limiter=self._rate_limiter,
                        on_call=self.telemetry.called,
                        sleep=self.stop.sleep,
                        now=self.now,
                    )
                    session = await self.stop.unless_stopping(stack.enter_async_context(signing_in))
                    if session is None:
                        return
                    cycle = build_cycle(
                        session,
                        self.settings,
                        watch.active,
                        blocked_reason=blocked_reason,
                        on_receipt=self.telemetry.answered,
                        on_decision=self.telemetry.decided,
                        on_tables=self.telemetry.tables_checked,
                        now=self.now,
                    )
                    log.info(
                        "signed_in",
                        username=session.provider.username,
                        service=self.settings.service_shown,
                        mode=self.settings.mode,
                    )
                    self.telemetry.signed_in(session.pm.rate_limiter)
                    failed = 0
                    await self._repeat_cycles(cycle, watch, lease)
            except NotAuthorised as error:
                await self._wait_for_password(error, ledger)
            except LeaseLost as error:
                lease.lost = True
                log.warning("lease_lost", error=str(error))
            except (PortfolioManagerError, LedgerUnavailable) as error:
                self.telemetry.sign_in_failed(_trouble(error, Trouble.SIGN_IN_FAILED))
                wait = backoff_after(failed)
                failed += 1
                log.warning("sign_in_failed", error=str(error), next_try_in_seconds=wait.total_seconds())
                await self.stop.wait(wait)

    def _should_end(self, lease: LeaseHold) -> bool:
        return self.stop.requested.is_set() or lease.lost or self.should_release()

    async def _repeat_cycles(self, cycle: Cycle, watch: PolicyWatch, lease: LeaseHold) -> None:
        """Repeat the cycle, with backoff after failures. What a failed cycle had begun is in the ledger."""
        failed, on_record = 0, None
        while not self._should_end(lease):
            await self._apply_changes(watch)
            cycle.replace_policy(watch.active.policy, watch.active.tables, watch.active.dated)
            try:
                with cycle_context():
                    if watch.active.revision != on_record:
                        await cycle.ledger.record_policy_revision(watch.active.revision, at=self.now())
                        on_record = watch.active.revision
                    all_failed = await self._run_one_cycle(cycle, lease, probes=failed >= FAILURES_BEFORE_PROBING)
            except NotAuthorised as error:
                self.telemetry.cycle_failed(_password_trouble(error))
                raise
            except LeaseLost:
                raise
            except (PortfolioManagerError, LedgerUnavailable) as error:
                self.telemetry.cycle_failed(_trouble(error, Trouble.CYCLE_FAILED))
                all_failed = str(error)
            if self.stop.requested.is_set():
                return  # a cycle that was cut short shows neither success nor failure
            if all_failed is None:
                if failed >= FAILURES_BEFORE_PROBING:
                    log.info("account_resumed", after_failures=failed)
                failed, wait = 0, self.settings.interval
                touch_heartbeat(self.settings.heartbeat)
            else:
                wait = backoff_after(failed)
                failed += 1
                log.warning(
                    "account_rested" if failed == FAILURES_BEFORE_PROBING else "cycle_failed",
                    error=all_failed,
                    next_try_in_seconds=wait.total_seconds(),
                )
            await self.stop.wait_between_cycles(wait, unless=watch.stirred if failed == 0 else None)
            cycle.pm.was_idle()

    async def _run_one_cycle(self, cycle: Cycle, lease: LeaseHold, *, probes: bool) -> str | None:
        """Run one cycle; with `probes`, only after one small call succeeded. Returns the error of a failed cycle."""
        if probes:
            await self.stop.unless_stopping(cycle.pm.account())
        all_failed = None if self.stop.requested.is_set() else await run_cycle(cycle, lease, self.telemetry, self.stop)
        if not self.stop.requested.is_set():
            await self._mask_old_records()
        return all_failed

    async def _mask_old_records(self) -> None:
        """Mask personal data in records older than the retention period, at most once a day."""
        retention = self.settings.retention
        masked = await apply_retention(self.database, retention, account=self.settings.name, at=self.now())
        if masked is not None:
            log.info("old_rows_masked", requests=masked.requests, others=masked.others, erased=masked.erased)

    async def _wait_for_password(self, error: NotAuthorised, ledger: SqlLedger) -> None:
        """Wait until the refused password may be retried, was changed in the settings, or was accepted elsewhere."""
        refused = sign_in_attempts(self.settings, ledger.database)
        of_a_proxy = isinstance(error, ProxyNotAuthorised)
        until = error.until or self.now()
        self.telemetry.sign_in_failed(_password_trouble(error))
        wait = max(until - self.now(), timedelta(seconds=1))
        if of_a_proxy:
            log.error("proxy_not_authorised", error=str(error), next_try_in_seconds=wait.total_seconds())
        else:
            log.error("not_authorised", error=str(error), next_try_in_seconds=wait.total_seconds())
        while not self.stop.requested.is_set() and self.now() < until:
            await self.stop.wait(min(max(until - self.now(), timedelta(seconds=1)), SETTINGS_RECHECK))
            try:
                fresh = self.reload_settings()
            except ConfigurationError:
                continue  # the file may be half written; keep the current settings
            if (fresh.password, fresh.proxies) != (self.settings.password, self.settings.proxies):
                log.info("password_changed")
                self.settings, self._rate_limiter = fresh, None
                if self._watch is not None:
                    self._watch.replace_places(data_places(fresh, self.proxy_guard))
                return
            with suppress(LedgerUnavailable):
                if not of_a_proxy and await refused.is_good() and await refused.may_try(at=self.now()) is None:
                    return

    def _policy_loaded(self, policy: ActivePolicy) -> None:
        self.telemetry.policy_loaded(policy.policy, policy.tables, dated=policy.dated, at=self.now())

    async def _apply_changes(self, watch: PolicyWatch) -> None:
        """Load a changed policy and changed data."""
        if await watch.apply_changes():
            self._policy_loaded(watch.active)
        self.telemetry.policy_refused(watch.refusal)


def _password_trouble(error: NotAuthorised) -> Trouble:
    return Trouble.PROXY_NOT_AUTHORISED if isinstance(error, ProxyNotAuthorised) else Trouble.NOT_AUTHORISED


def _trouble(error: Exception, otherwise: Trouble) -> Trouble:
    return Trouble.LEDGER_UNAVAILABLE if isinstance(error, LedgerUnavailable) else otherwise
