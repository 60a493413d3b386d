"""Backoff after failed cycles, and the heartbeat file for health checks."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import structlog

log = structlog.get_logger()

FIRST_BACKOFF = timedelta(seconds=5)
"""The first wait after a failed cycle. It doubles up to 15 minutes."""

FAILURES_BEFORE_PROBING = 3
"""After this many failures in a row, cycles stop, and one small call probes whether Portfolio Manager is back."""


def backoff_after(failed: int) -> timedelta:
    """How long to wait after a failure, given the number of failures in a row before it."""
    doubled: timedelta = FIRST_BACKOFF * 2 ** min(failed, 10)
    return min(doubled, timedelta(minutes=15))


def touch_heartbeat(heartbeat: Path | None) -> None:
    """Touch the heartbeat file, if one is configured. A new file is accessible only to this user."""
    if heartbeat is None:
        return
    try:
        heartbeat.touch(mode=0o600)
    except OSError as error:
        log.warning("heartbeat_failed", file=str(heartbeat), error=str(error))
