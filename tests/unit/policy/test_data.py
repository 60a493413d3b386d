"""What may be declared as data, and what is said of a declaration that is wrong."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from pm_autoaccept.policy import Form, Guard, Query
from pm_autoaccept.policy.cleaning import Cleaning
from pm_autoaccept.policy.values import FieldType

GOOD = "rules: [{id: a, on: meter, when: always, then: hold}]"
DECLARED = """
data:
  a:
    csv: data/a.csv
    key: [account_number, Meter No]
    clean: {account_number: digits, Meter No: [digits, no_leading_zeros]}
    columns: {tenants: integer, share: number, until: date, moved: date-time, shut: boolean, wait: duration,
               remark: text}
    require: {rows: '1,000', age: 2d, shrink: 20%, grow: 150.5%}
    refresh: 1h
    dated: moved
  b: {lines: b.txt}
  c: {values: [x, y], clean: fold_case}
  d: {sql: {connection: billing, query: 'select n from t;'}, key: n, clean: [digits, zero_fill 10]}
  e: {url: 'https://data.example.org/e.csv', key: n, dated: written}
  f: {url: 'http://127.0.0.1:8080/f.txt'}
  g: {url: 'https://data.example.org/g.csv', key: value}
"""


def test_declared_data(load):
    """Each form says where its rows stand; what is not said has its default."""
    sources = load(GOOD + DECLARED).sources
    a = sources["a"]
    assert (a.form, a.path, a.key) == (Form.CSV, "data/a.csv", ("account_number", "Meter No"))
    assert a.clean == {
        "account_number": (Cleaning("digits"),),
        "Meter No": (Cleaning("digits"), Cleaning("no_leading_zeros")),
    }
    assert list(a.columns.values()) == [
        FieldType.INTEGER,
        FieldType.NUMBER,
        FieldType.DATE,
        FieldType.MOMENT,
        FieldType.BOOLEAN,
        FieldType.DURATION,
        FieldType.TEXT,
    ]
    assert a.require == Guard(rows=1000, age=timedelta(days=2), shrink=Decimal(20), grow=Decimal("150.5"))
    assert (a.refresh, a.dated) == (timedelta(hours=1), "moved")
    b, c, d = sources["b"], sources["c"], sources["d"]
    assert (b.form, b.path, b.key, b.refresh, b.require) == (
        Form.LINES,
        "b.txt",
        ("value",),
        timedelta(minutes=15),
        Guard(),
    )
    assert (c.form, c.values, c.path, c.clean) == (Form.VALUES, ("x", "y"), None, {"value": (Cleaning("fold_case"),)})
    assert (d.form, d.query) == (Form.SQL, Query(connection="billing", query="select n from t"))
    assert d.clean == {"n": (Cleaning("digits"), Cleaning("zero_fill", 10))}
    assert (sources["e"].url, sources["e"].dated) == ("https://data.example.org/e.csv", "written")
    assert (sources["f"].url, sources["f"].has_header) == ("http://127.0.0.1:8080/f.txt", False)
    assert (sources["g"].key, sources["g"].has_header) == (("value",), True)


def test_what_is_looked_up_is_cleaned_as_the_key_is(load):
    """Each part by its own column; where nothing is left of one, there is no key."""
    source = load(f"{GOOD}\ndata: {{a: {{csv: x.csv, key: [n, m], clean: {{n: digits}}}}}}").sources["a"]
    assert source.cleaned(("00-1", " a–1 ")) == ("001", "a-1")  # noqa: RUF001 - a dash as people paste it
    assert source.cleaned(("n/a", "1")) is None
    assert source.cleaned(("1", " ")) is None


DATA = f"{GOOD}\ndata: "
CSV = "{a: {csv: x.csv, key: k, %s}}"
SQL = "{a: {key: k, sql: %s}}"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("[a]", "`data` is a mapping: a name, and below it `values`, `lines`, `csv`, `sql` or `url`"),
        ("{a: b}", "say `values`, `lines`, `csv`, `sql` or `url` below the name"),
        ("{1a: {values: [b]}}", "a data name is letters"),
        ("{a: {clean: digits}}", "say where the rows stand"),
        ("{a: {csv: x.csv, lines: y.txt, key: k}}", "say where the rows stand"),
        ("{a: {csv: x.csv}}", "say which column is the key, as `key: account_number`"),
        ("{a: {sql: {connection: a, query: select 1}}}", "say which column is the key"),
        ("{a: {lines: x.txt, key: k}}", "`lines` has no columns; take `key` out"),
        ("{a: {lines: x.txt, dated: k}}", "`lines` has no columns; take `dated` out"),
        ("{a: {lines: x.txt, kee: k}}", "data has no `kee` (did you mean `key`?)"),
        ("{a: {url: 'https://x.example', columns: {a: text}}}", "`url` without `key` is read as one key a line"),
        ("{a: {values: [b], key: k}}", "`values` stand in the policy itself; take `key` out"),
        ("{a: {values: [b], require: {rows: 1}}}", "`values` stand in the policy itself; take `require` out"),
        ("{a: {values: b}}", "`values` is a list"),
        ("{a: {values: [[b]]}}", "a value is one text"),
        ("{a: {values: [b], clean: digits}}", "`b` is blank after cleaning"),
        ("{a: {lines: [b]}}", "one file stands here"),
        ("{a: {lines: /etc/passwd}}", "a file lies in the policy's folder"),
        ("{a: {lines: ../x}}", "a file lies in the policy's folder"),
        ("{a: {lines: 'C:\\x'}}", "a file lies in the policy's folder"),
        ("{a: {values: ['1'], clean: digit}}", "no cleaning `digit` (did you mean `digits`?)"),
        ("{a: {values: ['1'], clean: first}}", "`first` needs a number"),
        ("{a: {values: ['1'], clean: digits 4}}", "`digits` stands alone"),
        ("{a: {values: ['1'], clean: zero_fill 0}}", "`zero_fill` needs a number"),
        ("{a: {values: ['1'], clean: {value: {digits: x}}}}", "`clean` is one of"),
        ("{a: {values: ['1'], clean: {digits: x}}}", "there are no columns here; write `clean: digits`"),
        ("{a: {values: ['1'], clean: digits no_spaces x}}", "`clean` is one of"),
        (CSV % "clean: {l: digits}", "`clean` is for key columns, and `l` is none"),
        ("{a: {csv: x.csv, key: [k, k]}}", "`k` already stands in this key"),
        ("{a: {csv: x.csv, key: {k: text}}}", "`key` is the name of a column, or a list of names"),
        ("{a: {csv: x.csv, key: [[k]]}}", "`key` is the name of a column, or a list of names"),
        (CSV % "columns: [b]", "`columns` gives each column its type"),
        (CSV % "columns: {b: dat}", "there is no type `dat` (did you mean `date`?)"),
        (CSV % "columns: {b: [date]}", "a column's type is one word: text, integer"),
        (CSV % "columns: {k: text}", "`k` is in the key already, as text"),
        (CSV % "refresh: often", "`refresh` is how long the data is good before it is read again"),
        (CSV % "refresh: 0s", "`refresh` is how long"),
        (CSV % "refresh: [1h]", "`refresh` is how long"),
        (CSV % "dated: k", "`dated` names a column of dates, and `k` is none"),
        (CSV % "columns: {b: text}, dated: b", "`dated` names a column of dates, and `b` is none"),
        (CSV % "dated: [b]", "`dated` names the column that says when a row was written"),
        (CSV % "require: 1000", "`require` must be a mapping, for example {rows: 1000, age: 2d, shrink: 20%}"),
        (CSV % "require: {row: 1}", "unknown guard `row` (did you mean `rows`?)"),
        (CSV % "require: {rows: many}", "invalid `rows`; use the minimum number of rows, for example `rows: 1000`"),
        (CSV % "require: {rows: 0}", "invalid `rows`; use the minimum number"),
        (CSV % "require: {rows: [1]}", "invalid `rows`; use the minimum number"),
        (CSV % "require: {age: 2 days}", "invalid `age`; use a number and s, m, h or d, for example `age: 2d`"),
        (CSV % "require: {age: 0d}", "invalid `age`; use a number"),
        (CSV % "require: {shrink: 20}", "invalid `shrink`; use a percentage below 100 by which the rows may decrease"),
        (CSV % "require: {shrink: 100%}", "invalid `shrink`; use a percentage"),
        (CSV % "require: {grow: -5%}", "invalid `grow`; use a percentage by which the rows may increase"),
        (SQL % "select", "`sql` names a connection of the settings and a query, as {connection: billing"),
        (SQL % "{connection: a}", "`sql` lacks `query`"),
        (SQL % "{query: select 1}", "`sql` lacks `connection`"),
        (SQL % "{connection: [a], query: select 1}", "`connection` is one text"),
        (SQL % "{connection: a, query: select 1, url: x}", "`sql` has no `url`; it has connection or query"),
        (SQL % "{connection: a, query: delete from t}", "a query only reads: begin it with `select`"),
        ("{a: {url: [x]}}", "one address stands here"),
        ("{a: {url: data.example.org/x}}", "that is no address; write it as https://"),
        ("{a: {url: 'https://'}}", "that is no address"),
        ("{a: {url: 'https://[x'}}", "that is no address"),
        ("{a: {url: 'https://x.example:port/'}}", "that is no address"),
        ("{a: {url: 'ftp://x.example/a'}}", "that is no address"),
        ("{a: {url: 'https://x.example/a b'}}", "that is no address"),
        ("{a: {url: 'http://x.example/a'}}", "anybody on the way can change what comes over http; write https"),
        ("{a: {url: 'https://me:secret@x.example/a'}}", "an address with a username or password in it"),
    ],
)
def test_data_that_is_refused(refused, data, message):
    """Each mistake is told once, at its place, with what to do."""
    (fault,) = refused(DATA + data)
    assert message in fault.message
    assert fault.line == 3
    assert "secret" not in str(fault)


def test_all_faults_of_data_at_once(refused):
    """One declaration may have many faults: all are told."""
    faults = refused(
        DATA + "{a: {csv: /x.csv, key: [k, k], clean: {j: digits}, columns: {b: dat}, refresh: 1w, "
        "require: {rows: x, age: y}}}"
    )
    assert len(faults) == 7


@pytest.mark.parametrize(
    "data",
    [
        "*x", "{a: *x}", CSV % "columns: *x", CSV % "columns: {b: *x}", CSV % "refresh: *x", CSV % "require: *x",
        CSV % "require: {rows: *x}", CSV % "dated: *x", CSV % "clean: {k: *x}", "{a: {csv: x, key: [*x]}}", SQL % "*x",
        SQL % "{connection: *x, query: select 1}", "{a: {url: *x}}",
    ],
)  # fmt: skip
def test_nothing_follows_from_what_could_not_be_read(refused, data):
    """What YAML itself is refused for brings no further complaints."""
    (fault,) = refused(DATA + data)
    assert "alias" in fault.message


def test_a_key_of_several_columns_is_looked_up(refused):
    """A single value is no key of a table whose key has several columns."""
    rules = "rules: [{id: a, on: meter, when: {custom.A: {in: t}}, then: hold}]"
    (fault,) = refused(f"{rules}\ndata: {{t: {{csv: x.csv, key: [n, m]}}}}")
    assert "the key of `t` has several columns (n or m); use `lookup`" in fault.message
