"""Conditions on a list of ids of any length, as one SQL text with one parameter.

`IN (?, ?, …)` is another statement for each length. Each one takes memory in the database driver's statement cache, and
on SQLite the number of parameters is limited.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Self, cast

from sqlalchemy import ARRAY, BigInteger, BindParameter, Boolean, ColumnElement, Dialect, Text, TypeDecorator, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeEngine


class IdList(TypeDecorator[Iterable[int]]):
    """A list of ids as one parameter: an array in PostgreSQL, JSON text in SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the type of the parameter."""
        return dialect.type_descriptor(ARRAY(BigInteger) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Iterable[int] | None, dialect: Dialect) -> Any:  # noqa: ANN401 — SQLAlchemy's signature
        """Convert the ids for the driver."""
        ids = list(value or ())
        return ids if dialect.name == "postgresql" else json.dumps(ids)


class _IsOneOf(FunctionElement[bool]):
    """A column and a list of ids."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: OperatorType | None = None) -> Self:  # noqa: ARG002 — SQLAlchemy's signature
        """Stay a plain condition. Otherwise SQLAlchemy compares it with 1 on SQLite, which then uses no index."""
        return self


class _IsNoneOf(_IsOneOf):
    """The opposite."""

    inherit_cache = True


@compiles(_IsOneOf, "postgresql")
def _array(element: _IsOneOf, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 — SQLAlchemy's signature
    column, ids = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} <> ALL ({ids})" if isinstance(element, _IsNoneOf) else f"{column} = ANY ({ids})"


@compiles(_IsOneOf, "sqlite")
def _json(element: _IsOneOf, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 — SQLAlchemy's signature
    column, ids = (compiler.process(each, **options) for each in element.clauses)
    among = "NOT IN" if isinstance(element, _IsNoneOf) else "IN"
    return f"{column} {among} (SELECT value FROM json_each({ids}))"  # noqa: S608 — compiled parts


def id_list(name: str) -> BindParameter[Iterable[int]]:
    """A parameter for a list of ids, for a query that is built once; the list is given when it runs."""
    return bindparam(name, type_=IdList())


def is_one_of(column: ColumnElement[Any], ids: Iterable[int] | BindParameter[Iterable[int]]) -> ColumnElement[bool]:
    """A condition: the column's value is one of these ids."""
    return cast("ColumnElement[bool]", _IsOneOf(column, _parameter(ids)))


def is_none_of(column: ColumnElement[Any], ids: Iterable[int]) -> ColumnElement[bool]:
    """A condition: the column's value is none of these ids."""
    return cast("ColumnElement[bool]", _IsNoneOf(column, _parameter(ids)))


def _parameter(ids: Iterable[int] | BindParameter[Iterable[int]]) -> BindParameter[Iterable[int]]:
    if isinstance(ids, BindParameter):
        return ids
    return bindparam(None, list(ids), type_=IdList(), unique=True)
