"""Sources that are files of the policy's folder: `lines` and `csv`."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pm_autoaccept.data_sources.source_content import Doubtful, Reading, doubt
from pm_autoaccept.data_sources.streams import LARGEST, take
from pm_autoaccept.policy import Source


def read_file(source: Source, folder: Path, *, before: Reading | None = None, largest: int = LARGEST) -> Reading:
    """Read a file of the policy's folder.

    Args:
        source: `lines` or `csv`.
        folder: the policy's folder, which no file may lie outside of.
        before: the last good reading: it is what is returned, `again`, where the file has not changed since.
        largest: bytes in one file; a larger one is not read.
    """
    try:
        return _read(source, folder, before, largest)
    except Doubtful as error:
        return doubt(source, error)
    except (OSError, ValueError, RuntimeError) as error:
        # ValueError: a NUL in the path; RuntimeError: a loop of symbolic links.
        return doubt(source, f"it cannot be read: {error}")


def _read(source: Source, folder: Path, before: Reading | None, largest: int) -> Reading:
    resolved = (folder / (source.path or "")).resolve(strict=True)
    if not resolved.is_relative_to(folder.resolve()):
        raise Doubtful("it lies outside the policy's folder")
    if not resolved.is_file():
        raise Doubtful("it is not a file")
    with resolved.open("rb") as file:
        found = os.fstat(file.fileno())
        mark = _mark(found)
        if before is not None and before.mark == mark:
            return replace(before, again=True)
        taking, digest = take(source, file, largest=largest)
        if _mark(os.fstat(file.fileno())) != mark:
            raise Doubtful("it was written to while it was read; write a new file beside it, and then rename that")
    return taking.reading(digest=digest, dated=datetime.fromtimestamp(found.st_mtime, UTC), mark=mark)


def _mark(found: os.stat_result) -> str:
    return f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"
