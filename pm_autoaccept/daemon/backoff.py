"""How long to wait after failures, and the file that says that all goes well."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import structlog

log = structlog.get_logger()

AFTER_A_FAILURE = timedelta(seconds=5)
"""The first wait after a cycle that failed, doubling to 15 minutes."""

RESTS_AFTER = 3
"""After so many failures in a row the account rests: one small call probes whether Portfolio Manager is back."""


def wait_after(failed: int) -> timedelta:
    """How long to wait after so many failures in a row before this one."""
    doubled: timedelta = AFTER_A_FAILURE * 2 ** min(failed, 10)
    return min(doubled, timedelta(minutes=15))


def beat(heartbeat: Path | None) -> None:
    """Touch the file that a health check looks at; a new one is for this program's user alone."""
    if heartbeat is None:
        return
    try:
        heartbeat.touch(mode=0o600)
    except OSError as error:
        log.warning("heartbeat_failed", file=str(heartbeat), error=str(error))
