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
from pm_autoaccept.policy import Form, Source, Table, Tabulation, tabulate

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
    if source.form is Form.VALUES:
        data = "\n".join(source.values).encode("utf-8", "backslashreplace")
        return tabulate(source, ((value,) for value in source.values), digest=hashlib.sha256(data).hexdigest())
    if source.path is None:
        return NotLearnt(f"this version does not read `{source.form}` yet")
    made = Tabulation(source)
    try:
        data = _contents(folder / source.path, folder, largest)
        for line, cells in _rows(source, data.decode("utf-8-sig")):
            _add(made, cells, line)
    except _Doubtful as doubt:
        return NotLearnt(f"{source.path}: {doubt}")
    except UnicodeDecodeError as error:
        return NotLearnt(f"{source.path}: byte {error.start} is not UTF-8; save it as UTF-8")
    except (csv.Error, OSError, ValueError, RuntimeError) as error:
        # ValueError: a NUL in the path; RuntimeError: a loop of symbolic links.
        what = "is not a csv file" if isinstance(error, csv.Error) else "cannot be read"
        return NotLearnt(f"{source.path}: it {what}: {error}")
    table = made.table(hashlib.sha256(data).hexdigest())
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


def _add(made: Tabulation, cells: list[str], line: int) -> None:
    count = len(made.source.key)
    for key in cells[:count]:
        if _BY_EXCEL.fullmatch(key.strip()):
            raise _Doubtful(f"line {line}: a spreadsheet wrote {key.strip()} over the key; format the column as text")
    made.add(tuple(cells[:count]), tuple(cells[count:]))


def _rows(source: Source, text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells, those of the key and then those of the declared columns."""
    if source.form is Form.LINES:
        yield from ((number, [line]) for number, line in enumerate(text.splitlines(), 1))
        return
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = [cell.strip() for cell in next(rows, [])]
    at = [_position(name, header) for name in (*source.key, *source.columns)]
    for row in rows:
        if row and len(row) != len(header):
            raise _Doubtful(f"line {rows.line_num} has {len(row)} cells and the header {len(header)}; quote commas")
        if row:
            yield rows.line_num, [row[number] for number in at]


def _position(name: str, header: list[str]) -> int:
    if header.count(name) != 1:
        how = "twice" if name in header else "nowhere"
        raise _Doubtful(f"the column {name} stands {how} in its header ({', '.join(header) or 'which is empty'})")
    return header.index(name)
