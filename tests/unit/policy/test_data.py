"""What may be declared as data, and what is said of a declaration that is wrong."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from pm_autoaccept.policy import Guard, Query, SourceKind
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
    assert (a.kind, a.path, a.key) == (SourceKind.CSV, "data/a.csv", ("account_number", "Meter No"))
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
    assert (b.kind, b.path, b.key, b.refresh, b.require) == (
        SourceKind.LINES,
        "b.txt",
        ("value",),
        timedelta(minutes=15),
        Guard(),
    )
    assert (c.kind, c.values, c.path, c.clean) == (
        SourceKind.VALUES,
        ("x", "y"),
        None,
        {"value": (Cleaning("fold_case"),)},
    )
    assert (d.kind, d.query) == (SourceKind.SQL, Query(connection="billing", query="select n from t"))
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
        ("[a]", "`data` must be a mapping: a name, and below it `values`, `lines`, `csv`, `sql` or `url`"),
        ("{a: b}", "add `values`, `lines`, `csv`, `sql` or `url` below the name"),
        ("{1a: {values: [b]}}", "invalid data name; use letters"),
        ("{a: {clean: digits}}", "expected exactly one source: `values`"),
        ("{a: {csv: x.csv, lines: y.txt, key: k}}", "expected exactly one source: `values`"),
        ("{a: {csv: x.csv}}", "missing key column; add one, for example `key: account_number`"),
        ("{a: {sql: {connection: a, query: select 1}}}", "missing key column; add one, for example `key"),
        ("{a: {lines: x.txt, key: k}}", "`key` is not allowed here: `lines` has no columns; remove it"),
        ("{a: {lines: x.txt, dated: k}}", "`dated` is not allowed here: `lines` has no columns; remove it"),
        ("{a: {lines: x.txt, kee: k}}", "unknown key `kee` in data (did you mean `key`?)"),
        ("{a: {url: 'https://x.example', columns: {a: text}}}", "`url` without `key` is read as one key per line"),
        ("{a: {values: [b], key: k}}", "`key` is not allowed here: `values` are part of the policy; remove it"),
        (
            "{a: {values: [b], require: {rows: 1}}}",
            "`require` is not allowed here: `values` are part of the policy; remove it",
        ),
        ("{a: {values: b}}", "`values` must be a list"),
        ("{a: {values: [[b]]}}", "expected one value, not a list or mapping"),
        ("{a: {values: [b], clean: digits}}", "`b` is blank after cleaning"),
        ("{a: {lines: [b]}}", "expected one file"),
        ("{a: {lines: /etc/passwd}}", "the file must be in the policy folder"),
        ("{a: {lines: ../x}}", "the file must be in the policy folder"),
        ("{a: {lines: 'C:\\x'}}", "the file must be in the policy folder"),
        ("{a: {values: ['1'], clean: digit}}", "unknown cleaning `digit` (did you mean `digits`?)"),
        ("{a: {values: ['1'], clean: first}}", "`first` needs a number"),
        ("{a: {values: ['1'], clean: digits 4}}", "`digits` takes no number"),
        ("{a: {values: ['1'], clean: zero_fill 0}}", "`zero_fill` needs a number"),
        ("{a: {values: ['1'], clean: {value: {digits: x}}}}", "invalid `clean`; use points"),
        ("{a: {values: ['1'], clean: {digits: x}}}", "this source has no columns; write `clean: digits`"),
        ("{a: {values: ['1'], clean: digits no_spaces x}}", "invalid `clean`; use points"),
        (CSV % "clean: {l: digits}", "`l` in `clean` is not a key column; key columns: k"),
        ("{a: {csv: x.csv, key: [k, k]}}", "duplicate column `k` in `key`"),
        ("{a: {csv: x.csv, key: {k: text}}}", "`key` must be a column name or a list, for example [account"),
        ("{a: {csv: x.csv, key: [[k]]}}", "`key` must be a column name or a list, for example [account"),
        (CSV % "columns: [b]", "`columns` must map each column to its type"),
        (CSV % "columns: {b: dat}", "unknown type `dat` (did you mean `date`?)"),
        (CSV % "columns: {b: [date]}", "expected a type: text, integer, number"),
        (CSV % "columns: {k: text}", "`k` is a key column and always text"),
        (CSV % "refresh: often", "invalid duration in `refresh`; use a number and s, m, h or d"),
        (CSV % "refresh: 0s", "invalid duration in `refresh`; use a number"),
        (CSV % "refresh: [1h]", "invalid duration in `refresh`; use a number"),
        (CSV % "dated: k", "`dated` needs a column of dates, but `k` is not one"),
        (CSV % "columns: {b: text}, dated: b", "`dated` needs a column of dates, but `b` is not one"),
        (CSV % "dated: [b]", "`dated` must be the name of the column with the date of each row"),
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
        (SQL % "select", "`sql` needs a connection from the settings and a query, for example {connection: billing"),
        (SQL % "{connection: a}", "missing `query` in `sql`"),
        (SQL % "{query: select 1}", "missing `connection` in `sql`"),
        (SQL % "{connection: [a], query: select 1}", "`connection` must be one text"),
        (
            SQL % "{connection: a, query: select 1, url: x}",
            "unknown key `url` in `sql`; allowed keys: connection and query",
        ),
        (SQL % "{connection: a, query: delete from t}", "a query can only read; begin it with `select`"),
        ("{a: {url: [x]}}", "expected one URL, for example https://data.example.org/accounts.csv"),
        ("{a: {url: data.example.org/x}}", "invalid URL; write it as https://data.example.org/accounts.csv"),
        ("{a: {url: 'https://'}}", "invalid URL; write it as https://data.example.org/accounts.csv"),
        ("{a: {url: 'https://[x'}}", "invalid URL; write it as https://data.example.org/accounts.csv"),
        ("{a: {url: 'https://x.example:port/'}}", "invalid URL; write it as https://data.example.org/accounts.csv"),
        ("{a: {url: 'ftp://x.example/a'}}", "invalid URL; write it as https://data.example.org/accounts.csv"),
        ("{a: {url: 'https://x.example/a b'}}", "invalid URL; write it as https://data.example.org/accounts.csv"),
        ("{a: {url: 'http://x.example/a'}}", "anyone on the network can change the response; use https"),
        ("{a: {url: 'https://me:secret@x.example/a'}}", "the URL contains a username or password"),
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
    assert "the key of `t` has several columns (n and m); use `lookup`" in fault.message
