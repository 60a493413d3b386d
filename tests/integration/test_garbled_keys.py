"""Keys that a spreadsheet has changed, in every kind of source: nobody is let in by one, and `check` says so."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner
from pydantic import SecretStr

from pm_autoaccept import policy
from pm_autoaccept.cli import cli
from pm_autoaccept.data_sources.fetch import Places, read_source
from pm_autoaccept.model import CustomField, Facts, Kind, NotLearnt, PendingRequest

POLICY = """\
version: 1
data:
  accounts:
    {declared}
    clean: {clean}
rules:
  - id: customer
    on: connection
    when: {{custom.Number: {{in: accounts}}}}
    then: accept
  - id: stranger
    on: connection
    when: {{not: {{custom.Number: {{in: accounts}}}}}}
    then: reject
"""
ROWS = ["0000000007", "4.1001234E7"]
STRANGER, CUSTOMER = "0410012347", "0041001234"


async def declared_in(form: str, folder: Path, rows: list[str], server: TestServer) -> tuple[str, Places]:
    """The same rows in one kind of source, and where that may be."""
    (folder / "a.csv").write_text("n\n" + "".join(f'"{row}"\n' for row in rows))
    (folder / "a.txt").write_text("".join(f"{row}\n" for row in rows))
    if form == "sql":
        with sqlite3.connect(folder / "a.db") as database:
            database.execute("CREATE TABLE t (n TEXT)")
            database.executemany("INSERT INTO t VALUES (?)", [(row,) for row in rows])
        database.close()
    declared = {
        "csv": "csv: a.csv\n    key: n",
        "lines": "lines: a.txt",
        "values": f"values: {json.dumps(rows)}",
        "sql": "sql: {connection: billing, query: select n from t}\n    key: n",
        "url": f"url: {server.make_url('/a.txt')}",
    }[form]
    return declared, Places(folder, {"billing": SecretStr(f"sqlite:///{folder / 'a.db'}")})


@pytest.fixture
async def server():
    """Serves one key a line."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="".join(f"{row}\n" for row in ROWS), content_type="text/plain")

    app = web.Application()
    app.router.add_get("/a.txt", answer)
    async with TestServer(app) as made:
        yield made


PLACES = {"csv": "line 3: ", "lines": "line 2: ", "values": "p.yaml:4:28: ", "sql": "row 2: ", "url": "line 2: "}


@pytest.mark.parametrize("form", PLACES)
async def test_a_stranger_is_not_let_in_by_a_key_that_went_through_a_number(form, tmp_path, server):
    """The whole source is unknown, with the place and the value: the stranger waits, and so does the true customer."""
    declared, places = await declared_in(form, tmp_path, ROWS, server)
    text = POLICY.format(declared=declared, clean="[digits, zero_fill 10]")
    loaded = policy.load({"p.yaml": text.encode()})
    reading = await read_source(loaded.sources["accounts"], places)
    facts = Facts(defined=frozenset({"Number"}))
    verdicts = {}
    for number in (STRANGER, CUSTOMER, "7"):
        custom = (CustomField("Number", number),)
        request = PendingRequest(kind=Kind.CONNECTION, id=1, account_id=1, username="a", custom=custom)
        verdicts[number] = loaded.judge(request, facts, {"accounts": reading.table}).verdict
    assert verdicts == {STRANGER: "hold", CUSTOMER: "hold", "7": "hold"}
    assert isinstance(reading.table, NotLearnt)
    assert f"{PLACES[form]}a spreadsheet changed the key to 4.1001234E7" in reading.table.why
    assert "`clean: [points, digits, zero_fill 10]`" in reading.table.why


def check(folder: Path, contents: str, clean: str = "digits") -> tuple[int, str]:
    """What `check` says of a csv file."""
    (folder / "a.csv").write_text(contents)
    (folder / "p.yaml").write_text(POLICY.format(declared="csv: a.csv\n    key: n", clean=clean))
    result = CliRunner().invoke(cli, ["check", str(folder)], catch_exceptions=False, standalone_mode=False)
    return result.return_value, result.output


def test_check_names_line_and_value(tmp_path):
    """It is a problem, not a table with a row more."""
    code, said = check(tmp_path, "n\n41001234\n4.2001234E7\n")
    assert (code, "line 3: a spreadsheet changed the key to 4.2001234E7" in said) == (1, True)


def _keys(long: int, *short: str) -> str:
    return "n\n" + "".join(f"{number:010d}\n" for number in range(1, long + 1)) + "".join(f"{key}\n" for key in short)


def test_check_warns_where_a_spreadsheet_took_zeros_off(tmp_path):
    """Nearly all keys have one length, and some are shorter: how many, the first of them, and its line."""
    code, said = check(tmp_path, _keys(57, "99817", "4-11", "998172"))
    assert "3 of 60 keys in the column n are shorter than the others, which have 10 characters" in said
    assert "the first is 99817 in line 59" in said
    assert "`clean: [digits, zero_fill 10]`" in said
    assert code == 0


@pytest.mark.parametrize(
    ("contents", "clean"),
    [
        (_keys(18, "99817"), "digits"),  # 19 keys
        (_keys(37, "1", "2"), "digits"),  # fewer than 95 of 100 have one length
        (_keys(40), "digits"),
        (_keys(40, "12345678901"), "digits"),  # longer, not shorter
        (_keys(40, "99817"), "[digits, zero_fill 10]"),
        (_keys(40, "99817"), "[digits, no_leading_zeros]"),
        (_keys(40, "99817"), "last 4"),
        ("n\n" + "".join(f"{number}\n" for number in (*range(1_000_000, 1_000_040), 99817)), "no_leading_zeros"),
    ],
)
def test_check_does_not_warn_of_lengths_that_differ_by_nature(tmp_path, contents, clean):
    """Few keys, many lengths, or a cleaning by which the zeros do not matter."""
    assert (check(tmp_path, contents, clean)[0], "shorter" in check(tmp_path, contents, clean)[1]) == (0, False)


def test_just_enough_keys_of_one_length(tmp_path):
    """20 keys, 19 of them alike, are enough."""
    assert "1 of 20 keys in the column n are shorter" in check(tmp_path, _keys(19, "99817"))[1]
