"""Declaration of a data source in a policy: kind, columns, key, cleaning, guards and refresh interval."""

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
from pm_autoaccept.redaction import redact_url

VALUE = "value"
"""The name of the only column of a source whose rows are just keys."""

REFRESH = timedelta(minutes=15)


class Form(StrEnum):
    """The kind of a source: inline values, one key per line in a file, a CSV file, a database query, a URL."""

    VALUES = "values"
    LINES = "lines"
    CSV = "csv"
    SQL = "sql"
    URL = "url"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The query of an `sql` source, and the name of its connection in the settings."""

    connection: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The conditions that a table must meet, or every test on it is unknown. None means not required.

    Attributes:
        rows: the minimum number of rows.
        age: the maximum age of its contents.
        shrink: by how many percent its rows may decrease, compared to the last 7 days.
        grow: by how many percent its rows may increase.
    """

    rows: int | None = None
    age: timedelta | None = None
    shrink: Decimal | None = None
    grow: Decimal | None = None


NO_GUARD = Guard()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A declared data source.

    Attributes:
        values: the keys themselves, for `values`.
        places: the position of each of them in the policy.
        path: the file, relative to the policy folder, for `lines` and `csv`.
        query: for `sql`.
        url: for `url`.
        plain: the URL holds one key per line, because no key column is named.
        key: the names of the key columns; `("value",)` if rows are just keys.
        columns: name → type of the declared columns other than the key.
        clean: key column → how its keys, and the values looked up in it, are cleaned; only columns with cleaning.
        require: its guards.
        refresh: the interval after which it is read again.
        dated: the column with the date of each row.
        separator: the separator of CSV cells.
        encoding: of a file or download; None if not declared, which means UTF-8.
        dates: how dates are written, in addition to 2026-01-31.
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
        """Whether it has any guard."""
        return self.require != NO_GUARD

    @property
    def has_header(self) -> bool:
        """Whether its rows have named columns."""
        return self.form in {Form.CSV, Form.SQL} or (self.form is Form.URL and not self.plain)

    @property
    def where(self) -> str:
        """Where its rows come from, for messages, without secrets."""
        if self.query is not None:
            return f"connection {self.query.connection}"
        return self.path or (redact_url(self.url).partition("?")[0] if self.url else "the policy")

    def cleaned(self, key: tuple[str, ...]) -> tuple[str, ...] | None:
        """One cleaned text for each key column; None if one of them is empty after cleaning."""
        parts = tuple(cleaned(part, self.clean.get(name, ())) for name, part in zip(self.key, key, strict=True))
        return parts if all(parts) else None
