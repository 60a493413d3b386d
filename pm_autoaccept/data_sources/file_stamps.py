"""Detects changed files by inode, size and modification time, without reading them.

This is cheap enough to check before each answer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from pm_autoaccept.data_sources.policy_folder import POLICY_FILES, documents

Look: TypeAlias = tuple[int, ...]
"""Device, inode, size, modification time (mtime) and change time (ctime); the error number if stat fails.

Device and inode detect a replaced file, and ctime one whose mtime was set back. After a symbolic link is swapped, the
new folder's files may have the same sizes and mtimes as the old ones.
"""

Looks: TypeAlias = Mapping[str, Look]
"""File → its stamp."""

SETTLED = timedelta(seconds=1)
"""A file that changed this recently may be half written, and the file system's clock may be too coarse to show the
next write."""

_TRIES = 5

_WRITTEN = 3
"""The position of mtime in a stamp."""


def look(path: Path | str) -> Look:
    """The stamp of a file, following symbolic links."""
    try:
        seen = os.stat(path)  # noqa: PTH116 — three times as fast as Path.stat, and asked before each answer
    except OSError as error:
        return (error.errno or -1,)
    except ValueError:  # a name that no file can have
        return (-1,)
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def look_at_policy(folder: Path) -> Looks:
    """The stamps of a policy's files, by name: each `.yaml` in the folder and the documents of its tests.

    If the folder cannot be listed, the result holds the error number instead.
    """
    try:
        return look_again(folder, documents(folder))
    except OSError as error:
        return {"": (error.errno or -1,)}


def look_again(folder: Path, also: Iterable[str]) -> Looks:
    """Like `look_at_policy`, for documents that are already known; this is much faster."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if entry.name.lower().endswith(POLICY_FILES) and not entry.name.startswith(".")
            )
    except OSError as error:
        return {"": (error.errno or -1,)}
    return {name: look(f"{folder}/{name}") for name in (*names, *also)}


def documents_seen(looks: Looks) -> Iterable[str]:
    """The documents among stamped files, that is, the files named by test cases."""
    return (name for name in looks if name and not name.lower().endswith(POLICY_FILES))


def unsettled(looks: Looks, *, now: datetime) -> timedelta:
    """How long to wait until these files are surely written to their end."""
    written = [seen[_WRITTEN] / 1e9 for seen in looks.values() if len(seen) > _WRITTEN]
    age = timedelta(seconds=now.timestamp() - max(written, default=0))
    # The age of a file dated in the future is unknown.
    return SETTLED - age if timedelta(0) <= age < SETTLED else timedelta(0)


async def settled(looking: Callable[[], Looks], *, now: Callable[[], datetime]) -> None:
    """Wait until the files have not changed for a moment, so that no half-written file is read. The wait is bounded."""
    for _ in range(_TRIES):
        wait = unsettled(looking(), now=now())
        if not wait:
            return
        await asyncio.sleep(wait.total_seconds())
