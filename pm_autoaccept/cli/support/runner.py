"""Runs a command's coroutine with logs on stderr, and stops it gracefully on SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from pm_autoaccept.config import Settings
from pm_autoaccept.daemon import Stop
from pm_autoaccept.telemetry.log_stream import stderr_in_background
from pm_autoaccept.telemetry.logs import LogFormat, LogLevel, configure_logs, log_lost_lines

SIGNAL_EXIT_BASE = 128
"""By the shell's convention, a program that signal N ends exits with 128 + N."""


def run_reading(read: Callable[[], Coroutine[Any, Any, int]], *, settings: Settings | None = None) -> int:
    """Run a read-only coroutine; a signal ends it at once, with the signal's exit code."""

    async def work(stop: Stop) -> int:
        return await stop.unless_stopping(read()) or 0

    return run_to_end(work, settings=settings)


def run_to_end(work: Callable[[Stop], Coroutine[Any, Any, int]], *, settings: Settings | None = None) -> int:
    """Run work to its end; after SIGTERM or SIGINT it finishes what is in flight, and the exit code is the signal's."""
    stop = Stop()
    code = _run(work, stop, settings)
    return SIGNAL_EXIT_BASE + stop.signal if stop.signal is not None else code


def run_until_stopped(work: Callable[[Stop], Coroutine[Any, Any, int]], *, settings: Settings | None = None) -> int:
    """Run work that only a signal ends. That is not a failure, so the exit code is the work's own."""
    return _run(work, Stop(), settings)


def _run(work: Callable[[Stop], Coroutine[Any, Any, int]], stop: Stop, settings: Settings | None) -> int:
    async def main() -> int:
        with stop.handle_signals():
            return await work(stop)

    with stderr_in_background(log_lost_lines):
        if settings is None:
            configure_logs()
        else:
            configure_logs(LogLevel(settings.log_level), LogFormat(settings.log_format))
        with asyncio.Runner(loop_factory=None if settings is None else _loop_factory(settings)) as runner:
            return runner.run(main())


def _loop_factory(settings: Settings) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the event loop that the settings name; None for Python's own."""
    if settings.event_loop == "asyncio":
        return None
    import uvloop

    make: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return make
