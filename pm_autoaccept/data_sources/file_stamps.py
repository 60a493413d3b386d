"""What a file looks like, so that a change is noticed without reading it: cheap enough to ask before each answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from pm_autoaccept.data_sources.policy_folder import POLICY_FILES, documents

Look: TypeAlias = tuple[int, ...]
"""Device, inode, size, and the times of its contents and of its entry. Of what cannot be looked at: the error's number.

The device and inode tell a file that another took the place of, the entry's time one whose own time was set back: a
link that is swapped leads to a folder whose files may be as large, and as old, as those before.
"""

Looks: TypeAlias = Mapping[str, Look]
"""File → how it looks."""

SETTLED = timedelta(seconds=1)
"""A file that was written to within this time may be half written, and clocks of file systems may tick too slowly to
show what is written next."""

_TRIES = 5

_WRITTEN = 3
"""Where in a look the time of the contents stands."""


def look(path: Path | str) -> Look:
    """Look at a file, through all links."""
    try:
        seen = os.stat(path)  # noqa: PTH116 — three times as fast as Path.stat, and asked before each answer
    except OSError as error:
        return (error.errno or -1,)
    except ValueError:  # a name that no file can have
        return (-1,)
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def look_at_policy(folder: Path) -> Looks:
    """How the files look that make a policy, by name: each `.yaml` of the folder, and the documents of its tests.

    Where the folder cannot be listed, that is what is seen.
    """
    try:
        return look_again(folder, documents(folder))
    except OSError as error:
        return {"": (error.errno or -1,)}


def look_again(folder: Path, also: Iterable[str]) -> Looks:
    """As `look_at_policy`, where it is known which documents there are: that is much quicker."""
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
    """The files that cases name, out of what was looked at."""
    return (name for name in looks if name and not name.lower().endswith(POLICY_FILES))


def unsettled(looks: Looks, *, now: datetime) -> timedelta:
    """How long to wait until these files are surely written to their end."""
    written = [seen[_WRITTEN] / 1e9 for seen in looks.values() if len(seen) > _WRITTEN]
    age = timedelta(seconds=now.timestamp() - max(written, default=0))
    # Of a time that is yet to come nobody can say how old it is.
    return SETTLED - age if timedelta(0) <= age < SETTLED else timedelta(0)


async def settled(looking: Callable[[], Looks], *, now: Callable[[], datetime]) -> None:
    """Wait until what is looked at is surely written to its end, but not for ever."""
    for _ in range(_TRIES):
        wait = unsettled(looking(), now=now())
        if not wait:
            return
        await asyncio.sleep(wait.total_seconds())
