"""Graceful shutdown: SIGTERM and SIGINT finish and record answers in flight; SIGHUP reloads the policy."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import structlog

from pm_autoaccept.daemon.abandoned_tasks import cancel_and_wait

log = structlog.get_logger()

T = TypeVar("T")


@dataclass(slots=True)
class Stop:
    """Whether the program was asked to stop, and by which signal. A stop is an event, never a cancellation."""

    requested: asyncio.Event = field(default_factory=asyncio.Event)
    reload_requested: asyncio.Event = field(default_factory=asyncio.Event)
    signal: signal.Signals | None = None

    def blocked_reason(self) -> str | None:
        """Why nothing more may be sent, or None."""
        return "the program is stopping" if self.requested.is_set() else None

    async def wait(self, at_most: timedelta) -> None:
        """Wait this long, or until the program is asked to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.requested.wait(), at_most.total_seconds())

    async def wait_between_cycles(self, at_most: timedelta, *, unless: asyncio.Event | None = None) -> None:
        """Wait between two cycles, like `wait`, or until SIGHUP or the event `unless` ends the wait."""
        self.reload_requested.clear()
        events = [self.reload_requested] if unless is None else [self.reload_requested, unless]
        waiting = asyncio.ensure_future(self.wait(at_most))
        others = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait([waiting, *others], return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                waiting.result()
        finally:
            await cancel_and_wait(*(task for task in (waiting, *others) if not task.done()))

    async def unless_stopping(self, reading: Coroutine[Any, Any, T]) -> T | None:
        """Await a read, or cancel it and return None when the program is asked to stop.

        Only for reads: answers in flight are never cancelled. The result or error of a cancelled read is discarded.
        """
        task = asyncio.ensure_future(reading)
        stopping = asyncio.ensure_future(self.requested.wait())
        try:
            await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            await cancel_and_wait(*(each for each in (task, stopping) if not each.done()))

    async def sleep(self, seconds: float) -> None:
        """Wait before a retry. Returns at once when the program is asked to stop."""
        await self.wait(timedelta(seconds=seconds))

    @contextmanager
    def handle_signals(self) -> Iterator[None]:
        """Request a stop on SIGTERM or SIGINT; answers in flight are finished. A second signal ends the program.

        SIGHUP starts the next cycle now, which loads a changed policy. It never ends the program.
        """
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGTERM, signal.SIGINT)

        def ask(number: signal.Signals) -> None:
            self.signal = number
            self.requested.set()
            for each in numbers:
                loop.remove_signal_handler(each)
            log.info("stop_asked", signal=number.name)

        def hurry() -> None:
            self.reload_requested.set()
            log.info("reload_asked")

        for number in numbers:
            loop.add_signal_handler(number, ask, number)
        loop.add_signal_handler(signal.SIGHUP, hurry)
        try:
            yield
        finally:
            for number in (*numbers, signal.SIGHUP):
                loop.remove_signal_handler(number)
