"""Csv as billing systems and spreadsheets write it: other separators, other encodings, the month before the day."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from pm_autoaccept import policy
from pm_autoaccept.data_sources import Reading
from pm_autoaccept.data_sources.fetch import Places, read_source
from pm_autoaccept.errors import PolicyRefused
from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy import Table

RULES = "rules: [{id: a, on: meter, when: always, then: hold}]\n"


def loaded(declared: str) -> policy.Policy | str:
    """The policy of this one source, or what the loader says of it."""
    try:
        return policy.load({"p.yaml": f"version: 1\ndata:\n  t: {{{declared}}}\n{RULES}".encode()})
    except PolicyRefused as error:
        return str(error)


async def read(folder: Path, contents: bytes | str, declared: str, **connections: SecretStr) -> Reading:
    """A reading of data/t.csv with these contents."""
    (folder / "t.csv").write_bytes(contents if isinstance(contents, bytes) else contents.encode())
    made = loaded(declared)
    assert not isinstance(made, str), made
    return await read_source(made.sources["t"], Places(folder, connections))


def rows(table: Fact[Table], *keys: str) -> list[object]:
    """What stands in each row, or why nothing is known."""
    assert isinstance(table, Table), table
    return [dict(row) if (row := table.row((key,))) and not isinstance(row, NotLearnt) else row for key in keys]


CSV = "csv: t.csv, key: n, columns: {name: text}"


@pytest.mark.parametrize(
    ("said", "between"),
    [
        ("';'", ";"),
        (";", ";"),
        ("tab", "\t"),
        ('"\\t"', "\t"),
        ("'\\t'", "\t"),
        ("'|'", "|"),
        ("','", ","),
        ("'^'", "^"),
        ("semicolon", ";"),
    ],
)
async def test_what_separates_cells_is_said(tmp_path, said, between):
    """A comma is part of a cell then; quotes are as in any csv, also around the separator."""
    other = ";" if between == "," else ","
    text = f'n{between}name\n1{between}Tower{other} A\n2{between}"Lofts{between} B"\n'
    table = (await read(tmp_path, text, f"{CSV}, separator: {said}")).table
    assert rows(table, "1", "2") == [{"n": "1", "name": f"Tower{other} A"}, {"n": "2", "name": f"Lofts{between} B"}]


@pytest.mark.parametrize(
    ("between", "called", "write"),
    [(";", "semicolons", "separator: ';'"), ("\t", "tabs", "separator: tab"), ("|", "vertical bars", "separator: '|'")],
)
async def test_a_file_that_is_separated_otherwise_is_told_so(tmp_path, between, called, write):
    """By the name of the character, and with what to write; quoted headers too."""
    for text in (
        f"n{between}name\n1{between}12,5\n",
        f'"n"{between}"name"\n1{between}x\n',
        f"name{between}n\nx{between}1\n",
    ):
        why = str((await read(tmp_path, text, CSV)).table.why)
        assert f"its cells are separated by {called}: write `{write}`" in why
    why = (await read(tmp_path, "n,name\n1,x\n", f"{CSV}, separator: '{between}'".replace("\t", "\\t"))).table.why
    assert "its cells are separated by commas: write `separator: ','`" in why


async def test_a_header_that_lacks_the_column_is_no_matter_of_separators(tmp_path):
    """Nothing is advised that would not help."""
    why = (await read(tmp_path, "m;name\n1;x\n", CSV)).table.why
    assert "cells are separated" not in why


async def test_excels_own_first_line(tmp_path):
    """`sep=;` says what separates cells: it is no header, and the policy must say the same."""
    text = "sep=;\nn;name\n1;x\n"
    assert rows((await read(tmp_path, text, f"{CSV}, separator: ';'")).table, "1") == [{"n": "1", "name": "x"}]
    why = (await read(tmp_path, text, CSV)).table.why
    assert "write `separator: ';'`" in why


async def test_a_row_that_does_not_fit_names_what_to_quote(tmp_path):
    """The separator that the policy says."""
    why = (await read(tmp_path, "n;name\n1;a;b\n", f"{CSV}, separator: ';'")).table.why
    assert "line 2 has 3 cells but the header has 2; quote semicolons in cells" in why


NAMES = "n,name\n1,B\u00fcrohaus\n2,Caf\u00e9 \u2013 Lofts\n"


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [
        ("windows-1252", "cp1252"),
        ("cp1252", "cp1252"),
        ("Windows-1252", "cp1252"),
        ("utf-16", "utf-16"),
        ("UTF-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-16-be", "utf-16"),
        ("utf-8", "utf-8"),
        ("utf-8", "utf-8-sig"),
        ("utf8", "utf-8"),
        ("macintosh", "mac-roman"),
    ],
)
async def test_an_encoding_is_said(tmp_path, encoding, codec):
    """By any of its names; a byte order mark is part of no cell."""
    table = (await read(tmp_path, NAMES.encode(codec), f"{CSV}, encoding: {encoding}")).table
    assert [row["name"] for row in rows(table, "1", "2")] == ["B\u00fcrohaus", "Caf\u00e9 - Lofts"]


async def test_a_big_endian_mark(tmp_path):
    """The mark says the order of bytes."""
    table = (await read(tmp_path, b"\xfe\xff" + NAMES.encode("utf-16-be"), f"{CSV}, encoding: utf-16")).table
    assert rows(table, "1") == [{"n": "1", "name": "B\u00fcrohaus"}]


async def test_lines_have_an_encoding_too(tmp_path):
    """A list from Windows' editor."""
    (tmp_path / "t.txt").write_bytes("B\u00fcro\nLofts\n".encode("utf-16"))
    table = (await read(tmp_path, "", "lines: t.txt, encoding: utf-16")).table
    assert isinstance(table, Table)
    assert (table.has(("B\u00fcro",)), table.rows) == (True, 2)


@pytest.mark.parametrize(
    ("contents", "said", "why"),
    [
        (
            NAMES.encode("utf-16"),
            "",
            "it begins with the byte order mark of utf-16, so it is not utf-8; write `encoding: utf-16`",
        ),
        (
            NAMES.encode("utf-8-sig"),
            "windows-1252",
            "it begins with the byte order mark of utf-8, so it is not windows-1252",
        ),
        (
            NAMES.encode("cp1252"),
            "",
            "line 2 is not UTF-8; save the data as UTF-8, or name its encoding, for example `encoding: windows-1252`",
        ),
        (NAMES.encode("cp1252"), "utf-8", "line 2 is not UTF-8; save the data in this encoding, or change `encoding`"),
        (NAMES.encode() + b"3,\x81\n", "windows-1252", "line 4 is not windows-1252"),
        (
            NAMES.encode("utf-16-le"),
            "utf-16",
            "it has no UTF-16 byte order mark; write `encoding: utf-16-le`",
        ),
        (NAMES.encode("utf-16-le")[:-1], "utf-16-le", "is not utf-16-le"),
        (b"n,name\n1,x\n".decode().encode("utf-16-le"), "", "it contains NUL characters: if it is UTF-16, write"),
    ],
)
async def test_another_encoding_is_told(tmp_path, contents, said, why):
    """Nothing is read by guess: the table is unknown, and the message says what to write."""
    table = (await read(tmp_path, contents, CSV + (f", encoding: {said}" if said else ""))).table
    assert why in getattr(table, "why", "")


DATES = "csv: t.csv, key: n, columns: {until: date}, dates: %s"


@pytest.mark.parametrize(
    ("said", "cell", "day"),
    [
        ("month/day/year", "01/31/2026", date(2026, 1, 31)),
        ("month/day/year", "1/2/2026", date(2026, 1, 2)),
        ("month/day/year", "2026-01-31", date(2026, 1, 31)),
        ("month/day/year", "1/31/2026 0:00", date(2026, 1, 31)),
        ("month/day/year", "1/31/2026 12:00:00 AM", date(2026, 1, 31)),
        ("day/month/year", "1/2/2026", date(2026, 2, 1)),
        ("day.month.year", "31.01.2026", date(2026, 1, 31)),
        ("month-day-year", "01-31-2026", date(2026, 1, 31)),
        ("year/month/day", "2026/1/31", date(2026, 1, 31)),
        ("month/day/year", "31/01/2026", None),
        ("month/day/year", "02/30/2026", None),
        ("month/day/year", "1/31/26", None),
        ("month/day/year", "1/31/2026 13:45", None),
        ("month/day/year", "1-31-2026", None),
        ("month/day/year", "today", None),
        ("day.month.year", "31x01x2026", None),
    ],
)  # fmt: skip
async def test_the_order_of_a_date_is_said(tmp_path, said, cell, day):
    """As it is said, or as 2026-01-31; whatever else stands there is no date."""
    (row,) = rows((await read(tmp_path, f"n,until\n1,{cell}\n", DATES % said)).table, "1")
    assert (None if isinstance(row["until"], NotLearnt) else row["until"]) == day


async def test_a_moment_is_not_written_so(tmp_path):
    """A date-time needs its time and its zone, whatever is said of dates."""
    (row,) = rows(
        (await read(tmp_path, "n,until\n1,1/2/2026\n", DATES.replace("date}", "date-time}") % "month/day/year")).table,
        "1",
    )
    assert row["until"] == NotLearnt("line 2: the cell in column until of our table is not a valid date-time")


async def test_without_it_such_a_date_is_none(tmp_path):
    """1/2/2026 may be either of two days."""
    (row,) = rows((await read(tmp_path, "n,until\n1,1/2/2026\n", DATES.replace(", dates: %s", ""))).table, "1")
    assert row["until"] == NotLearnt("line 2: the cell in column until of our table is not a valid date")


async def test_the_date_of_the_contents_is_read_so_too(tmp_path):
    """`dated` names a column of dates, in a file as in a database."""
    said = "csv: t.csv, key: n, dated: written, dates: month/day/year"
    reading = await read(tmp_path, "n,written\n1,01/31/2026\n2,02/01/2026\n", said)
    assert reading.dated == datetime(2026, 2, 1, tzinfo=UTC)
    with sqlite3.connect(tmp_path / "t.db") as database:
        database.execute("CREATE TABLE t (n TEXT, written TEXT)")
        database.execute("INSERT INTO t VALUES ('1', '1/31/2026')")
    database.close()
    said = "sql: {connection: b, query: select n, written from t}, key: n, dated: written, dates: month/day/year"
    said = said.replace("select n, written from t", "'select n, written from t'")
    assert (await read(tmp_path, "", said, b=SecretStr(f"sqlite:///{tmp_path / 't.db'}"))).dated == datetime(
        2026, 1, 31, tzinfo=UTC
    )


async def test_all_of_it_at_an_address(tmp_path):
    """What the policy says counts, whatever the server says; where the policy says nothing, it is UTF-8."""
    body = "n;name;until\n1;B\u00fcro;1/31/2026\n".encode("cp1252")

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Type": f"text/csv; charset={request.query['as']}"})

    app = web.Application()
    app.router.add_get("/t.csv", answer)
    async with TestServer(app) as server:
        said = (
            "key: n, columns: {name: text, until: date}, separator: ';', encoding: windows-1252, dates: month/day/year"
        )
        for charset in ("windows-1252", "utf-8"):
            table = (await read(tmp_path, "", f"url: '{server.make_url('/t.csv')}?as={charset}', {said}")).table
            assert rows(table, "1") == [{"n": "1", "name": "B\u00fcro", "until": date(2026, 1, 31)}]
        unsaid = said.replace("encoding: windows-1252, ", "")
        why = (await read(tmp_path, "", f"url: '{server.make_url('/t.csv')}?as=CP1252', {unsaid}")).table.why
        assert "the response is cp1252, not UTF-8; write `encoding: windows-1252`" in why


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("csv: t.csv, key: n, separator: ';;'", "`separator` is what stands between cells: one of ',' ';'"),
        ("csv: t.csv, key: n, separator: a", "`separator` is what stands between cells"),
        ("csv: t.csv, key: n, separator: '\"'", "`separator` is what stands between cells"),
        ("csv: t.csv, key: n, separator: [';']", "`separator` is what stands between cells"),
        ("csv: t.csv, key: n, encoding: utf-17", "`encoding` is one of utf-8, utf-16"),
        ("csv: t.csv, key: n, encoding: windows1252x", "(did you mean `windows-1252`?)"),
        ("csv: t.csv, key: n, encoding: base64", "`encoding` is one of"),
        ("csv: t.csv, key: n, encoding: [utf-8]", "`encoding` is one of"),
        ("csv: t.csv, key: n, dates: american", "`dates` says in which order a date is written: month/day/year,"),
        ("csv: t.csv, key: n, dates: month/year/day", "`dates` says in which order"),
        ("csv: t.csv, key: n, dates: month/day.year", "`dates` says in which order"),
        ("csv: t.csv, key: n, dates: month/month/year", "`dates` says in which order"),
        ("csv: t.csv, key: n, dates: [month/day/year]", "`dates` says in which order"),
        ("csv: t.csv, key: n, delimiter: ';'", "data has no `delimiter` (did you mean `separator`?)"),
        ("lines: t.txt, separator: ';'", "`lines` has no columns; take `separator` out"),
        ("lines: t.txt, dates: month/day/year", "`lines` has no columns; take `dates` out"),
        ("values: [a], encoding: utf-8", "`values` stand in the policy itself; take `encoding` out"),
        (
            "sql: {connection: b, query: select 1}, key: n, separator: ';'",
            "a database says itself how its rows are written",
        ),
        ("sql: {connection: b, query: select 1}, key: n, encoding: utf-8", "a database says itself how"),
        ("url: 'https://x.example/t', separator: ';'", "`url` without `key` is read as one key a line"),
        ('csv: t.csv, key: "\\t"', "a value is missing here"),
        ("csv: t.csv, key: n, separator: '  '", "a value is missing here"),
    ],
)
def test_what_cannot_be_said_is_refused(declared, message):
    """At its place, with what can."""
    made = loaded(declared)
    assert isinstance(made, str), "it loads"
    assert message in made
