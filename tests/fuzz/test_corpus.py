"""What the fuzzer found worth keeping is replayed without it; and the largest inputs stay within 200 MB."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pm_autoaccept.parse import MAX_BYTES, MAX_MARKS
from pm_autoaccept.policy.parser.source_text import MAX_FILE_BYTES
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).resolve().parents[1] / "fixtures" / "fuzz"

BIG = {
    "parse many elements": ("parse", b"<pendingList><property>%s</property></pendingList>", b"<x/>"),
    "parse many requests": ("parse", b"<pendingList>%s</pendingList>", b"<property/>"),
    "parse many attributes": ("parse", b"<pendingList><property>%s</property></pendingList>", b'<x a="" b="" c=""/>'),
    "parse one long text": ("parse", b"<pendingList><property>%s</property></pendingList>", b"11111111"),
    "parse many forbidden characters": ("parse", b"<pendingList><property>%s</property></pendingList>", b"\x0b"),
    "parse many references": ("parse", b"<pendingList><property>%s</property></pendingList>", b"&#11;"),
    "parse many comments": ("parse", b"<pendingList><property>%s</property></pendingList>", b"<!--\x0b-->"),
    "policy many faults": ("policy", b"version: 1\nrules:\n%s", b"- *a\n"),
    "policy many faults in one line": ("policy", b"version: 1\nrules: [%s]", b"*a,"),
    "policy deep": ("policy", b"version: 1\nrules: %s", b"{"),
    "policy never closed": ("policy", b"version: 1\nrules: '%s", b"\n"),
}
"""A target, and what is repeated until the input is as large as may be read."""

ROOM = 1_000
"""Bytes and marks left for what stands around it."""

MEASURED = """
import resource, sys
from pm_autoaccept.parse import MAX_BYTES, MAX_MARKS
from tests.fuzz.targets import TARGETS
target, times, around, repeated = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode(), sys.argv[4].encode()
data = around.replace(b"%s", repeated * times)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
TARGETS[target](data)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_is_replayed(target):
    """Each kept input brings a value or a documented error, as it did when it was found."""
    kept = sorted((CORPUS / target).iterdir())
    assert len(kept) > 20
    for path in kept:
        TARGETS[target](path.read_bytes())


@pytest.mark.parametrize("name", BIG)
def test_the_largest_inputs_take_less_than_200_mb(name):
    """As many elements, attributes or faults as fit into what may be read: refused or read, within 200 MB more."""
    target, around, repeated = BIG[name]
    if target == "parse":
        marks = repeated.count(b"<") + repeated.count(b"=")
        times = min((MAX_BYTES - ROOM) // len(repeated), (MAX_MARKS - ROOM) // max(marks, 1))
    else:
        times = (MAX_FILE_BYTES - ROOM) // len(repeated)
    measured = subprocess.run(  # noqa: S603 — our own program
        [sys.executable, "-c", MEASURED, target, str(times), around.decode(), repeated.decode()],
        cwd=CORPUS.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert measured.returncode == 0, measured.stderr[-2000:]
    assert int(measured.stdout) < 200
