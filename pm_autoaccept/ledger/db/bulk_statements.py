"""Bulk statements: one INSERT or UPDATE, compiled once for each database, and run for many rows by the driver.

SQLAlchemy prepares each row of an executemany anew, which takes four times as long as SQLite needs to store it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection, Dialect, Insert, Update

Convert: TypeAlias = Callable[[Any], Any]


class _Compiled(NamedTuple):
    """A statement for one database.

    Attributes:
        text: its SQL.
        in_order: puts a row's values into the order of the text; None if its parameters have names.
        conversions: parameter → its type's conversion for the driver, if it needs one.
        constants: parameter → the value that is the same in every row, converted.
    """

    text: str
    in_order: Callable[[Mapping[str, Any]], tuple[Any, ...]] | None
    conversions: Mapping[str, Convert]
    constants: Mapping[str, Any]

    def parameters(self, row: Mapping[str, Any]) -> Mapping[str, Any] | tuple[Any, ...]:
        """A row's values as the driver takes them."""
        said = {**self.constants, **row}
        for name, convert in self.conversions.items():
            said[name] = convert(said[name])
        return said if self.in_order is None else self.in_order(said)


class BulkStatement:
    """An INSERT or UPDATE that runs for many rows.

    Args:
        statement: the INSERT of a table, or an UPDATE with a `bindparam` for each value that differs by row.
    """

    def __init__(self, statement: Insert | Update) -> None:
        # Otherwise an INSERT in PostgreSQL returns the numbers of its rows, which nobody reads.
        self._statement = statement.inline() if isinstance(statement, Insert) else statement
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run it for these rows, each with its parameter → value, as SQLAlchemy would take them.

        The rows of an INSERT all have the same columns in every run. Defaults do not apply.
        """
        if rows:
            made = self._compiled.get(connection.dialect.name) or self._compile(connection.dialect, list(rows[0]))
            connection.exec_driver_sql(made.text, [made.parameters(row) for row in rows])

    def _compile(self, dialect: Dialect, names: list[str]) -> _Compiled:
        columns = names if isinstance(self._statement, Insert) else None
        compiled = self._statement.compile(dialect=dialect, column_keys=columns)
        types = {name: compiled.binds[name].type.dialect_impl(dialect) for name in compiled.params}
        converts = {name: convert for name, each in types.items() if (convert := each.bind_processor(dialect))}
        constants = {
            name: converts.get(name, _unchanged)(value)
            for name, value in compiled.params.items()
            if not compiled.binds[name].required
        }
        made = _Compiled(
            compiled.string,
            None if compiled.positiontup is None else itemgetter(*compiled.positiontup),
            {name: convert for name, convert in converts.items() if name not in constants},
            constants,
        )
        self._compiled[dialect.name] = made
        return made


def _unchanged(value: Any) -> Any:  # noqa: ANN401 — whatever the column takes
    return value
