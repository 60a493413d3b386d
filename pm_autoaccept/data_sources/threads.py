"""Runs blocking work on a thread of its own, so that a hanging read blocks neither other work nor shutdown."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

R = TypeVar("R")


async def apart(work: Callable[[], R], *, name: str) -> R:
    """Run blocking work on a new daemon thread and return its result.

    It is not a pool thread: one that hangs blocks neither other work nor the exit of the program.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[R] = loop.create_future()

    def settle(set_it: Callable[[], None]) -> None:
        if not done.done():  # the caller may have given up
            set_it()

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 — raised to the caller that awaits the result
            failure = error
            with suppress(RuntimeError):  # the event loop is closed, and nobody waits any more
                loop.call_soon_threadsafe(settle, lambda: done.set_exception(failure))
            return
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, lambda: done.set_result(result))

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done
