"""Cancels background tasks, waits for them, and logs the internal error of a task that had failed."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from pm_autoaccept.errors import PmAutoacceptError

log = structlog.get_logger()


async def cancel_and_wait(*tasks: asyncio.Future[Any]) -> None:
    """Cancel the tasks that have not ended, wait for them, and retrieve their results.

    Results and expected errors are discarded. An internal error is logged.
    """
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        failed = None if task.cancelled() else task.exception()
        if failed is not None and not isinstance(failed, PmAutoacceptError):
            name = task.get_name() if isinstance(task, asyncio.Task) else "a future"
            log.error("dropped_task_failed", task=name, exc_info=failed)
