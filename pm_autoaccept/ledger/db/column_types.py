"""Column types of the ledger: date and time in UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A date and time with time zone, stored and returned in UTC. SQLite itself has no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ANN401, ARG002 — SQLAlchemy's signature
        """Refuse a moment without a time zone, because it would be ambiguous."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment in the ledger needs a time zone")
        moment: datetime = value.astimezone(UTC)
        return moment

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ANN401, ARG002 — SQLAlchemy's signature
        """Restore the time zone that SQLite dropped."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

    # A row has ten moments. SQLAlchemy stores the same text in SQLite, but its conversions take four times as long.

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """A conversion to SQLite's text in one step."""
        if dialect.name != "sqlite":
            return super().bind_processor(dialect)

        def to_text(value: Any) -> str | None:  # noqa: ANN401 — SQLAlchemy's signature
            moment = self.process_bind_param(value, dialect)
            return None if moment is None else moment.replace(tzinfo=None).isoformat(" ", "microseconds")

        return to_text

    def result_processor(self, dialect: Dialect, coltype: Any) -> Callable[[Any], Any] | None:  # noqa: ANN401 — SQLAlchemy's signature
        """A conversion from SQLite's text in one step."""
        if dialect.name != "sqlite":
            return super().result_processor(dialect, coltype)
        return _from_text


def _from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)
