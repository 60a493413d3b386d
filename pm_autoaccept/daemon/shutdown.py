"""Stopping is an event, never a cancellation: what is in hand is finished and recorded."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import structlog

from pm_autoaccept.daemon.abandoned_tasks import drop

log = structlog.get_logger()

T = TypeVar("T")


@dataclass(slots=True)
class Stop:
    """Whether the program was asked to stop, and by which signal. Stopping is an event, never a cancellation."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    hurried: asyncio.Event = field(default_factory=asyncio.Event)
    signal: signal.Signals | None = None

    def blocked_reason(self) -> str | None:
        """Why nothing more may be sent; None if it may."""
        return "the program is stopping" if self.asked.is_set() else None

    async def wait(self, at_most: timedelta) -> None:
        """Wait until the program is asked to stop, or so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.asked.wait(), at_most.total_seconds())

    async def rest(self, at_most: timedelta, *, unless: asyncio.Event | None = None) -> None:
        """Wait between two cycles: as `wait`, or until somebody says SIGHUP, or this event is set."""
        self.hurried.clear()
        events = [self.hurried] if unless is None else [self.hurried, unless]
        waiting = asyncio.ensure_future(self.wait(at_most))
        others = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait([waiting, *others], return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                waiting.result()
        finally:
            await drop(*(task for task in (waiting, *others) if not task.done()))

    async def unless_asked(self, reading: Coroutine[Any, Any, T]) -> T | None:
        """Read until done, or give up and return None when the program is asked to stop.

        For what only reads: answers in hand are never given up. What comes of a reading that was given up, a refusal or
        a success, is not heard of.
        """
        task = asyncio.ensure_future(reading)
        stopping = asyncio.ensure_future(self.asked.wait())
        try:
            await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            await drop(*(each for each in (task, stopping) if not each.done()))

    async def sleep(self, seconds: float) -> None:
        """Wait before a call is repeated; not after the program was asked to stop."""
        await self.wait(timedelta(seconds=seconds))

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Stop at SIGTERM or SIGINT once what is in hand is finished; a second signal ends the program at once.

        SIGHUP begins the next cycle now, which takes over a changed policy; it never ends the program.
        """
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGTERM, signal.SIGINT)

        def ask(number: signal.Signals) -> None:
            self.signal = number
            self.asked.set()
            for each in numbers:
                loop.remove_signal_handler(each)
            log.info("stop_asked", signal=number.name)

        def hurry() -> None:
            self.hurried.set()
            log.info("reload_asked")

        for number in numbers:
            loop.add_signal_handler(number, ask, number)
        loop.add_signal_handler(signal.SIGHUP, hurry)
        try:
            yield
        finally:
            for number in (*numbers, signal.SIGHUP):
                loop.remove_signal_handler(number)
