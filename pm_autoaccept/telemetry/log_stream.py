"""A non-blocking stderr for the log: a thread writes it, so a full pipe, disk or closed terminal cannot stop the work.

What cannot be written is dropped and counted, and the number is logged once lines can be written again.
"""

from __future__ import annotations

import io
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO, cast

MAX_WAITING_BYTES = 1 << 20
"""So much waits for a reader that is slow; what comes beyond it is dropped."""

LAST_LINES_S = 1.0
"""So long the last lines may keep the program from leaving."""


class LogStream(io.TextIOBase):
    """A text stream that hands what is written to a thread, and never waits for it.

    Args:
        like: the stream whose file is written to; it has a file descriptor.
        on_lost: called in the thread, once lines can be written again, with how many were lost in all.
        max_waiting_bytes: what waits beyond that is dropped.
    """

    encoding = "utf-8"

    def __init__(
        self, like: TextIO, *, on_lost: Callable[[int], None], max_waiting_bytes: int = MAX_WAITING_BYTES
    ) -> None:
        super().__init__()
        like.flush()
        self.encoding = like.encoding
        self.lost = 0
        """Lines that were never written."""
        self._like, self._file = like, like.fileno()
        self._on_lost, self._room = on_lost, max_waiting_bytes
        self._said = 0
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._cut = False
        """The last line broke off in its middle, so that the next one must not continue it."""
        self._busy, self._ending = False, False
        self._changed = threading.Condition()
        threading.Thread(target=self._write_waiting, name="write the log", daemon=True).start()

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return self._like.isatty()

    def fileno(self) -> int:
        """The file that is written to."""
        return self._file

    def writable(self) -> bool:
        """It is."""
        return True

    def flush(self) -> None:
        """Do nothing: nobody waits for the thread."""

    def write(self, text: str, /) -> int:
        """Hand it over, or drop it where too much waits already."""
        data = text.encode(self.encoding, "backslashreplace")
        with self._changed:
            if self._waiting and self._waiting_bytes + len(data) > self._room:
                self._lose(data)
            else:
                self._waiting.append(data)
                self._waiting_bytes += len(data)
                self._changed.notify_all()
        return len(text)

    def end(self, *, at_most_s: float) -> None:
        """Let the thread write what still waits, but no longer than this, and end it."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not (self._waiting or self._busy), at_most_s)

    def _lose(self, data: bytes) -> None:
        self.lost += data.count(b"\n")

    def _write_waiting(self) -> None:
        """Write what comes, in its order, until the end: the thread's work."""
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._ending)
                if not self._waiting:
                    return
                self._busy = True
                data = self._waiting[0]
            written = self._written(data)
            with self._changed:
                self._waiting.popleft()
                self._waiting_bytes -= len(data)
                if not written:
                    self._lose(data)
                lost = self.lost
                say = written and not self._waiting and lost > self._said
            if say:
                # Not within the lock: a thread that logs holds a lock of its own while it waits for this one.
                self._said = lost
                self._on_lost(lost)

    def _written(self, data: bytes) -> bool:
        """Whether all of it could be written."""
        whole = rest = memoryview(b"\n" + data if self._cut else data)
        try:
            while rest:
                rest = rest[self._write_some(rest) :]
        except OSError:
            self._cut = self._cut or len(rest) < len(whole)
            return False
        self._cut = False
        return True

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._file, data)
        except BlockingIOError:
            # Another program that shares the pipe or the terminal has made it so.
            wait_until_writable(self._file)
            return 0


def wait_until_writable(file: int) -> None:
    """Wait until a file that does not block takes more."""
    poll = select.poll()
    poll.register(file, select.POLLOUT)
    poll.poll()


@contextmanager
def stderr_in_background(on_lost: Callable[[int], None]) -> Iterator[None]:
    """Let a thread write whatever goes to stderr within. A stderr that is no file, as in a test, stays as it is."""
    before = sys.stderr
    try:
        before.fileno()
    except OSError:
        yield
        return
    stream = LogStream(before, on_lost=on_lost)
    sys.stderr = cast("TextIO", stream)
    try:
        yield
    finally:
        sys.stderr = before
        stream.end(at_most_s=LAST_LINES_S)


def lost_lines() -> int:
    """How many lines of the log could not be written until now."""
    return sys.stderr.lost if isinstance(sys.stderr, LogStream) else 0
