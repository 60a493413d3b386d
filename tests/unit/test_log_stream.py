"""The log's stream: it never waits, it says what it lost, and it writes the rest in order. Real pipes and files."""

from __future__ import annotations

import fcntl
import io
import os
import resource
import threading

import pytest

from pm_autoaccept.telemetry.log_stream import LogStream


@pytest.fixture
def pipe():
    """A small pipe: its reading end, and a stream on the other."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    with open(reading, "rb", buffering=0) as read, open(writing, "w", encoding="utf-8") as write:  # noqa: PTH123 — a pipe has no path
        yield read, write


def read_until(read: io.FileIO, last: bytes) -> bytes:
    """What comes up to there."""
    got = b""
    while last not in got:
        got += read.read(65536)
    return got


def saying(stream: list) -> object:
    """What says on the stream how many lines it lost."""
    return lambda total: stream[0].write(f"lost {total}\n")


def test_nobody_waits_for_a_full_pipe_and_what_was_lost_is_said_once_it_is_read(pipe):
    """The lines that found room come in their order, then the number of the others, then the next line."""
    read, write = pipe
    made = []
    stream = LogStream(write, on_lost=saying(made), max_waiting_bytes=10_000)
    made.append(stream)
    for number in range(1_000):
        stream.write(f"line {number:03} {'.' * 90}\n")
    assert stream.lost > 800
    lost = stream.lost
    lines = read_until(read, f"\nlost {lost}\n".encode()).splitlines()
    assert [line[:8] for line in lines[:-1]] == [f"line {number:03}".encode() for number in range(1_000 - lost)]
    stream.write("after\n")
    stream.end(at_most_s=30)
    assert read_until(read, b"\n") == b"after\n"


def test_a_line_that_broke_off_is_not_continued_by_the_next(tmp_path):
    """A disk that fills up in the middle of a line: what comes once there is room begins a line of its own."""
    said = threading.Event()
    file = tmp_path / "log"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with file.open("w", encoding="utf-8") as write:
        stream = LogStream(write, on_lost=lambda _total: said.set())
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
        try:
            stream.write("a line of more than ten\n")
            stream.write("lost too\n")
            wait_for(lambda: stream.lost == 2, stream)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        stream.write("there is room\n")
        assert said.wait(30)
        stream.end(at_most_s=30)
    assert file.read_text(encoding="utf-8") == "a line of \nthere is room\n"


def wait_for(reached, stream) -> None:
    """Wait until the thread has come so far."""
    with stream._changed:
        assert stream._changed.wait_for(reached, 30)


def test_a_pipe_that_another_program_made_non_blocking_is_waited_for(pipe):
    """As a shell or node does with a terminal that it shares: EAGAIN loses nothing."""
    read, write = pipe
    os.set_blocking(write.fileno(), False)
    stream = LogStream(write, on_lost=lambda _total: None)
    for number in range(200):
        stream.write(f"line {number:03} {'.' * 90}\n")
    assert len(read_until(read, b"line 199").splitlines()) == 200
    assert stream.lost == 0


def test_leaving_is_not_kept_by_a_reader_that_does_not_read(pipe):
    """The end waits for the thread as long as it is told, and no longer."""
    read, write = pipe
    stream = LogStream(write, on_lost=lambda _total: None)
    stream.write("x" * 10_000 + "\n")
    stream.end(at_most_s=0.01)
    assert stream._waiting
    read_until(read, b"\n")


def test_a_character_that_the_encoding_lacks_is_escaped(tmp_path):
    """And never an exception in whoever logs."""
    file = tmp_path / "log"
    with file.open("w", encoding="ascii") as write:
        stream = LogStream(write, on_lost=lambda _total: None)
        stream.write("Жанна \udcff\n")
        stream.end(at_most_s=30)
    assert file.read_text(encoding="ascii") == "\\u0416\\u0430\\u043d\\u043d\\u0430 \\udcff\n"
