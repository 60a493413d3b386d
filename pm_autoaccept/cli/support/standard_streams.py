"""Makes stdout and stderr safe to print to: full disk, broken pipe, closed descriptor, an encoding that is not UTF-8.

Nothing that is printed raises. What cannot be written goes nowhere, the work is finished, and the exit code and one
line on stderr say so. Whoever leaves early, as `| head` does, is no failure.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TextIO, TypeVar

from pm_autoaccept.telemetry.log_stream import wait_until_writable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

T = TypeVar("T")

OUTPUT_NOT_WRITTEN = 74
"""The exit code, as sysexits(3) has it for input and output errors."""


class _Quiet(io.FileIO):
    """A file that keeps its first error; from then on what is written to it goes nowhere."""

    error: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, or go on as if; a file that does not block is waited for."""
        while self.error is None:
            try:
                if (count := super().write(data)) is not None:
                    return count
                wait_until_writable(self.fileno())
            except OSError as error:
                self.error = error
        return memoryview(data).nbytes


def make_safe() -> None:
    """Put streams that never raise in the places of stdin, stdout and stderr, unless a test has put its own there."""
    for number in (0, 1, 2):
        _reserve(number)
    sys.stdin = sys.stdin or io.StringIO()
    sys.stdout, sys.stderr = _safe(sys.stdout, 1), _safe(sys.stderr, 2)


def _reserve(number: int) -> None:
    """Open a descriptor that was closed, the wrong way round, so that using it fails.

    Otherwise the next file that is opened gets its number, and what is printed ends up in a ledger.
    """
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _safe(stream: TextIO | None, number: int) -> TextIO:
    """The stream, so that it never raises: neither for what it is written to nor for a character."""
    encoding, by_lines = "utf-8", False
    if stream is not None:
        try:
            if stream.fileno() != number:
                return stream
        except OSError:
            return stream
        stream.flush()
        encoding, by_lines = stream.encoding, stream.isatty() or number == 2  # noqa: PLR2004 — stderr
    file = io.BufferedWriter(_Quiet(number, "w", closefd=False))
    return io.TextIOWrapper(file, encoding=encoding, errors="backslashreplace", line_buffering=by_lines)


def output_error() -> OSError | None:
    """Why stdout could not be written to; None while it could."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.error if isinstance(raw, _Quiet) else None


def while_read(rows: Iterable[T]) -> Iterator[T]:
    """The rows, until nobody reads them any more: a long list need not be read to its end for nobody."""
    for row in rows:
        if output_error() is not None:
            return
        yield row


def exit_code(code: int) -> int:
    """A command's exit code, once all that it printed is written; says so where it could not be."""
    sys.stdout.flush()
    error = output_error()
    if error is None or error.errno == errno.EPIPE:
        return code
    sys.stderr.write(f"pm-autoaccept: the output could not be written: {os.strerror(error.errno or 0)}\n")
    sys.stderr.flush()
    return code or OUTPUT_NOT_WRITTEN
