"""Runs commands of the program as processes of their own, beside a simulator in the test's event loop."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT


async def told_by(command: str) -> tuple[str, int]:
    """What a command prints, its messages included, and its exit code; its settings stand in the environment."""
    begun = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pm_autoaccept", *command.split(), stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    printed, _ = await begun.communicate()
    return printed.decode(), begun.returncode or 0
