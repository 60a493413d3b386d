"""Looks after all accounts side by side: each on its own, none waits for another's trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from pm_autoaccept import __version__
from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import Program, Settings, host_and_port
from pm_autoaccept.daemon.abandoned_tasks import drop
from pm_autoaccept.daemon.account_worker import Serving
from pm_autoaccept.daemon.lease import RENEWALS, holder_name
from pm_autoaccept.daemon.shutdown import Stop
from pm_autoaccept.errors import ConfigurationError, LedgerError, LedgerUnavailable, PmAutoacceptError, PolicyRefused
from pm_autoaccept.ledger import Database, Leases
from pm_autoaccept.ledger.proxy_passwords import passage_in_ledger
from pm_autoaccept.telemetry.logs import one_account
from pm_autoaccept.telemetry.server import serving
from pm_autoaccept.telemetry.telemetry import Telemetry

log = structlog.get_logger()


@dataclass(slots=True)
class _Share:
    """How many of the accounts this replica should have: the replicas that live divide them."""

    accounts: list[Serving]
    replicas: int = 1

    @property
    def fair(self) -> int:
        return -(-len(self.accounts) // max(self.replicas, 1))

    @property
    def held(self) -> int:
        return sum(each.held for each in self.accounts)

    def wants(self) -> bool:
        return self.held < self.fair

    def gives_up(self) -> bool:
        return self.held > self.fair


async def run(
    program: Program,
    *,
    stop: Stop,
    read_again: Callable[[str], Settings] | None = None,
    telemetry: Telemetry | None = None,
    now: Callable[[], datetime] = utc_now,
) -> None:
    """Answer the accounts until `stop` is asked. What goes wrong with one of them does not end the others.

    Args:
        program: the settings.
        stop: ends it.
        read_again: an account's settings as they stand now, for a password that was changed; None: they stay.
        telemetry: what the probes and scrapers look at; a new one where None.
        now: the clock.

    Raises:
        PolicyRefused, ConfigurationError, LedgerError: what keeps it from starting at all, or has ended every account.
    """
    told = telemetry or Telemetry(version=__version__, now=now)
    async with AsyncExitStack() as stack:
        share = _Share([])
        database = await Database.open(program.ledger)
        stack.push_async_callback(database.close)
        passage = passage_in_ledger(database, now=now)
        leases = Leases(database, holder=holder_name(), ttl=program.lease)
        for settings in program.accounts:
            share.accounts.append(
                Serving(
                    settings=settings,
                    database=database,
                    leases=leases,
                    telemetry=told.account(settings.name, interval=settings.interval, groups=settings.groups),
                    stop=stop,
                    wants=share.wants,
                    gives_up=share.gives_up,
                    read_again=_reader(settings, read_again),
                    passage=passage,
                    now=now,
                )
            )
        await _load_policies(share.accounts)
        if program.listen is not None:
            host, port = host_and_port(program.listen)
            bound = await stack.enter_async_context(serving(told, host=host, port=port))
            log.info("probes_served", host=bound[0], port=bound[1])
        await _side_by_side(share, leases, stop, every=program.lease.total_seconds() / RENEWALS)


def _reader(settings: Settings, read_again: Callable[[str], Settings] | None) -> Callable[[], Settings]:
    return (lambda: settings) if read_again is None else (lambda: read_again(settings.name))


async def _load_policies(accounts: list[Serving]) -> None:
    """Load each account's policy; raises the first fault where not one account has a policy without faults."""
    faults: list[PmAutoacceptError] = []
    for each in accounts:
        try:
            await each.load_policy()
        except (PolicyRefused, ConfigurationError) as error:
            faults.append(error)
    if len(faults) == len(accounts):
        raise faults[0]


async def _side_by_side(share: _Share, leases: Leases, stop: Stop, *, every: float) -> None:
    # Before any account is taken, so that each replica knows from the start how many there are.
    with suppress(LedgerUnavailable):
        share.replicas = await leases.send_heartbeat()
    living = asyncio.create_task(_live(share, leases, every=every), name="give a sign of life")
    tasks = [asyncio.create_task(_look_after(each), name=f"account {each.settings.name}") for each in share.accounts]
    try:
        failures = [failure for failure in await asyncio.gather(*tasks) if failure is not None]
    finally:
        await drop(living, *tasks)
        with suppress(LedgerError):
            await leases.remove_heartbeat()
    if failures and len(failures) == len(tasks) and not stop.asked.is_set():
        raise failures[0]


async def _look_after(each: Serving) -> Exception | None:
    """One account's work; what ends it is told, and returned."""
    with one_account(each.settings.name):
        try:
            await each.serve()
        except PmAutoacceptError as error:
            log.error("account_ended", error=str(error))  # noqa: TRY400 — its text says all
            each.telemetry.died()
            return error
        except Exception as error:
            # A fault of the program in one account's work must not end the others'; /livez says so.
            log.exception("account_ended")
            each.telemetry.died()
            return error
    return None


async def _live(share: _Share, leases: Leases, *, every: float) -> None:
    """Say again and again that this replica lives, and learn how many do."""
    while True:
        await asyncio.sleep(every)
        try:
            share.replicas = await leases.send_heartbeat()
        except LedgerUnavailable as error:
            log.warning("sign_of_life_failed", error=str(error))
