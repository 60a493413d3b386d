"""What a reading brings beside the table: when its contents are from, what was dropped, whether it is new."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pm_autoaccept import policy
from pm_autoaccept.data_sources import Reading
from pm_autoaccept.data_sources.fetch import Places, read_source
from pm_autoaccept.data_sources.file_source import read_file
from pm_autoaccept.data_sources.streams import LONGEST
from pm_autoaccept.model import NotLearnt
from pm_autoaccept.policy import Source, Table

RULES = b"rules: [{id: everything, on: meter, when: always, then: hold}]\n"


def source(declared: str) -> Source:
    """A source as a policy declares it."""
    return policy.load({"p.yaml": b"version: 1\n" + RULES + f"data: {{a: {declared}}}".encode()}).sources["a"]


CSV = "{csv: a.csv, key: n, clean: digits}"
POINTS = "{csv: a.csv, key: [n, m], columns: {t: integer}}"
DATED = "{csv: a.csv, key: n, dated: written}"


def write(folder: Path, text: str, at: float = 1_790_000_000) -> None:
    """Write the file as if at this time."""
    path = folder / "a.csv"
    path.write_text(text)
    os.utime(path, (at, at))


async def test_when_the_contents_are_from_and_what_was_dropped(tmp_path):
    """A file is from when it was written; blank keys are dropped and counted."""
    write(tmp_path, "n\n1\nn/a\n \n2\n")
    reading = await read_source(source(CSV), Places(tmp_path))
    assert isinstance(reading.table, Table)
    assert reading.table.rows == 2
    assert (reading.dropped, reading.dated, reading.again) == (
        2,
        datetime.fromtimestamp(1_790_000_000, UTC),
        False,
    )
    assert reading.table.has(("",)) is False


async def test_the_newest_date_of_a_column(tmp_path):
    """Where a column says when rows were written, the newest is the age of the contents; others say nothing."""
    write(tmp_path, "n,written\n1,2026-01-31\n2,2026-02-01T08:00:00-06:00\n3,\n4,yesterday\n5,1/2/2027\n")
    reading = await read_source(source(DATED), Places(tmp_path))
    assert reading.dated == datetime(2026, 2, 1, 14, tzinfo=UTC)
    write(tmp_path, "n,written\n1,\n")
    assert (await read_source(source(DATED), Places(tmp_path))).dated is None
    write(tmp_path, "n\n1\n")
    learnt = (await read_source(source(DATED), Places(tmp_path))).table
    assert learnt == NotLearnt("a.csv: the column written is missing in the header (n)")


async def test_several_keys_and_columns(tmp_path):
    """Columns stand in any order; those that are not declared do no harm, also where rows repeat."""
    write(tmp_path, "t,name,m,n\n4,x,b,a\n4,y,b,a\n5,x,d,c\n6,x,d,c\n")
    table = (await read_source(source(POINTS), Places(tmp_path))).table
    assert isinstance(table, Table)
    assert table.row(("a", "b")) == {"n": "a", "m": "b", "t": 4}
    assert isinstance(table.row(("c", "d")), NotLearnt)
    assert table.rows == 4


async def test_what_has_not_changed_is_not_read_again(tmp_path):
    """The same file brings the same table, `again`; a new file in its place is read, also if it is as long and old."""
    write(tmp_path, "n\n1\n")
    first = await read_source(source(CSV), Places(tmp_path))
    second = await read_source(source(CSV), Places(tmp_path), before=first)
    assert second == replace(first, again=True)
    assert second.table is first.table
    write(tmp_path, "n\n2\n")
    third = await read_source(source(CSV), Places(tmp_path), before=second)
    assert isinstance(third.table, Table)
    assert (third.table.has(("2",)), third.again) == (True, False)


async def test_values(tmp_path):
    """What stands in the policy is as old as the policy: nobody says when it is from."""
    reading = await read_source(source("{values: [x, y]}"), Places(tmp_path))
    assert isinstance(reading.table, Table)
    assert reading == Reading(table=reading.table)
    assert reading.table.has(("x",)) is True


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("n\n" + "1" * LONGEST, "line 2 is longer than 1,000,000 characters"),
        ("n\n" + "1" * 200_000, "this is not valid CSV: field larger than field limit"),
        ("n\n1\0\n", "line 2: the key contains a NUL character; export the data again"),
    ],
)
def test_what_no_export_has(tmp_path, text, why):
    """A line without end and a NUL in a key are doubtful, as all else that nobody meant."""
    write(tmp_path, text)
    learnt = read_file(source(CSV), tmp_path).table
    assert isinstance(learnt, NotLearnt)
    assert why in learnt.why


async def test_a_key_that_is_missing_lets_nobody_in(tmp_path):
    """`n/a` as a customer number meets no blank key, since neither is one after cleaning."""
    write(tmp_path, "n\n\n-\n1\n")
    declared = source(CSV)
    table = (await read_source(declared, Places(tmp_path))).table
    assert isinstance(table, Table)
    assert declared.cleaned(("n/a",)) is None
    assert table.rows == 1
