"""Watches the statements that the program sends to its databases: where each comes from, its plan, and its work.

A plan is what the database says of it. On SQLite the work of a statement is the number of instructions that its virtual
machine ran; on PostgreSQL, the rows that it looked at. Neither depends on how fast the machine is.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer
from psycopg.sql import Literal
from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

GROWING = frozenset(
    {"request", "decision", "intent", "cascaded_reject", "inventory", "owner", "notification", "unreadable"}
)
"""The tables that get rows as long as the program runs."""

_LIST = re.compile(r"\((\?|%\(\w+\)s(::\w+)*)(, (\?|%\(\w+\)s(::\w+)*))*\)")
_ALIAS = re.compile(r"\b(\w+) AS (\w+)")
_SCAN = re.compile(r"SCAN (\w+)")
_STEPS = 50
"""How many instructions SQLite runs between two reports."""
_CUSTOM_PLANS = 5
"""How often PostgreSQL plans a prepared statement with its parameters before it may do without."""


@dataclass(slots=True)
class Statement:
    """A statement of the program.

    Attributes:
        place: the function that sent it, as `module.function`.
        text: the text of its last execution.
        parameters: the parameters of its last execution, one set of them if there were several.
        times: how often it was sent.
        steps: how many instructions SQLite ran for all of them.
    """

    place: str
    text: str = ""
    parameters: Any = ()
    times: int = 0
    steps: int = 0

    @property
    def steps_each(self) -> float:
        """The instructions for one execution."""
        return self.steps / self.times


@dataclass(slots=True)
class Statements:
    """All statements, by where they come from and by their text, whatever the length of its lists."""

    by_text: dict[tuple[str, str], Statement] = field(default_factory=dict)
    _current: dict[int, Statement] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Statement]:
        return iter(self.by_text.values())

    @property
    def count(self) -> int:
        """How many were sent."""
        return sum(each.times for each in self)

    def sent(self, raw: object, text: str, parameters: Any) -> None:
        """A statement is about to be sent."""
        place = _place()
        key = place, _LIST.sub("(…)", text)
        found = self.by_text.setdefault(key, Statement(place))
        found.text, found.times = text, found.times + 1
        found.parameters = parameters[0] if isinstance(parameters, list) and parameters else parameters
        self._current[id(raw)] = found

    def worked(self, raw: object) -> None:
        """SQLite ran so many instructions again."""
        if (found := self._current.get(id(raw))) is not None:
            found.steps += _STEPS


@contextmanager
def watched() -> Iterator[Statements]:
    """Watch every statement of this process. Connections must be opened within."""
    statements = Statements()

    def connected(raw: Any, _record: object) -> None:
        if isinstance(raw, sqlite3.Connection):
            raw.set_progress_handler(lambda: statements.worked(raw), _STEPS)

    def sent(connection: Any, _cursor: object, text: str, parameters: Any, _context: object, _many: bool) -> None:  # noqa: FBT001 — SQLAlchemy's
        statements.sent(connection.connection.driver_connection, text, parameters)

    event.listen(Pool, "connect", connected)
    event.listen(Engine, "before_cursor_execute", sent)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", sent)
        event.remove(Pool, "connect", connected)


def _place() -> str:
    """The innermost function of the ledger that is at work, which is not one of its database's edge."""
    frame, other = sys._getframe(), ""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        name = f"{module.removeprefix('pm_autoaccept.').removeprefix('ledger.')}.{frame.f_code.co_qualname}"
        if module.startswith("pm_autoaccept.ledger.") and not module.startswith("pm_autoaccept.ledger.db."):
            return name
        if module.startswith("pm_autoaccept.") and not other:
            other = name
        frame = frame.f_back  # type: ignore[assignment]
    return other


def scans_on_sqlite(path: str, statements: Statements) -> dict[str, set[str]]:
    """Place → what SQLite reads from its first row to its last, of the tables that grow."""
    found: dict[str, set[str]] = {}
    with closing(sqlite3.connect(path)) as file:
        for each in statements:
            if not _is_query(each.text):
                continue
            aliases = {alias: table for table, alias in _ALIAS.findall(each.text)}
            for row in file.execute(f"EXPLAIN QUERY PLAN {each.text}", each.parameters):
                scan = _SCAN.match(row[3])
                if scan is not None and (table := aliases.get(scan[1], scan[1])) in GROWING:
                    found.setdefault(each.place, set()).add(f"{row[3]} ({table})")
    return found


def scans_on_postgresql(url: str, statements: Statements, *, rows: int) -> dict[str, set[str]]:
    """Place → what PostgreSQL reads sequentially, and where it looks at more rows than so many, of these tables.

    psycopg prepares what it sends often. PostgreSQL plans a prepared statement with its parameters at first, and after
    five times without them, if that looks as good. So each statement is run with its first and with its later plan, in
    a transaction that is rolled back.
    """
    found: dict[str, set[str]] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        for number, each in enumerate(statements):
            if not _is_query(each.text):
                continue
            execute = _prepared(connection, f"s{number}", each)
            # What inserts may not do so twice.
            how = "FORMAT JSON" if _verb(each.text) == "INSERT" else "ANALYZE, FORMAT JSON"
            for when in ("at first", *[None] * _CUSTOM_PLANS, "prepared"):
                plan = _plan(connection, execute, "FORMAT JSON" if when is None else how)
                for reading in _read_by(plan, rows):
                    found.setdefault(each.place, set()).add(f"{reading}, {when}")
            connection.execute(f"DEALLOCATE s{number}")  # type: ignore[arg-type]
    return found


def _prepared(connection: psycopg.Connection[Any], name: str, statement: Statement) -> bytes:
    """Prepare a statement as psycopg would; returns the text that executes it."""
    query = PostgresQuery(Transformer(connection))
    query.convert(statement.text, statement.parameters or None)
    types = ", ".join(_type(connection, oid) for oid in query.types)
    connection.execute(f"PREPARE {name}{f' ({types})' if types else ''} AS ".encode() + query.query)  # type: ignore[arg-type]
    values = b", ".join(Literal(statement.parameters[each]).as_bytes(connection) for each in query._order or ())
    return f"EXECUTE {name}".encode() + (b"(" + values + b")" if values else b"")


def _plan(connection: psycopg.Connection[Any], execute: bytes, how: str) -> Mapping[str, Any]:
    with connection.transaction(force_rollback=True):
        answer = connection.execute(f"EXPLAIN ({how}) ".encode() + execute).fetchone()  # type: ignore[arg-type]
    assert answer is not None
    plan: Mapping[str, Any] = answer[0][0]["Plan"]
    return plan


def _type(connection: psycopg.Connection[Any], oid: int) -> str:
    found = connection.adapters.types.get(oid) if oid else None
    if found is None:
        return "unknown"
    return f"{found.regtype}[]" if oid == found.array_oid else found.regtype


def _read_by(plan: Mapping[str, Any], rows: int) -> Iterator[str]:
    """What a plan's nodes read of the tables that grow, if it is too much."""
    table = plan.get("Relation Name")
    if table in GROWING and not plan["Node Type"].startswith("Modify"):
        names = (
            "Actual Rows",
            "Rows Removed by Filter",
            "Rows Removed by Index Recheck",
            "Rows Removed by Join Filter",
        )
        loops = plan.get("Actual Loops", 0)
        looked_at = int(sum(plan.get(name, 0) for name in names) * loops)
        if looked_at > (rows if plan["Node Type"] != "Seq Scan" else 0):
            yield f"{plan['Node Type']} of {table}: {looked_at} rows"
    for below in plan.get("Plans", ()):
        yield from _read_by(below, rows)


def _is_query(text: str) -> bool:
    return _verb(text) in {"SELECT", "UPDATE", "DELETE", "INSERT", "WITH"}


def _verb(text: str) -> str:
    return text.split(None, 1)[0].upper()
