"""The ledger's tables. The migrations make them; a test compares both."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment with its zone on the way in, always UTC on the way out; SQLite itself knows no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ANN401, ARG002 — SQLAlchemy's signature
        """Refuse a moment without a zone, since nobody could say what it meant."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment in the ledger needs its time zone")
        moment: datetime = value.astimezone(UTC)
        return moment

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ANN401, ARG002 — SQLAlchemy's signature
        """Give the zone back that SQLite dropped."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# The provider account whose answers these are: one row. A ledger never changes hands.
provider = Table(
    "provider",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("service", String(2000), nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("username", String(60), nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
)

# What was asked, when it was seen, and what became of it in the end.
request = Table(
    "request",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("pm_id", BigInteger, nullable=False),
    Column("asked", String(64), nullable=False),
    Column("time", Integer, nullable=False),
    Column("account_id", BigInteger),
    Column("username", Text),
    Column("sender_id", BigInteger),
    Column("sender_username", Text),
    Column("property_id", BigInteger),
    Column("access_level", Text),
    Column("custom", JSON, nullable=False),
    Column("requested_at", UtcDateTime),
    Column("source", LargeBinary, nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
    # When a whole read first came back without it, and how many did since it was last seen.
    Column("absent_since", UtcDateTime),
    Column("absent_reads", Integer, nullable=False, default=0),
    # The intent whose done reject may take this request along; no foreign key, since intents point back here.
    Column("falls_with", Integer),
    Column("outcome", String(20)),
    Column("outcome_at", UtcDateTime),
    Column("outcome_text", Text, nullable=False, default=""),
    Column("again_after", UtcDateTime),
    UniqueConstraint("kind", "pm_id", "asked", "time"),
    Index(None, "kind", "pm_id"),
    Index(None, "outcome"),
)

# Append-only: a new row when verdict, rule or kind of reason changes.
decision = Table(
    "decision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("request_id", Integer, ForeignKey("request.id"), nullable=False, index=True),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("mode", String(10), nullable=False),
    Column("verdict", String(10), nullable=False),
    Column("rule", Text),
    Column("reason", String(40), nullable=False),
    Column("reason_text", Text, nullable=False),
    Column("kept_back", String(40)),
    Column("kept_back_text", Text, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("unknown", JSON, nullable=False),
    Column("note", Text),
    Column("policy_digest", String(64), nullable=False),
    Column("sources", JSON, nullable=False),
)

# Durable before the POST leaves.
intent = Table(
    "intent",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("request_id", Integer, ForeignKey("request.id"), nullable=False, index=True),
    Column("decision_id", Integer, ForeignKey("decision.id"), nullable=False, index=True),
    Column("action", String(10), nullable=False),
    Column("note", Text),
    # The program's version: what it was refused, a newer one may try again.
    Column("program", String(40), nullable=False),
    Column("intended_at", UtcDateTime, nullable=False),
    # What came of it; `open` until it is known.
    Column("outcome", String(20), nullable=False),
    Column("outcome_at", UtcDateTime),
    Column("outcome_text", Text, nullable=False, default=""),
    Index(None, "outcome"),
)

notification = Table(
    "notification",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("type", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("account_id", BigInteger),
    Column("username", Text),
    Column("property_id", BigInteger),
    Column("meter_id", BigInteger),
    Column("created_at", UtcDateTime),
    Column("created_by", Text),
    Column("created_by_account_id", Text),
    Column("first_seen", UtcDateTime, nullable=False),
)

# Elements without a readable id, kept so that people can look at them.
unreadable = Table(
    "unreadable",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("why", Text, nullable=False),
    Column("source", LargeBinary, nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
)
