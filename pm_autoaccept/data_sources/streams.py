"""Parses CSV and one-key-per-line data as a stream: encoding, byte order mark, separators, size limits."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator
from itertools import chain
from typing import IO

from pm_autoaccept.data_sources.source_content import Doubtful, Taking, separated_otherwise
from pm_autoaccept.policy import Source, Tabulation
from pm_autoaccept.policy.data.layouts import MARKS, SEPARATORS, UTF_8

LARGEST = 1_000_000_000
"""Bytes in one data file or download."""
LONGEST = 1_000_000
"""Characters in one line."""
_CHUNK = 1 << 18
_BY_EXCEL = re.compile("sep=.", re.IGNORECASE)
"""A first line that only Excel reads: it names the separator."""


def take(source: Source, file: IO[bytes], *, largest: int = LARGEST) -> tuple[Taking, str]:
    """Parse the rows of a seekable stream, and compute the digest of its bytes.

    Raises:
        Doubtful: it is larger than `largest` bytes, has another encoding, or is not what the policy declares.
    """
    taking = Taking(Tabulation(source, unit="line"))
    encoding = _encoding(source, file)
    counted = _Counted(file, largest)
    text = io.TextIOWrapper(io.BufferedReader(counted, _CHUNK), encoding=encoding, newline="")
    try:
        if source.has_header:
            _take_csv(taking, text)
        else:
            for number, line in _lines(text):
                taking.row(number, [line.strip()])
    except UnicodeError as error:
        raise Doubtful(_not_in(encoding, source, file)) from error
    except csv.Error as error:
        raise Doubtful(f"this is not valid CSV: {error}") from error
    return taking, counted.digest.hexdigest()


def _encoding(source: Source, file: IO[bytes]) -> str:
    """The codec for the declared encoding; refused if the byte order mark contradicts it."""
    begins = file.read(3)
    file.seek(0)
    said = source.encoding or UTF_8
    marked = next((name for mark, name in MARKS.items() if begins.startswith(mark)), None)
    if marked is not None and not said.startswith(marked):
        instead = "remove `encoding`" if marked == UTF_8 else f"write `encoding: {marked}`"
        raise Doubtful(f"it begins with the byte order mark of {marked}, so it is not {said}; {instead}")
    if said == "utf-16" and marked is None:
        raise Doubtful("it has no UTF-16 byte order mark; write `encoding: utf-16-le` or `utf-16-be`")
    if marked is None:
        return said
    # These codecs drop the byte order mark, so that it does not become part of the first cell.
    return "utf-8-sig" if marked == UTF_8 else "utf-16"


def _not_in(encoding: str, source: Source, file: IO[bytes]) -> str:
    """Which line does not have this encoding, and what to do."""
    if source.encoding is None:
        instead = "save the data as UTF-8, or name its encoding, for example `encoding: windows-1252`"
    else:
        instead = "save the data in this encoding, or change `encoding`"
    file.seek(0)
    text = io.TextIOWrapper(io.BufferedReader(_Counted(file, LARGEST), _CHUNK), encoding=encoding, errors="replace")
    number = next((number for number, line in _lines(text) if "\ufffd" in line), 0)
    name = "UTF-8" if encoding.startswith(UTF_8) else source.encoding
    return f"line {number} is not {name}; {instead}"


class _Counted(io.RawIOBase):
    """Limits the size of what is read through it, and computes its digest."""

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
            raise Doubtful(f"the data is larger than {self._largest:,} bytes")
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
    source = taking.made.source
    lines = (line for _, line in _lines(text))
    first = next(lines, "")
    rows = csv.reader(chain([first], lines), delimiter=source.separator, strict=True)
    try:
        header = [cell.strip() for cell in next(rows, [])]
    except csv.Error as error:
        # Quoted cells with another separator are not valid CSV.
        hint = separated_otherwise(source.key[0], first.strip(), source)
        raise Doubtful(f"this is not valid CSV: {error}{hint}") from error
    if _BY_EXCEL.fullmatch(source.separator.join(header)):
        header = [cell.strip() for cell in next(rows, [])]
    taking.rows(header, _fitting(rows, len(header), SEPARATORS[source.separator]))


def _fitting(rows: Iterator[list[str]], width: int, separators: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row that is not empty."""
    for row in rows:
        line: int = rows.line_num  # type: ignore[attr-defined]  # csv's reader has no public type before 3.13
        if row and len(row) != width:
            raise Doubtful(f"line {line} has {len(row)} cells but the header has {width}; quote {separators} in cells")
        if row:
            yield line, row
