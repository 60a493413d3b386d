"""Runs a command's coroutine so that a signal stops it gently, with the exit code that says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from pm_autoaccept.daemon import Stop

FROM_SIGNAL = 128
"""A program ended by signal N exits with 128 + N, as shells expect."""


def read_gently(reading: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run what only reads; a signal ends it at once, with the exit code that names the signal."""

    async def work(stop: Stop) -> int:
        return await stop.unless_asked(reading()) or 0

    return run_gently(work)


def run_gently(work: Callable[[Stop], Awaitable[int]]) -> int:
    """Run work until it ends; SIGTERM or SIGINT lets it finish what is in hand, then the exit code names the signal."""

    async def main() -> int:
        stop = Stop()
        with stop.on_signals():
            code = await work(stop)
        return FROM_SIGNAL + stop.signal if stop.signal is not None else code

    return asyncio.run(main())
