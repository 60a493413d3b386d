"""Makes printing to stdout and stderr safe: full disk, broken pipe, closed descriptor, encoding other than UTF-8.

Printing never raises. Output that cannot be written is dropped, the work is finished, and the exit code and one line
on stderr report the failure. A reader that closes the pipe early, such as `| head`, is not a failure.
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
"""The exit code for input and output errors (sysexits(3))."""


class _SafeFile(io.FileIO):
    """A file that remembers its first error and drops everything written after it."""

    error: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, or pretend to after an error; wait for a non-blocking file."""
        while self.error is None:
            try:
                if (count := super().write(data)) is not None:
                    return count
                wait_until_writable(self.fileno())
            except OSError as error:
                self.error = error
        return memoryview(data).nbytes


def make_safe() -> None:
    """Replace stdin, stdout and stderr with streams that never raise, unless a test has replaced them."""
    for number in (0, 1, 2):
        _reserve(number)
    sys.stdin = sys.stdin or io.StringIO()
    sys.stdout, sys.stderr = _safe(sys.stdout, 1), _safe(sys.stderr, 2)


def _reserve(number: int) -> None:
    """Open a descriptor that was closed, for the wrong direction, so that using it fails.

    Otherwise the next file to be opened would get its number, and printed text could end up in a ledger.
    """
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _safe(stream: TextIO | None, number: int) -> TextIO:
    """The stream, wrapped so that neither its file nor a character outside its encoding raises."""
    encoding, by_lines = "utf-8", False
    if stream is not None:
        try:
            if stream.fileno() != number:
                return stream
        except OSError:
            return stream
        stream.flush()
        encoding, by_lines = stream.encoding, stream.isatty() or number == 2  # noqa: PLR2004 — stderr
    file = io.BufferedWriter(_SafeFile(number, "w", closefd=False))
    return io.TextIOWrapper(file, encoding=encoding, errors="backslashreplace", line_buffering=by_lines)


def output_error() -> OSError | None:
    """Why writing to stdout failed; None if it has not."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.error if isinstance(raw, _SafeFile) else None


def until_closed(rows: Iterable[T]) -> Iterator[T]:
    """The rows, until stdout fails: a long list is not read to its end after its reader has left."""
    for row in rows:
        if output_error() is not None:
            return
        yield row


def exit_code(code: int) -> int:
    """A command's exit code after its output is flushed; reports output that could not be written."""
    sys.stdout.flush()
    error = output_error()
    if error is None or error.errno == errno.EPIPE:
        return code
    sys.stderr.write(f"pm-autoaccept: cannot write the output: {os.strerror(error.errno or 0)}\n")
    sys.stderr.flush()
    return code or OUTPUT_NOT_WRITTEN
