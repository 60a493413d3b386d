"""Reads data files (`lines`, `csv`) from the policy folder; rereads one only when it has changed."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pm_autoaccept.data_sources.source_content import Doubtful, Reading, doubt
from pm_autoaccept.data_sources.streams import LARGEST, take
from pm_autoaccept.policy import Source


def read_file(source: Source, folder: Path, *, before: Reading | None = None, largest: int = LARGEST) -> Reading:
    """Read a data file from the policy folder.

    Args:
        source: a `lines` or `csv` source.
        folder: the policy folder; files outside it are refused.
        before: the last successful reading; returned as `again` when the file has not changed since.
        largest: the size limit in bytes.
    """
    try:
        return _read(source, folder, before, largest)
    except Doubtful as error:
        return doubt(source, error)
    except (OSError, ValueError, RuntimeError) as error:
        # ValueError: a NUL in the path; RuntimeError: a loop of symbolic links.
        return doubt(source, f"the file cannot be read: {error}")


def _read(source: Source, folder: Path, before: Reading | None, largest: int) -> Reading:
    resolved = (folder / (source.path or "")).resolve(strict=True)
    if not resolved.is_relative_to(folder.resolve()):
        raise Doubtful("the file is outside the policy folder")
    if not resolved.is_file():
        raise Doubtful("this is not a file")
    with resolved.open("rb") as file:
        found = os.fstat(file.fileno())
        mark = _mark(found)
        if before is not None and before.mark == mark:
            return replace(before, again=True)
        taking, digest = take(source, file, largest=largest)
        if _mark(os.fstat(file.fileno())) != mark:
            raise Doubtful("the file changed while it was read; write a new file and rename it over the old one")
    return taking.reading(digest=digest, dated=datetime.fromtimestamp(found.st_mtime, UTC), mark=mark)


def _mark(found: os.stat_result) -> str:
    return f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"
