"""Repeats one account's cycle until it is told to stop; reloads a changed policy; waits longer when things fail."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import structlog

from pm_autoaccept.account import PolicyInForce, open_account
from pm_autoaccept.config import Settings
from pm_autoaccept.cycle import Cycle
from pm_autoaccept.errors import (
    ConfigurationError,
    LedgerUnavailable,
    NotAuthorised,
    PolicyRefused,
    PortfolioManagerError,
)
from pm_autoaccept.model import Action, Outcome, Receipt

log = structlog.get_logger()

T = TypeVar("T")

_Files: TypeAlias = tuple[tuple[str, int, int], ...]

AFTER_A_REFUSED_PASSWORD = timedelta(minutes=15)
"""The first wait after a 401, then 1 h, doubling to a day: a daemon must not lock its account."""

A_DAY = timedelta(days=1)

AFTER_A_FAILURE = timedelta(seconds=5)
"""The first wait after a cycle that failed, doubling to 15 minutes."""


@dataclass(slots=True)
class Stop:
    """Whether the program was asked to stop, and by which signal. Stopping is an event, never a cancellation."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    signal: signal.Signals | None = None

    def why(self) -> str | None:
        """Say why nothing more may be sent; None while it may."""
        return "the program is stopping" if self.asked.is_set() else None

    async def wait(self, at_most: timedelta) -> None:
        """Wait until the program is asked to stop, or so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.asked.wait(), at_most.total_seconds())

    async def unless_asked(self, reading: Coroutine[Any, Any, T]) -> T | None:
        """Read until done, or give up and return None when the program is asked to stop.

        For what only reads: answers in hand are never given up.
        """
        task = asyncio.ensure_future(reading)
        stopping = asyncio.ensure_future(self.asked.wait())
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait({task})
        return None

    async def sleep(self, seconds: float) -> None:
        """Wait before a call is repeated; not after the program was asked to stop."""
        await self.wait(timedelta(seconds=seconds))

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Stop at SIGTERM or SIGINT once what is in hand is finished; a second signal ends the program at once."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGTERM, signal.SIGINT)

        def ask(number: signal.Signals) -> None:
            self.signal = number
            self.asked.set()
            for each in numbers:
                loop.remove_signal_handler(each)
            log.info("stop_asked", signal=number.name)

        for number in numbers:
            loop.add_signal_handler(number, ask, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


@dataclass(slots=True)
class PolicyWatch:
    """The policy in force, and the files that it was loaded from, to notice when they change."""

    folder: Path
    in_force: PolicyInForce
    _seen: _Files | None

    @classmethod
    def begin(cls, folder: Path) -> PolicyWatch:
        """Load the policy; raises `PolicyRefused` or `ConfigurationError`."""
        # Looked at before they are read: what changes in between is noticed as a change.
        seen = _files(folder)
        return cls(folder, PolicyInForce.load(folder), seen)

    def why_not(self) -> str | None:
        """Say why nothing more may be answered by the policy in force; None while its files are as they were read."""
        files = _files(self.folder)
        return "the policy's files have changed" if files not in (None, self._seen) else None

    def changed(self) -> bool:
        """Take over a changed policy, and say whether there is one. One with faults never replaces one without."""
        files = _files(self.folder)
        if files is None or files == self._seen:
            return False
        self._seen = files
        try:
            self.in_force = PolicyInForce.load(self.folder)
        except (PolicyRefused, ConfigurationError) as error:
            log.error("policy_refused", error=str(error), in_force=self.in_force.policy.digest)  # noqa: TRY400 — its text says all; a traceback would not help
            return False
        log.info("policy_loaded", digest=self.in_force.policy.digest, rules=len(self.in_force.policy.rules))
        return True


async def run(settings: Settings, *, stop: Stop) -> None:
    """Answer one account until `stop` is asked. A refused password or a service that is down does not end it.

    Raises:
        PolicyRefused, ConfigurationError, LedgerError: what keeps it from starting at all.
    """
    watch = PolicyWatch.begin(settings.policy)

    def why_not() -> str | None:
        return stop.why() or watch.why_not()

    refused = failed = 0
    ledger_worked = False
    while not stop.asked.is_set():
        watch.changed()
        try:
            async with AsyncExitStack() as stack:
                account = open_account(
                    settings, in_force=watch.in_force, stop=why_not, sleep=stop.sleep, tell=_log_receipt
                )
                cycle = await stop.unless_asked(stack.enter_async_context(account))
                if cycle is None:
                    return
                log.info("signed_in", account=cycle.provider.username, service=settings.base_url, mode=settings.mode)
                refused = failed = 0
                ledger_worked = True
                await _repeat(cycle, settings, watch, stop=stop)
        except NotAuthorised as error:
            wait = min(timedelta(hours=2 ** (refused - 1)), A_DAY) if refused else AFTER_A_REFUSED_PASSWORD
            refused += 1
            log.error("not_authorised", error=str(error), next_try_in_seconds=wait.total_seconds())  # noqa: TRY400 — likewise
            await stop.wait(wait)
        except (PortfolioManagerError, LedgerUnavailable) as error:
            if isinstance(error, LedgerUnavailable) and not ledger_worked:
                raise
            wait = _wait_after(failed)
            failed += 1
            log.warning("sign_in_failed", error=str(error), next_try_in_seconds=wait.total_seconds())
            await stop.wait(wait)


async def _repeat(cycle: Cycle, settings: Settings, watch: PolicyWatch, *, stop: Stop) -> None:
    """Repeat the cycle; a failed one is tried again later, what it had begun stands in the ledger."""
    failed = 0
    while not stop.asked.is_set():
        if watch.changed():
            cycle.replace_policy(watch.in_force.policy, watch.in_force.tables)
        try:
            await _once(cycle, stop=stop)
        except NotAuthorised:
            raise
        except (PortfolioManagerError, LedgerUnavailable) as error:
            wait = _wait_after(failed)
            failed += 1
            log.warning("cycle_failed", error=str(error), next_try_in_seconds=wait.total_seconds())
        else:
            failed, wait = 0, settings.interval
            _beat(settings.heartbeat)
        await stop.wait(wait)


def _wait_after(failed: int) -> timedelta:
    """How long to wait after so many failures in a row before this one."""
    doubled: timedelta = AFTER_A_FAILURE * 2 ** min(failed, 10)
    return min(doubled, timedelta(minutes=15))


def _beat(heartbeat: Path | None) -> None:
    """Touch the file that a health check looks at."""
    if heartbeat is None:
        return
    try:
        heartbeat.touch()
    except OSError as error:
        log.warning("heartbeat_failed", file=str(heartbeat), error=str(error))


async def _once(cycle: Cycle, *, stop: Stop) -> None:
    planned = await stop.unless_asked(cycle.look())
    if planned is None:
        return
    for pending in planned.not_whole:
        log.warning("list_not_whole", kind=pending.kind, error=pending.failed)
    receipts = await cycle.answer(planned)
    counts = Counter(str(decision.verdict) for decision in planned.decisions)
    outcomes = Counter(str(receipt.outcome or "dropped") for receipt in receipts)
    log.info(
        "cycle_finished",
        pending=len(planned.decisions),
        kept_back=len(planned.kept_back),
        **{f"decided_{verdict}": count for verdict, count in sorted(counts.items())},
        **{f"answers_{outcome}": count for outcome, count in sorted(outcomes.items())},
    )


def _files(folder: Path) -> _Files | None:
    """What a policy folder holds: names, sizes and times. None while it changes under our eyes: look again later."""
    try:
        return tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*")))
    except OSError:
        return None


def _log_receipt(receipt: Receipt) -> None:
    """One log line for what came of one step."""
    step = receipt.step
    told = {"request": str(step.key), "rule": step.decision.rule, "owner": step.decision.request.username}
    if receipt.outcome is Outcome.DONE:
        log.info("request_accepted" if step.action is Action.ACCEPT else "request_rejected", **told)
    elif receipt.outcome is None:
        log.info("step_dropped", action=step.action, why=receipt.text, **told)
    else:
        log.warning("answer_not_done", action=step.action, outcome=receipt.outcome, why=receipt.text, **told)
