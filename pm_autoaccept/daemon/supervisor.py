"""Supervisor: runs one worker per account side by side, and reports that this replica is alive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import datetime

import structlog

from pm_autoaccept import __version__
from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import Program, Settings, host_and_port
from pm_autoaccept.daemon.abandoned_tasks import cancel_and_wait
from pm_autoaccept.daemon.account_worker import AccountWorker
from pm_autoaccept.daemon.answer_watch import AnswerWatch
from pm_autoaccept.daemon.lease import RENEWALS_PER_LEASE, holder_name
from pm_autoaccept.daemon.notice_sender import NoticeSender
from pm_autoaccept.daemon.replica_share import ReplicaShare
from pm_autoaccept.daemon.shutdown import Stop
from pm_autoaccept.daemon.stoppage_watch import StoppageWatch
from pm_autoaccept.errors import ConfigurationError, LedgerError, LedgerUnavailable, PmAutoacceptError, PolicyRefused
from pm_autoaccept.ledger import Database, Leases
from pm_autoaccept.ledger.proxy_passwords import proxy_guard_in_ledger
from pm_autoaccept.model import Deliver, NoticeTarget
from pm_autoaccept.telemetry.logs import account_context
from pm_autoaccept.telemetry.server import serve_probes
from pm_autoaccept.telemetry.telemetry import Telemetry

log = structlog.get_logger()


async def run(
    program: Program,
    *,
    stop: Stop,
    reload_settings: Callable[[str], Settings] | None = None,
    telemetry: Telemetry | None = None,
    now: Callable[[], datetime] = utc_now,
    targets: Sequence[NoticeTarget] | None = None,
    deliver: Deliver | None = None,
) -> None:
    """Run the daemon: answer all accounts until a stop is requested. An error in one account does not end the others.

    Args:
        program: the settings.
        stop: ends the daemon.
        reload_settings: reads the current settings of an account, for a changed password; None keeps them.
        telemetry: the state for probes and metrics; by default, a new one.
        now: the clock.
        targets: whom notices tell of what happens; by default, those of the settings.
        deliver: delivers a notice; by default, as the settings say.

    Raises:
        PolicyRefused, ConfigurationError, LedgerError: the daemon cannot start, or work on every account has ended.
    """
    telemetry = telemetry or Telemetry(version=__version__, now=now)
    async with AsyncExitStack() as stack:
        share = ReplicaShare([])
        database = await Database.open(program.ledger)
        stack.push_async_callback(database.close)
        proxy_guard = proxy_guard_in_ledger(database, now=now)
        if targets is None:
            targets = program.routing
        if deliver is None and targets:
            from pm_autoaccept.notices.delivery import Delivery  # noqa: PLC0415 — most need no notices

            deliver = Delivery.of(program, proxy_guard, now)
        leases = Leases(database, holder=holder_name(), ttl=program.lease)
        for settings in program.accounts:
            share.accounts.append(
                AccountWorker(
                    settings=settings,
                    database=database,
                    leases=leases,
                    telemetry=telemetry.account(settings.name, interval=settings.interval, groups=settings.groups),
                    stop=stop,
                    wants_account=share.wants_account,
                    should_release=share.should_release,
                    reload_settings=_settings_reader(settings, reload_settings),
                    proxy_guard=proxy_guard,
                    targets=tuple(targets),
                    now=now,
                )
            )
        await _load_policies(share.accounts)
        if program.listen is not None:
            host, port = host_and_port(program.listen)
            bound = await stack.enter_async_context(serve_probes(telemetry, host=host, port=port))
            log.info("probes_served", host=bound[0], port=bound[1])
        answers = AnswerWatch(database=database, workers=share.accounts, now=now)
        sender = None
        if targets and deliver is not None:
            telemetry.notices.start([target.name for target in targets])
            sender = NoticeSender(
                database=database,
                leases=leases,
                targets=targets,
                deliver=deliver,
                stop=stop,
                ttl=program.lease,
                metrics=telemetry.notices,
                now=now,
            )
        every = program.lease.total_seconds() / RENEWALS_PER_LEASE
        stoppages = StoppageWatch(database=database, workers=share.accounts, targets=targets, now=now)
        watches: list[AnswerWatch | StoppageWatch] = [answers, stoppages] if targets else [answers]
        await _run_workers(share, leases, watches, sender, stop, every=every)


def _settings_reader(settings: Settings, reload_settings: Callable[[str], Settings] | None) -> Callable[[], Settings]:
    return (lambda: settings) if reload_settings is None else (lambda: reload_settings(settings.name))


async def _load_policies(accounts: list[AccountWorker]) -> None:
    """Load the policy of each account. Raises the first error if no account has a valid policy."""
    faults: list[PmAutoacceptError] = []
    for each in accounts:
        try:
            await each.load_policy()
        except (PolicyRefused, ConfigurationError) as error:
            faults.append(error)
    if len(faults) == len(accounts):
        raise faults[0]


async def _run_workers(
    share: ReplicaShare,
    leases: Leases,
    watches: Sequence[AnswerWatch | StoppageWatch],
    sender: NoticeSender | None,
    stop: Stop,
    *,
    every: float,
) -> None:
    # Before any account is taken, so that each replica knows how many there are.
    with suppress(LedgerUnavailable):
        share.replicas = await leases.send_heartbeat()
    watching = [asyncio.create_task(each.run(), name=type(each).__name__) for each in watches]
    reporting = asyncio.create_task(_report_alive(share, leases, every=every), name="replica heartbeat")
    notices = [] if sender is None else [asyncio.create_task(_run_sender(sender), name="notice sender")]
    tasks = [asyncio.create_task(_run_worker(each), name=f"account {each.settings.name}") for each in share.accounts]
    try:
        failures = [failure for failure in await asyncio.gather(*tasks) if failure is not None]
        if stop.requested.is_set():
            await asyncio.gather(*notices)  # it ends by itself, after the deliveries in flight
    finally:
        await cancel_and_wait(reporting, *watching, *notices, *tasks)
        with suppress(LedgerError):
            await leases.remove_heartbeat()
    if failures and len(failures) == len(tasks) and not stop.requested.is_set():
        raise failures[0]


async def _run_worker(each: AccountWorker) -> Exception | None:
    """Run the worker of one account. The error that ends it is logged and returned."""
    with account_context(each.settings.name):
        try:
            await each.run()
        except PmAutoacceptError as error:
            log.error("account_ended", error=str(error))  # noqa: TRY400 — its text is enough
            each.telemetry.crashed()
            return error
        except Exception as error:
            # An internal error in one account must not end the others. /livez reports it.
            log.exception("account_ended")
            each.telemetry.crashed()
            return error
    return None


async def _run_sender(sender: NoticeSender) -> None:
    """Send notices, whatever happens: an internal error must not end it, and it must not end the accounts."""
    while not sender.stop.requested.is_set():
        try:
            await sender.run()
        except Exception:
            log.exception("notice_sender_failed")
            await sender.stop.wait(sender.ttl)


async def _report_alive(share: ReplicaShare, leases: Leases, *, every: float) -> None:
    """Record periodically that this replica is alive, and count the live replicas."""
    while True:
        await asyncio.sleep(every)
        try:
            share.replicas = await leases.send_heartbeat()
        except LedgerUnavailable as error:
            log.warning("replica_heartbeat_failed", error=str(error))
