"""The tables that a policy declares, read from its folder.

Whatever is doubtful about a file makes its table not learnt, and the tests that look there unknown.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy import Form, Source, Table

LARGEST = 100_000_000
"""Bytes in one file of data."""

_BY_EXCEL = re.compile(r"[0-9]([.,][0-9]+)?E\+[0-9]+|#(N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|#+)", re.IGNORECASE)


class _Doubtful(Exception):
    """The file is not what the policy says it is."""


def read(sources: Mapping[str, Source], folder: Path, *, largest: int = LARGEST) -> Mapping[str, Fact[Table]]:
    """Each declared table, or why it could not be learnt.

    Args:
        sources: what the policy declares.
        folder: the policy's folder, which no file may lie outside of.
        largest: bytes in one file; a larger one is not read.
    """
    return {name: _table(source, folder, largest) for name, source in sources.items()}


def _table(source: Source, folder: Path, largest: int) -> Fact[Table]:
    if source.path is None:
        data = "\n".join(source.values).encode("utf-8", "backslashreplace")
        return source.table(source.values, digest=hashlib.sha256(data).hexdigest())
    try:
        data = _contents(folder / source.path, folder, largest)
        text = data.decode("utf-8-sig")
        keys = [key for key in _keys(source, text) if key.strip()]
    except _Doubtful as doubt:
        return NotLearnt(f"{source.path}: {doubt}")
    except UnicodeDecodeError as error:
        return NotLearnt(f"{source.path}: byte {error.start} is not UTF-8; save it as UTF-8")
    except csv.Error as error:
        return NotLearnt(f"{source.path}: it is not a csv file: {error}")
    except (OSError, ValueError, RuntimeError) as error:
        # ValueError: a NUL in the path; RuntimeError: a loop of symbolic links.
        return NotLearnt(f"{source.path}: it cannot be read: {error}")
    table = source.table(keys, digest=hashlib.sha256(data).hexdigest())
    # A file that was emptied, or caught half-written, would let in everybody whom it should have stopped.
    return table if table.rows else NotLearnt(f"{source.path}: it has no keys")


def _contents(path: Path, folder: Path, largest: int) -> bytes:
    resolved = path.resolve(strict=True)
    if not resolved.is_relative_to(folder.resolve()):
        raise _Doubtful("it lies outside the policy's folder")
    if not resolved.is_file():
        raise _Doubtful("it is not a file")
    with resolved.open("rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise _Doubtful(f"it is larger than {largest:,} bytes")
    return data


def _keys(source: Source, text: str) -> Iterator[str]:
    rows = enumerate(text.splitlines(), 1) if source.form is Form.LINES else _column(source.key or "", text)
    for line, key in rows:
        if _BY_EXCEL.fullmatch(key.strip()):
            raise _Doubtful(f"line {line}: a spreadsheet wrote {key.strip()} over the key; format the column as text")
        yield key


def _column(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Line number and cell of one column of a csv file with a header."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = [cell.strip() for cell in next(rows, [])]
    if header.count(name) != 1:
        how = "twice" if name in header else "nowhere"
        raise _Doubtful(f"the key column {name} stands {how} in its header ({', '.join(header) or 'which is empty'})")
    at = header.index(name)
    for row in rows:
        if row and len(row) != len(header):
            raise _Doubtful(f"line {rows.line_num} has {len(row)} cells and the header {len(header)}; quote commas")
        if row:
            yield rows.line_num, row[at]
