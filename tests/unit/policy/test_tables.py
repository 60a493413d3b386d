"""What a table answers: whether it has a key, and what stands in the key's row."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from pm_autoaccept.model import NotLearnt
from pm_autoaccept.policy import Source, tabulate
from pm_autoaccept.policy.data.contents import read_cell
from pm_autoaccept.policy.values import FieldType

POINTS = """
rules: [{id: a, on: meter, when: always, then: hold}]
data:
  points:
    csv: points.csv
    key: [account, meter]
    clean: {account: digits}
    columns: {tenants: integer, share: number, until: date}
"""


@pytest.fixture
def points(load) -> Source:
    """A source with two key columns and three others."""
    return load(POINTS).sources["points"]


def test_keys(load):
    """Keys are cleaned, blank ones are dropped, repeated ones are no harm where there is nothing beside them."""
    source = load("rules: [{id: a, on: meter, when: always, then: hold}]\ndata: {n: {lines: x, clean: digits}}")
    table = tabulate(source.sources["n"], [["00-1"], ["n/a"], [""], ["2"], ["2"]], digest="d")
    assert (table.name, table.rows, table.key, table.digest) == ("n", 3, ("value",), "d")
    assert table.has(("001",)) is True
    assert table.has(("1",)) is False
    assert table.has(("",)) is False
    assert table.row(("2",)) == {"value": "2"}
    assert table.row(("3",)) is None


def test_rows(points):
    """A row has its key and its columns, each read as its type; a blank or unreadable cell is not learnt."""
    table = tabulate(
        points, [["00-1", "m", "4", "$1,000.5", "2026-01-31"], ["2", "m", " ", "x", "today"], ["", "m", "1", "1", ""]]
    )
    assert table.rows == 2
    assert table.has(("001", "m")) is True
    assert table.has(("001", "n")) is False
    assert table.row(("001", "m")) == {
        "account": "001",
        "meter": "m",
        "tenants": 4,
        "share": Decimal("1000.5"),
        "until": date(2026, 1, 31),
    }
    assert table.row(("2", "m")) == {
        "account": "2",
        "meter": "m",
        "tenants": NotLearnt("the cell in column tenants of our table is blank"),
        "share": NotLearnt("the cell in column share of our table is not a valid number"),
        "until": NotLearnt("the cell in column until of our table is not a valid date"),
    }
    assert table.row(("3", "m")) is None


def test_a_key_that_repeats(points):
    """With the same contents it is one row; with others nobody can say which holds, whatever comes after."""
    same, other = ["1", "m", "4", "1", ""], ["1", "m", "5", "1", ""]
    assert tabulate(points, [same, same]).has(("1", "m")) is True
    table = tabulate(points, [same, other, same])
    assert table.rows == 3
    why = NotLearnt("the key appears in several rows with different contents")
    assert table.has(("1", "m")) == why
    assert table.row(("1", "m")) == why


def test_parts_of_a_key_do_not_run_together(points):
    """What stands in one part of a key is never taken for the beginning of the next."""
    table = tabulate(points, [["1", "2 3", "", "", ""], ["4\x00", "\x005", "", "", ""]])
    assert table.has(("1", "2 3")) is True
    assert table.has(("12", " 3")) is False
    assert table.rows == 1


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (" TRUE ", FieldType.BOOLEAN, True),
        ("no", FieldType.BOOLEAN, False),
        ("f", FieldType.BOOLEAN, False),
        ("1", FieldType.BOOLEAN, True),
        ("-7", FieldType.INTEGER, -7),
        ("4.5", FieldType.INTEGER, NotLearnt("the cell in column c of our table is not a valid integer")),
        ("maybe", FieldType.BOOLEAN, NotLearnt("the cell in column c of our table is not a valid boolean")),
        ("2026-02-30", FieldType.DATE, NotLearnt("the cell in column c of our table is not a valid date")),
        ("now", FieldType.MOMENT, NotLearnt("the cell in column c of our table is not a valid date-time")),
        ("–1", FieldType.TEXT, "-1"),  # noqa: RUF001 - a dash as people paste it
    ],
)
def test_cells(text, kind, value):
    """Cells are read as policies are, but never relative to today, and booleans as spreadsheets write them."""
    assert read_cell(text, kind, column="c") == value
