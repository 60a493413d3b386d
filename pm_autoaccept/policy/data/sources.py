"""Data that a policy declares: where its rows stand, what its columns are, how its keys are cleaned, what guards it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from pm_autoaccept.policy.cleaning import Cleaning, cleaned
from pm_autoaccept.policy.data.layouts import COMMA, DateOrder
from pm_autoaccept.policy.parser.source_text import Place
from pm_autoaccept.policy.values import FieldType
from pm_autoaccept.redaction import shown

VALUE = "value"
"""What the one column is called where rows are keys and nothing else."""

REFRESH = timedelta(minutes=15)


class Form(StrEnum):
    """Where a table's rows stand: in the policy, one a line in a file, in a csv file, in a database, at an address."""

    VALUES = "values"
    LINES = "lines"
    CSV = "csv"
    SQL = "sql"
    URL = "url"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What brings the rows of an `sql` source: the name of a connection in the settings, and the query."""

    connection: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What must be true of a table, or what depends on it is unknown; None is not asked for.

    Attributes:
        rows: it has at least so many.
        age: its contents are no older.
        shrink: it has at most so many percent fewer rows than it had in the last 7 days.
        grow: likewise more.
    """

    rows: int | None = None
    age: timedelta | None = None
    shrink: Decimal | None = None
    grow: Decimal | None = None


NO_GUARD = Guard()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A declared table.

    Attributes:
        values: the keys themselves, for `values`.
        places: where each of them stands in the policy.
        path: the file, relative to the policy's folder, for `lines` and `csv`.
        query: for `sql`.
        url: for `url`.
        plain: what is at the address is one key a line, since no key column is named.
        key: the names of the key columns; `("value",)` where rows are keys and nothing else.
        columns: name → type of the declared columns beyond the key.
        clean: key column → how it, and what is looked up there, is cleaned; a column that is not cleaned is not in it.
        require: what guards it.
        refresh: how long it is good before it is read again.
        dated: the column that says when a row was written.
        separator: what separates the cells of csv.
        encoding: of a file, or of what is at an address; None where nobody said it, which is UTF-8.
        dates: how dates are written, beside 2026-01-31.
    """

    name: str
    form: Form
    values: tuple[str, ...] = ()
    places: tuple[Place, ...] = field(default=(), compare=False, repr=False)
    path: str | None = None
    query: Query | None = None
    url: str | None = None
    plain: bool = False
    key: tuple[str, ...] = (VALUE,)
    columns: Mapping[str, FieldType] = field(default_factory=dict)
    clean: Mapping[str, tuple[Cleaning, ...]] = field(default_factory=dict)
    require: Guard = NO_GUARD
    refresh: timedelta = REFRESH
    dated: str | None = None
    separator: str = COMMA
    encoding: str | None = None
    dates: DateOrder | None = None

    @property
    def guarded(self) -> bool:
        """Whether anything is required of it."""
        return self.require != NO_GUARD

    @property
    def has_header(self) -> bool:
        """Whether its rows have named columns, of which `key` names some."""
        return self.form in {Form.CSV, Form.SQL} or (self.form is Form.URL and not self.plain)

    @property
    def where(self) -> str:
        """Where its rows stand, for people, without what may be secret."""
        if self.query is not None:
            return f"connection {self.query.connection}"
        return self.path or (shown(self.url).partition("?")[0] if self.url else "the policy")

    def cleaned(self, key: tuple[str, ...]) -> tuple[str, ...] | None:
        """One text for each key column, cleaned as the column is; None where nothing is left of one."""
        parts = tuple(cleaned(part, self.clean.get(name, ())) for name, part in zip(self.key, key, strict=True))
        return parts if all(parts) else None
