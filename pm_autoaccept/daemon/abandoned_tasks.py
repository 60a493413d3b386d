"""Ends tasks that nobody waits for any more, such that what came of each has been looked at."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from pm_autoaccept.errors import PmAutoacceptError

log = structlog.get_logger()


async def drop(*tasks: asyncio.Future[Any]) -> None:
    """Cancel what has not ended, wait for its end, and read what came of it.

    What it brought, or an error that is raised on purpose, is of no use any more. A fault of the program is logged.
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
