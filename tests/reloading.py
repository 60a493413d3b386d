"""Runs the daemon step by step while policies and data change, for tests of what it takes over when."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from click.testing import CliRunner

from pm_autoaccept.cli import cli
from pm_autoaccept.config import load_accounts
from pm_autoaccept.daemon import Stop
from pm_autoaccept.daemon import run as run_daemon

LONG_AGO = time.time() - 3600
"""When files were written, so that none is taken for half written."""


def write(path: Path, contents: str) -> None:
    """Write a file as if long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(contents)
    os.utime(path, (LONG_AGO, LONG_AGO))


async def run_until(
    settings: dict[str, Any], *steps: Callable[[], object], telemetry: Any = None
) -> list[dict[str, Any]]:
    """Run the daemon; before each cycle after the first does one of the steps; then it stops. What was logged."""
    stop, coming = Stop(), list(steps)
    logged: list[dict[str, Any]] = []

    def heard(_logger: object, _method: str, event: Any) -> Any:
        logged.append(event)
        if event["event"] == "cycle_finished":
            coming.pop(0)() if coming else stop.requested.set()
        raise structlog.DropEvent

    before = structlog.get_config()["processors"]
    structlog.configure(processors=[heard])
    try:
        await run_daemon(load_accounts(**settings), stop=stop, telemetry=telemetry)
    finally:
        structlog.configure(processors=before)
    return logged


async def say(*words: str) -> str:
    """What a command prints."""
    return (await asyncio.to_thread(CliRunner().invoke, cli, words, catch_exceptions=False)).stdout


def events(logged: list[dict[str, Any]]) -> list[str]:
    """The events in order, but for those of the lease and of each call."""
    return [entry["event"] for entry in logged if not entry["event"].startswith(("lease_", "call_"))]
