"""Non-blocking stderr for logs: a queue and a thread, so that a full disk or pipe or a closed terminal never blocks.

Lines that cannot be written are dropped and counted. The count is logged once lines can be written again.
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
"""The size of the queue for a slow reader. Lines beyond it are dropped."""

LAST_LINES_S = 1.0
"""How long writing the last lines may delay the exit of the program."""


class LogStream(io.TextIOBase):
    """A text stream that queues what is written for a thread, and never waits for it.

    Args:
        like: the stream to replace. It must have a file descriptor.
        on_lost: called in the thread with the total of lost lines, once lines can be written again.
        max_waiting_bytes: the size of the queue. Lines beyond it are dropped.
    """

    encoding = "utf-8"

    def __init__(
        self, like: TextIO, *, on_lost: Callable[[int], None], max_waiting_bytes: int = MAX_WAITING_BYTES
    ) -> None:
        super().__init__()
        like.flush()
        self.encoding = like.encoding
        self.lost = 0
        """The number of lines that were dropped."""
        self._like, self._file = like, like.fileno()
        self._on_lost, self._room = on_lost, max_waiting_bytes
        self._said = 0
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._cut = False
        """The last line was written only in part, so a line break must come before the next one."""
        self._busy, self._ending = False, False
        self._changed = threading.Condition()
        threading.Thread(target=self._write_waiting, name="write the log", daemon=True).start()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._like.isatty()

    def fileno(self) -> int:
        """The file descriptor."""
        return self._file

    def writable(self) -> bool:
        """Always true."""
        return True

    def flush(self) -> None:
        """Do nothing: callers never wait for the thread."""

    def write(self, text: str, /) -> int:
        """Queue the text, or drop it if the queue is full."""
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
        """Write the queued lines for at most this many seconds, then end the thread."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not (self._waiting or self._busy), at_most_s)

    def _lose(self, data: bytes) -> None:
        self.lost += data.count(b"\n")

    def _write_waiting(self) -> None:
        """The thread: write queued lines in order until the stream ends."""
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
                # Outside the lock: a thread that logs holds its own lock while it waits for this one.
                self._said = lost
                self._on_lost(lost)

    def _written(self, data: bytes) -> bool:
        """Write a line. Returns whether all of it was written."""
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
            # Another program that shares the pipe or terminal made it non-blocking.
            wait_until_writable(self._file)
            return 0


def wait_until_writable(file: int) -> None:
    """Wait until a non-blocking file accepts more data."""
    poll = select.poll()
    poll.register(file, select.POLLOUT)
    poll.poll()


@contextmanager
def stderr_in_background(on_lost: Callable[[int], None]) -> Iterator[None]:
    """Write stderr from a background thread. A stderr without a file descriptor, as in tests, is not changed."""
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
    """The number of log lines that could not be written so far."""
    return sys.stderr.lost if isinstance(sys.stderr, LogStream) else 0
