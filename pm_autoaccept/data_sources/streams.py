"""Rows out of a stream of bytes, csv or one key a line; a large one is never held whole."""

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
"""Bytes in one file, or one answer, of data."""
LONGEST = 1_000_000
"""Characters in one line."""
_CHUNK = 1 << 18
_BY_EXCEL = re.compile("sep=.", re.IGNORECASE)
"""A first line that is for Excel alone, and says what separates cells."""


def take(source: Source, file: IO[bytes], *, largest: int = LARGEST) -> tuple[Taking, str]:
    """Take in the rows of a stream that can be read twice, and the digest of its bytes.

    Raises:
        Doubtful: it is larger than `largest` bytes, in another encoding, or not what the policy says it is.
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
        raise Doubtful(f"it is not a csv file: {error}") from error
    return taking, counted.digest.hexdigest()


def _encoding(source: Source, file: IO[bytes]) -> str:
    """The codec for what the source says, unless the first bytes say something else."""
    begins = file.read(3)
    file.seek(0)
    said = source.encoding or UTF_8
    marked = next((name for mark, name in MARKS.items() if begins.startswith(mark)), None)
    if marked is not None and not said.startswith(marked):
        instead = "take `encoding` out" if marked == UTF_8 else f"write `encoding: {marked}`"
        raise Doubtful(f"it begins with the mark of {marked}, and is not {said}; {instead}")
    if said == "utf-16" and marked is None:
        raise Doubtful("it lacks the mark with which UTF-16 begins; write `encoding: utf-16-le` or `utf-16-be`")
    if marked is None:
        return said
    # These leave the mark out, so that it is no part of the first cell.
    return "utf-8-sig" if marked == UTF_8 else "utf-16"


def _not_in(encoding: str, source: Source, file: IO[bytes]) -> str:
    """Which line is not in this encoding, and what to do."""
    if source.encoding is None:
        instead = "save it as UTF-8, or say what it is, as `encoding: windows-1252`"
    else:
        instead = "save it so, or write another `encoding`"
    file.seek(0)
    text = io.TextIOWrapper(io.BufferedReader(_Counted(file, LARGEST), _CHUNK), encoding=encoding, errors="replace")
    number = next((number for number, line in _lines(text) if "\ufffd" in line), 0)
    name = "UTF-8" if encoding.startswith(UTF_8) else source.encoding
    return f"line {number} is not {name}; {instead}"


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
    source = taking.made.source
    lines = (line for _, line in _lines(text))
    first = next(lines, "")
    rows = csv.reader(chain([first], lines), delimiter=source.separator, strict=True)
    try:
        header = [cell.strip() for cell in next(rows, [])]
    except csv.Error as error:
        # Quoted cells that are separated otherwise are no csv at all.
        hint = separated_otherwise(source.key[0], first.strip(), source)
        raise Doubtful(f"it is not a csv file: {error}{hint}") from error
    if _BY_EXCEL.fullmatch(source.separator.join(header)):
        header = [cell.strip() for cell in next(rows, [])]
    taking.rows(header, _fitting(rows, len(header), SEPARATORS[source.separator]))


def _fitting(rows: Iterator[list[str]], width: int, separators: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row that is not empty."""
    for row in rows:
        line: int = rows.line_num  # type: ignore[attr-defined]  # csv's reader has no public type before 3.13
        if row and len(row) != width:
            raise Doubtful(f"line {line} has {len(row)} cells and the header {width}; quote {separators}")
        if row:
            yield line, row
