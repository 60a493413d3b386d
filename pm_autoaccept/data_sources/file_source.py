"""Reads data files (`lines`, `csv`) from the policy folder; rereads one only when it has changed."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pm_autoaccept.data_sources.source_content import SourceReading, SourceRefused, failed_reading
from pm_autoaccept.data_sources.streams import MAX_BYTES, read_stream
from pm_autoaccept.policy import Source


def read_file(
    source: Source, folder: Path, *, before: SourceReading | None = None, max_bytes: int = MAX_BYTES
) -> SourceReading:
    """Read a data file from the policy folder.

    Args:
        source: a `lines` or `csv` source.
        folder: the policy folder; files outside it are refused.
        before: the last successful reading; returned as `again` when the file has not changed since.
        max_bytes: the size limit in bytes.
    """
    try:
        return _read(source, folder, before, max_bytes)
    except SourceRefused as error:
        return failed_reading(source, error)
    except (OSError, ValueError, RuntimeError) as error:
        # ValueError: a NUL in the path; RuntimeError: a loop of symbolic links.
        return failed_reading(source, f"the file cannot be read: {error}")


def _read(source: Source, folder: Path, before: SourceReading | None, max_bytes: int) -> SourceReading:
    resolved = (folder / (source.path or "")).resolve(strict=True)
    if not resolved.is_relative_to(folder.resolve()):
        raise SourceRefused("the file is outside the policy folder")
    if not resolved.is_file():
        raise SourceRefused("this is not a file")
    with resolved.open("rb") as file:
        found = os.fstat(file.fileno())
        mark = _mark(found)
        if before is not None and before.mark == mark:
            return replace(before, again=True)
        taking, digest = read_stream(source, file, max_bytes=max_bytes)
        if _mark(os.fstat(file.fileno())) != mark:
            raise SourceRefused("the file changed while it was read; write a new file and rename it over the old one")
    return taking.reading(digest=digest, dated=datetime.fromtimestamp(found.st_mtime, UTC), mark=mark)


def _mark(found: os.stat_result) -> str:
    return f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"
