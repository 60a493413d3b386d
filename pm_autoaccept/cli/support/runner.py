"""Runs a command's coroutine with logs on stderr, so that a signal stops it gently."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from pm_autoaccept.config import Settings
from pm_autoaccept.daemon import Stop
from pm_autoaccept.telemetry.log_stream import stderr_apart
from pm_autoaccept.telemetry.logs import LogFormat, LogLevel, configure_logs, log_lost_lines

FROM_SIGNAL = 128
"""A program ended by signal N exits with 128 + N, as shells expect."""


def read_gently(reading: Callable[[], Coroutine[Any, Any, int]], *, settings: Settings | None = None) -> int:
    """Run what only reads; a signal ends it at once, with the exit code that names the signal."""

    async def work(stop: Stop) -> int:
        return await stop.unless_asked(reading()) or 0

    return run_gently(work, settings=settings)


def run_gently(work: Callable[[Stop], Coroutine[Any, Any, int]], *, settings: Settings | None = None) -> int:
    """Run work until it ends; SIGTERM or SIGINT lets it finish what is in hand, then the exit code names the signal."""
    stop = Stop()
    code = _run(work, stop, settings)
    return FROM_SIGNAL + stop.signal if stop.signal is not None else code


def run_until_stopped(work: Callable[[Stop], Coroutine[Any, Any, int]], *, settings: Settings | None = None) -> int:
    """Run what is meant to be ended by a signal: that is no failure, and the exit code is the work's own."""
    return _run(work, Stop(), settings)


def _run(work: Callable[[Stop], Coroutine[Any, Any, int]], stop: Stop, settings: Settings | None) -> int:
    async def main() -> int:
        with stop.on_signals():
            return await work(stop)

    with stderr_apart(log_lost_lines):
        if settings is None:
            configure_logs()
        else:
            configure_logs(LogLevel(settings.log_level), LogFormat(settings.log_format))
        return asyncio.run(main())
