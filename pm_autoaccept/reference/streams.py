"""Rows out of a stream of bytes, csv or one key a line; a large one is never held whole."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from typing import IO

from pm_autoaccept.policy import Source, Tabulation
from pm_autoaccept.reference.reading import Doubtful, Taking

LARGEST = 1_000_000_000
"""Bytes in one file, or one answer, of data."""
LONGEST = 1_000_000
"""Characters in one line."""
_CHUNK = 1 << 18


def take(source: Source, file: IO[bytes], *, largest: int = LARGEST) -> tuple[Taking, str]:
    """Take in the rows of a stream that can be read twice, and the digest of its bytes.

    Raises:
        Doubtful: it is larger than `largest` bytes, not UTF-8, or not what the policy says it is.
    """
    taking = Taking(Tabulation(source, unit="line"))
    counted = _Counted(file, largest)
    text = io.TextIOWrapper(io.BufferedReader(counted, _CHUNK), encoding="utf-8-sig", newline="")
    try:
        if source.has_header:
            _take_csv(taking, text)
        else:
            for number, line in _lines(text):
                taking.row(number, [line.strip()])
    except UnicodeDecodeError as error:
        file.seek(0)
        raise Doubtful(f"line {_first_not_utf8(file)} is not UTF-8; save it as UTF-8") from error
    except csv.Error as error:
        raise Doubtful(f"it is not a csv file: {error}") from error
    return taking, counted.digest.hexdigest()


class _Counted(io.RawIOBase):
    """Counts and digests what is read through it."""

    def __init__(self, file: IO[bytes], largest: int) -> None:
        self._file = file
        self._left = self._largest = largest
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed's buffer is private
        data = self._file.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise Doubtful(f"it is larger than {self._largest:,} bytes")
        self.digest.update(data)
        buffer[: len(data)] = data
        return len(data)


def _lines(text: io.TextIOWrapper) -> Iterator[tuple[int, str]]:
    number = 0
    while line := text.readline(LONGEST):
        number += 1
        if len(line) == LONGEST:
            raise Doubtful(f"line {number} is longer than {LONGEST:,} characters")
        yield number, line


def _take_csv(taking: Taking, text: io.TextIOWrapper) -> None:
    rows = csv.reader((line for _, line in _lines(text)), strict=True)
    header = [cell.strip() for cell in next(rows, [])]
    taking.rows(header, _fitting(rows, len(header)))


def _fitting(rows: Iterator[list[str]], width: int) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row that is not empty."""
    for row in rows:
        line: int = rows.line_num  # type: ignore[attr-defined]  # csv's reader has no public type before 3.13
        if row and len(row) != width:
            raise Doubtful(f"line {line} has {len(row)} cells and the header {width}; quote commas")
        if row:
            yield line, row


def _first_not_utf8(file: IO[bytes]) -> int:
    for number, line in enumerate(file, 1):
        try:
            line.decode()
        except UnicodeDecodeError:
            return number
    raise Doubtful("it changed while it was read")
