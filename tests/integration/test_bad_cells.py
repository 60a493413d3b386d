"""Cells of declared columns that cannot be read: told before a customer is held, and named where one is."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from pm_autoaccept import policy
from pm_autoaccept.cli import cli
from pm_autoaccept.data_sources.fetch import Places, read_source
from pm_autoaccept.model import CustomField, Facts, Kind, PendingRequest
from pm_autoaccept.policy.data.tables import LARGE

POLICY = """\
version: 1
data:
  points:
    {declared}
    key: n
    columns: {{tenants: integer, until: date, name: text}}
rules:
  - id: metered
    on: connection
    when: {{lookup: {{in: points, by: {{n: custom.N}}, where: {{tenants: {{at_least: 4}}, until: {{above: today}}}}}}}}
    then: accept
"""
CSV = "csv: points.csv"
HEAD = "n,tenants,until,name\n"


def say(folder: Path, contents: str, *said: str, declared: str = CSV) -> tuple[int, str]:
    """A command's exit code and what it prints, where the table has these contents."""
    (folder / "policy").mkdir(exist_ok=True)
    (folder / "policy" / "points.csv").write_text(contents)
    (folder / "policy" / "p.yaml").write_text(POLICY.format(declared=declared))
    result = CliRunner().invoke(cli, said, catch_exceptions=False, standalone_mode=False)
    return result.return_value, result.output


@pytest.fixture
def account(tmp_path, monkeypatch) -> list[str]:
    """The options that name an account and this policy."""
    monkeypatch.setenv("PM_AUTOACCEPT_PASSWORD", "Secret-Meter-1")
    given = {"service": "http://127.0.0.1:9", "username": "us", "policy": tmp_path / "policy"}
    given["ledger"] = f"sqlite:///{tmp_path / 'ledger.db'}"
    return [word for name, value in given.items() for word in (f"--{name}", str(value))]


MOST = HEAD + "1,4,2026-01-31,a\n2,four,2026-01-31,b\n3,4 units,,c\n4,x,2026-01-31,d\n"
FEW = HEAD + "1,4,2026-01-31,a\n2,four,2026-01-31,b\n3,5,31.01.2026,c\n4,6,2026-01-31,\n5,7,,\n"
GOOD = HEAD + "1,4,2026-01-31,a\n2,,2026-01-31,b\n3,4,,\n"


def test_check_reports_a_column_that_cannot_be_read(tmp_path):
    """In most rows that is a problem, with the first line; in some it is a warning; a blank cell is none."""
    check = ("check", str(tmp_path / "policy"))
    code, said = say(tmp_path, MOST, *check)
    assert (code, "3 of 4 cells in the column tenants cannot be read as integer; the first is in line 3" in said) == (
        1,
        True,
    )
    code, said = say(tmp_path, FEW, *check)
    assert (
        "warning: data points: 1 of 5 cells in the column tenants cannot be read as integer; the first is in line 3"
        in said
    )
    assert (
        "warning: data points: 1 of 4 cells in the column until cannot be read as date; the first is in line 4" in said
    )
    assert code == 0
    assert "cannot be read" not in say(tmp_path, GOOD, *check)[1]


def test_half_of_the_cells_are_not_most_of_them(tmp_path):
    """Just half is a warning."""
    half = HEAD + "1,4,2026-01-31,a\n2,x,2026-01-31,b\n"
    code, said = say(tmp_path, half, "check", str(tmp_path / "policy"))
    assert (code, "warning: data points: 1 of 2 cells" in said) == (0, True)


def test_data_reports_it(tmp_path, account):
    """As text and as JSON; the exit code is 1 where most cells of a column cannot be read."""
    code, said = say(tmp_path, MOST, "data", *account)
    assert (
        code,
        "points: 3 of 4 cells in the column tenants cannot be read as integer; the first is in line 3" in said,
    ) == (1, True)
    code, said = say(tmp_path, FEW, "data", *account, "--output", "json")
    remarks = json.loads(said)[0].get("remarks")
    assert [(each["kind"], each["grave"]) for each in remarks or ()] == [("unreadable-cells", False)] * 2
    assert code == 0
    assert say(tmp_path, GOOD, "data", *account)[0] == 0


def test_doctor_reports_it(tmp_path, account):
    """As a problem or as a warning, beside the rows that it has."""
    found = {}
    for name, contents in (("most", MOST), ("few", FEW)):
        _, said = say(tmp_path, contents, "doctor", *account, "--output", "json")
        found[name] = [
            (each["state"], each["found"]) for each in json.loads(said)["checks"] if each["check"] == "data points"
        ]
    assert [level for level, _ in found["most"]] == ["ok", "problem"], found
    assert "the first is in line 3" in found["most"][1][1]
    assert [level for level, _ in found["few"]] == ["ok", "warning", "warning"]


async def test_a_hold_because_of_such_a_cell_names_line_and_column(tmp_path):
    """In a file its line, in a database its row; for a cell that cannot be read, and for a blank one."""
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("CREATE TABLE t (n TEXT, tenants TEXT, until TEXT, name TEXT)")
        database.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", [(1, 4, "2026-01-31", "a"), (2, "x", None, "b")])
    database.close()
    (tmp_path / "points.csv").write_text(HEAD + '"1",4,2026-01-31,"two\nlines"\n2,x,,b\n3,,2026-01-31,\n')
    places = Places(tmp_path, {"billing": SecretStr(f"sqlite:///{tmp_path / 'a.db'}")})
    sql = "sql: {connection: billing, query: 'select n, tenants, until, name from t order by n'}"
    whys = {}
    for form, declared in (("csv", CSV), ("sql", sql)):
        loaded = policy.load({"p.yaml": POLICY.format(declared=declared).encode()})
        reading = await read_source(loaded.sources["points"], places)
        for number in "23":
            request = PendingRequest(
                kind=Kind.CONNECTION, id=1, account_id=1, username="a", custom=(CustomField("N", number),)
            )
            judged = loaded.judge(request, Facts(defined=frozenset({"N"})), {"points": reading.table})
            whys[form, number] = judged.reason.text
    assert "line 4: the cell in column tenants of our table is not a valid integer" in whys["csv", "2"]
    assert "line 5: the cell in column tenants of our table is blank" in whys["csv", "3"]
    assert "row 2: the cell in column tenants of our table is not a valid integer" in whys["sql", "2"]
    assert "x" not in whys["csv", "2"].replace("points", "")


async def test_dates_that_cannot_be_read_are_reported_too(tmp_path):
    """`dated` names a column that need not be declared; without a date in it `age` cannot be kept."""
    (tmp_path / "points.csv").write_text("n,written\n1,31.01.2026\n2,2026-01-31\n3,31.01.2026\n4,\n")
    text = POLICY.format(declared=CSV).replace("columns: {tenants: integer, until: date, name: text}", "dated: written")
    loaded = policy.load(
        {"p.yaml": text[: text.index("rules:")].encode() + b"rules: [{id: a, on: meter, when: always, then: hold}]"}
    )
    reading = await read_source(loaded.sources["points"], Places(tmp_path))
    remarks = [each.text for each in getattr(reading.table, "remarks", ())]
    assert remarks == ["2 of 3 cells in the column written cannot be read as date or date-time; the first is in line 2"]


async def test_where_a_cell_stands_is_known_of_large_tables_too(tmp_path):
    """Once a table is packed, rows with blank cells are not noted, and rows with unreadable ones still are."""
    cells = {1: "", LARGE + 5: "x", LARGE + 6: ""}
    rows = (f"{number},{cells.get(number, '4')},2026-01-31,a\n" for number in range(LARGE + 10))
    (tmp_path / "points.csv").write_text(HEAD + "".join(rows))
    loaded = policy.load({"p.yaml": POLICY.format(declared=CSV).encode()})
    table = (await read_source(loaded.sources["points"], Places(tmp_path))).table
    told = {number: str(table.row((str(number),))["tenants"].why) for number in cells}
    assert told == {
        1: "line 3: the cell in column tenants of our table is blank",
        LARGE + 5: f"line {LARGE + 7}: the cell in column tenants of our table is not a valid integer",
        LARGE + 6: "the cell in column tenants of our table is blank",
    }
