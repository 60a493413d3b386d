"""Id lists: `column IN (these ids)` with one parameter for any number of ids, so that its SQL is always the same.

With a parameter for each id, each length of a list is a statement of its own: SQLAlchemy compiles it, the database
plans it, and sqlite3 keeps it. SQLite takes the list as JSON, PostgreSQL as an array.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Self

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Dialect, Text, TypeDecorator, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine


class _IdList(TypeDecorator[Any]):
    """A list of ids as one parameter."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """An array where there are arrays."""
        return dialect.type_descriptor(ARRAY(BigInteger) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Collection[int] | None, dialect: Dialect) -> Any:  # noqa: ANN401 — SQLAlchemy's signature
        """The ids as the driver takes them."""
        ids = list(value or ())
        return ids if dialect.name == "postgresql" else json.dumps(ids)


class in_ids(FunctionElement[bool]):  # noqa: N801 — used like a function, as SQLAlchemy names them
    """The condition that an integer column has one of these ids: a collection, or the name of a parameter with one.

    An empty collection matches no row.
    """

    name = "in_ids"
    type = Boolean()
    inherit_cache = True

    def __init__(self, column: Column[Any], ids: str | Collection[int]) -> None:
        name, value = (ids, None) if isinstance(ids, str) else (None, ids)
        super().__init__(column, bindparam(name, value, type_=_IdList(), required=value is None))

    def self_group(self, against: Any = None) -> Self:  # noqa: ANN401, ARG002 — SQLAlchemy's signature
        """Itself: SQLite has no booleans, so SQLAlchemy would add `= 1`, for which SQLite uses no index."""
        return self


@compiles(in_ids, "sqlite")
def _in_json(element: in_ids, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 — SQLAlchemy's signature
    column, ids = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({ids}))"  # noqa: S608 — SQLAlchemy's own parts


@compiles(in_ids, "postgresql")
def _in_array(element: in_ids, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 — SQLAlchemy's signature
    column, ids = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} = ANY ({ids})"
