"""Runs what may take long, or never come back, on a thread of its own, so that nothing else waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

R = TypeVar("R")


async def apart(work: Callable[[], R], *, name: str) -> R:
    """Run work on a new thread, and return what it returns.

    It is none of a pool's: one that hangs keeps no other from its turn, and not the program from leaving.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[R] = loop.create_future()

    def settle(set_it: Callable[[], None]) -> None:
        if not done.done():  # whoever waited may have given up
            set_it()

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 — raised where the result is awaited
            failure = error
            with suppress(RuntimeError):  # the loop has gone, and whoever waited with it
                loop.call_soon_threadsafe(settle, lambda: done.set_exception(failure))
            return
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, lambda: done.set_result(result))

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done
