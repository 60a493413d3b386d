"""Makes a ledger that looks as if it had been in use for years: the tables by the program, the rows by the database.

Every customer made four requests: a connection, a property and two meters. 99 of 100 customers were accepted. The
others were rejected, with their shares or one by one, or withdrew, or were answered in Portfolio Manager's own pages.
Every request has five decisions. Ids follow from the number of the customer, so that a service can agree with them.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from string import Template
from types import MappingProxyType

from pm_autoaccept import __version__
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import ProviderAccount

PROVIDER = ProviderAccount(87_267, "prairie_power")
"""The simulator's own provider account."""

YEARS = timedelta(days=3 * 365)
"""The age of a ledger."""

PER_CUSTOMER = 4
DECISIONS = 5

FIRST_OWNER, FIRST_PROPERTY, FIRST_METER = 1_000_000, 10_000_000, 40_000_000
"""The ids of the first customer: its account, its property, and the first of its two meters."""


@dataclass(frozen=True, slots=True)
class Aged:
    """A ledger with this many requests, seen from `now`.

    Attributes:
        requests: a multiple of 4,000, so that all kinds of customers are in it.
    """

    requests: int
    now: datetime

    def __post_init__(self) -> None:
        if self.requests % 4_000:
            raise ValueError(f"the number of requests must be a multiple of 4,000, not {self.requests}")

    @property
    def customers(self) -> int:
        """The number of customers."""
        return self.requests // PER_CUSTOMER

    def connected(self) -> list[int]:
        """The account ids of the customers who are connected."""
        return [FIRST_OWNER + number for number in range(self.customers) if number % 100 != 99]


def property_of(owner: int) -> int:
    """The property that a connected customer shares."""
    return owner - FIRST_OWNER + FIRST_PROPERTY


def make(url: str, aged: Aged, *, service: str) -> None:
    """Make a ledger at this address, which must be empty, and fill it."""
    asyncio.run(_make_tables(url, service, aged.now - YEARS))
    if url.startswith("sqlite:"):
        _fill_sqlite(Path(url.removeprefix("sqlite:///")), aged)
    else:
        _fill_postgresql(url, aged)


def move_to(url: str, service: str) -> None:
    """Bind a ledger's account to another service, because each stand-in has a port of its own."""
    statement = "UPDATE provider SET service = "
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file, file:
            file.execute(f"{statement} ?", (service,))
        return
    import psycopg  # noqa: PLC0415 — only for PostgreSQL

    with psycopg.connect(url) as connection:
        connection.execute(f"{statement} %s", (service,))  # type: ignore[arg-type]


async def _make_tables(url: str, service: str, at: datetime) -> None:
    ledger = await SqlLedger.open(url)
    try:
        await ledger.claim(service=service, provider=PROVIDER, at=at)
    finally:
        await ledger.close()


def _fill_sqlite(path: Path, aged: Aged) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        # A file that is being made need not survive a power cut.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "foreign_keys = OFF", "cache_size = -262144"):
            file.execute(f"PRAGMA {pragma}")
        file.execute("BEGIN")
        _fill(file.execute, aged, _SQLITE)
        file.execute("COMMIT")
        file.execute("PRAGMA journal_mode = WAL")


def _fill_postgresql(url: str, aged: Aged) -> None:
    import psycopg  # noqa: PLC0415 — only for PostgreSQL

    with psycopg.connect(url, autocommit=True) as connection:
        # Nor need a database; the rows refer to each other correctly, which PostgreSQL would check one by one.
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        with connection.transaction():
            _fill(connection.execute, aged, _POSTGRESQL)  # type: ignore[arg-type]
            for table in ("request", "decision", "intent", "inventory", "source_count", "policy_revision"):
                number = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"  # noqa: S608 — our names
                connection.execute(number)  # type: ignore[arg-type]
        connection.execute("VACUUM ANALYZE")


def _fill(execute: Callable[[str], object], aged: Aged, dialect: Mapping[str, str]) -> None:
    step = YEARS.total_seconds() / aged.requests
    values = {
        "requests": aged.requests,
        "customers": aged.customers,
        "decisions": aged.requests * DECISIONS,
        "days": YEARS.days,
        "now": int(aged.now.timestamp()),
        # The last request was made, decided and answered within the quarter of an hour before the last cycle.
        "begin": int(aged.now.timestamp() - 1_000 - step * aged.requests),
        "step": f"{step:.6f}",
        "program": __version__,
        "what_became_of_requests": _REQUESTS,
        **dialect,
    }
    for name, template in SOURCES.items():
        values[name] = template.replace("'", "''")
    for statement in STATEMENTS:
        # The pieces of a dialect hold pieces themselves.
        execute(Template(Template(statement).substitute(values)).substitute(values))


_SQLITE = MappingProxyType(
    {
        "series": "WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n <",
        "series_end": ")",
        "at": "strftime('%Y-%m-%d %H:%M:%S.000000', CAST(",
        "at_end": "AS INTEGER), 'unixepoch')",
        "bytes": "CAST(",
        "bytes_end": "AS BLOB)",
        "digest": "printf('%064x', 2654435761 * (",
        "digest_end": "))",
        "json": "(",
        "json_end": ")",
    }
)
_POSTGRESQL = MappingProxyType(
    {
        "series": "WITH series (n) AS (SELECT generate_series(1,",
        "series_end": "))",
        "at": "to_timestamp(",
        "at_end": ")",
        "bytes": "convert_to(",
        "bytes_end": ", 'UTF8')",
        "digest": "lpad(to_hex(2654435761 * (",
        "digest_end": ")), 64, '0')",
        "json": "CAST(",
        "json_end": "AS json)",
    }
)

_AUDIT = (
    "<createdBy>customer_@c</createdBy><createdByAccountId>@owner</createdByAccountId>"
    "<createdDate>2024-03-04T21:59:01.853-05:00</createdDate><lastUpdatedBy>customer_@c</lastUpdatedBy>"
    "<lastUpdatedByAccountId>@owner</lastUpdatedByAccountId>"
    "<lastUpdatedDate>2024-03-04T21:59:01.853-05:00</lastUpdatedDate>"
)
_PLACE = '<address address1="77 Dock Road" city="Portland" postalCode="97205" state="OR" country="US"/>'
_BUILDING = (
    f"<propertyInfo><name>Building @c</name>{_PLACE}<occupancyPercentage>100</occupancyPercentage>"
    "<isFederalProperty>false</isFederalProperty></propertyInfo>"
)
SOURCES = MappingProxyType(
    {
        "connection_source": (
            "<account><accountId>@owner</accountId><username>customer_@c</username><customFieldList>"
            '<customField name="Utility Customer Number">@owner</customField></customFieldList>'
            f"<accountInfo>{_PLACE}<email>customer_@c@customer.example</email><firstName>Alex</firstName>"
            "<phone>503-555-0100</phone><lastName>Doe</lastName><jobTitle>Owner</jobTitle></accountInfo>"
            f"<connectionAudit>{_AUDIT}</connectionAudit></account>"
        ),
        "property_source": (
            "<property><propertyId>@property</propertyId><accessLevel>Read Write</accessLevel>"
            f"<accountId>@owner</accountId><username>customer_@c</username>{_BUILDING}"
            f"<shareAudit>{_AUDIT}</shareAudit></property>"
        ),
        "meter_source": (
            "<meter><meterId>@meter</meterId><propertyId>@property</propertyId><accountId>@owner</accountId>"
            f"<username>customer_@c</username><accessLevel>Read Write</accessLevel>{_BUILDING}"
            "<meterInfo><id>@meter</id><name>Main</name><type>Electric</type>"
            "<unitOfMeasure>kWh (thousand Watt-hours)</unitOfMeasure><firstBillDate>2020-01-01</firstBillDate>"
            f"<inUse>true</inUse></meterInfo><shareAudit>{_AUDIT}</shareAudit></meter>"
        ),
    }
)
"""What the simulator shows of a request, with the places of its numbers."""

_REQUESTS = """
    , numbered AS (SELECT n, (n - 1) / 4 AS c, (n - 1) % 4 AS part, $begin + n * $step AS asked FROM series),
    made AS (
        SELECT n, c, part, asked,
            CASE part WHEN 0 THEN 'connection' WHEN 1 THEN 'property' ELSE 'meter' END AS kind,
            1000000 + c AS owner, 10000000 + c AS property, 40000000 + 2 * c + part - 2 AS meter,
            CASE
                WHEN c % 100 = 99 AND (c / 100) % 5 = 0 AND part > 0 THEN 'fallen'
                WHEN c % 100 = 99 AND (c / 100) % 5 = 1 THEN 'gone'
                WHEN c % 100 = 99 AND (c / 100) % 5 = 2 THEN 'settled_elsewhere'
                WHEN c % 1000 = 7 THEN 'settled_elsewhere'
                WHEN c % 100 = 50 THEN 'done_inferred'
                ELSE 'done'
            END AS outcome,
            CASE
                WHEN c % 100 = 99 AND (c / 100) % 5 = 0 AND part > 0 THEN NULL
                WHEN c % 100 = 99 AND (c / 100) % 5 IN (1, 2) THEN NULL
                WHEN c % 1000 = 7 THEN NULL
                WHEN c % 100 = 99 THEN 'Reject'
                ELSE 'Accept'
            END AS action,
            c % 50 = 10 AND part = 3 AS finished
        FROM numbered
    )
"""
"""Each request, and what became of it."""

STATEMENTS = (
    # Requests. The meters of two customers in a hundred are not shared any more.
    """
    INSERT INTO request (id, provider_id, kind, pm_id, content_digest, occurrence, account_id, username, sender_id,
        sender_username, property_id, access_level, custom, requested_at, source, first_seen, last_seen, absent_since,
        absent_reads, seen_with, cascade_intent_id, present_reads, outcome, outcome_at, outcome_text, end_noted_at,
        ended_at)
    $series $requests $series_end $what_became_of_requests
    SELECT n, 1, kind, CASE part WHEN 0 THEN owner WHEN 1 THEN property ELSE meter END,
        $digest n $digest_end, 1, owner, 'customer_' || c, owner, 'customer_' || c,
        CASE WHEN part > 0 THEN property END, CASE WHEN part > 0 THEN 'Read Write' END,
        $json CASE part WHEN 0 THEN '[["Utility Customer Number", "' || owner || '"]]' ELSE '[]' END $json_end,
        $at asked $at_end,
        $bytes replace(replace(replace(replace(
            CASE part WHEN 0 THEN '$connection_source' WHEN 1 THEN '$property_source' ELSE '$meter_source' END,
            '@owner', CAST(owner AS TEXT)), '@property', CAST(property AS TEXT)), '@meter', CAST(meter AS TEXT)),
            '@c', CAST(c AS TEXT)) $bytes_end,
        $at asked + 60 $at_end, $at asked + 860 $at_end, $at asked + 920 $at_end, 2, $json '[]' $json_end,
        CASE WHEN outcome = 'fallen' THEN 2 * (4 * c + 1) END, 0,
        outcome, $at asked + 865 $at_end,
        CASE outcome WHEN 'done_inferred' THEN 'reads show it' WHEN 'gone' THEN 'two reads did not show it'
            WHEN 'fallen' THEN 'rejected together with its connection' ELSE '' END,
        CASE WHEN finished THEN $at asked + 90000 $at_end END, CASE WHEN finished THEN $at asked + 90060 $at_end END
    FROM made
    """,
    # Decisions, in the order of time: 200 requests are decided at once.
    """
    INSERT INTO decision (id, request_id, decided_at, mode, verdict, rule, reason, reason_text, kept_back,
        kept_back_text, evidence, "unknown", note, policy_digest, sources, tell, shadows)
    $series $decisions $series_end
    , numbered AS (
        SELECT n, (n - 1) / 1000 * 200 + (n - 1) % 200 + 1 AS request, (n - 1) % 1000 / 200 AS k FROM series
    ),
    made AS (
        SELECT n, request, k, (request - 1) / 4 AS c, $begin + request * $step + 60 AS seen FROM numbered
    )
    SELECT n, request, $at seen + 200 * k $at_end, 'enforce',
        CASE WHEN k < 3 THEN 'hold' WHEN c % 100 = 99 THEN 'reject' ELSE 'accept' END,
        CASE WHEN k = 1 THEN 'customers' WHEN k = 2 THEN 'review' WHEN k = 0 THEN NULL
            WHEN c % 100 = 99 THEN 'strangers' ELSE 'customers' END,
        CASE k WHEN 0 THEN 'default' WHEN 1 THEN 'unknown' ELSE 'rule' END,
        CASE k WHEN 0 THEN 'No rule matched.'
            WHEN 1 THEN 'Rule customers could not be evaluated: customers cannot be read.'
            WHEN 2 THEN 'Rule review matched (hold): account.job_title is Owner.'
            ELSE 'Rule customers matched (accept): account.username is in customers.' END,
        CASE WHEN k = 3 THEN 'over_limit' END,
        CASE WHEN k = 3 THEN 'One more accept would exceed the limit of 200 per 1h.' ELSE '' END,
        $json CASE WHEN k IN (0, 1) THEN '[]'
            ELSE '[["account.username", "in customers", "customer_' || c || '", "true"]]' END $json_end,
        $json CASE k WHEN 1 THEN '["customers"]' ELSE '[]' END $json_end,
        CASE WHEN k > 2 THEN 'Welcome! We matched your account.' END,
        $digest 7 + request / 20000 $digest_end,
        $json CASE WHEN k = 1 THEN '[]' ELSE '[["customers", ' || c || ', "' || $digest c / 100 $digest_end || '"]]' END
            $json_end,
        NULL, $json '[]' $json_end
    FROM made
    """,
    # Answers. One in fifty was first withdrawn, or refused.
    """
    INSERT INTO intent (id, provider_id, request_id, decision_id, action, note, template, program, intended_at,
        attempts, sent_at, service_sent_at, outcome, outcome_at, outcome_text)
    $series $requests $series_end $what_became_of_requests
    SELECT 2 * n, 1, n, (n - 1) / 200 * 1000 + 800 + (n - 1) % 200 + 1, action, 'Welcome! We matched your account.',
        $digest 3 $digest_end, '$program', $at asked + 862 $at_end, 1, $at asked + 862 $at_end,
        $at asked + 862 $at_end, outcome, $at asked + 865 $at_end, ''
    FROM made WHERE action IS NOT NULL
    UNION ALL
    SELECT 2 * n - 1, 1, n, (n - 1) / 200 * 1000 + 800 + (n - 1) % 200 + 1, action, 'Welcome! We matched your account.',
        $digest 3 $digest_end, '$program', $at asked + 861 $at_end, 1, $at asked + 861 $at_end,
        $at asked + 861 $at_end, CASE WHEN c % 100 = 20 THEN 'not_sent' ELSE 'refused' END,
        $at asked + 861 $at_end, ''
    FROM made WHERE action IS NOT NULL AND c % 50 = 20
    """,
    """
    INSERT INTO cascaded_reject (intent_id, request_id)
    $series $requests $series_end $what_became_of_requests
    SELECT 2 * (4 * c + 1), n FROM made WHERE outcome = 'fallen'
    """,
    # Connections and shares. No read shows meters, so those that somebody accepted elsewhere are not known.
    """
    INSERT INTO inventory (id, provider_id, kind, pm_id, owner_id, property_id, access_level, origin, request_id,
        first_seen, last_seen, ended_at, ended_by, acknowledged_at, acknowledged_by, acknowledged_why)
    $series $requests $series_end $what_became_of_requests
    SELECT n, 1, kind, CASE part WHEN 0 THEN owner WHEN 1 THEN property ELSE meter END, owner,
        CASE WHEN part > 0 THEN property END, CASE WHEN part > 0 AND action IS NOT NULL THEN 'Read Write' END,
        CASE WHEN action IS NULL THEN 'undecided' ELSE 'decided' END, CASE WHEN action IS NOT NULL THEN n END,
        $at asked + 920 $at_end,
        CASE part WHEN 0 THEN $at $now $at_end
            WHEN 1 THEN $at $now - 3 * (c * 7919 % $customers) $at_end ELSE $at asked + 862 $at_end END,
        CASE WHEN finished THEN $at asked + 90000 $at_end END, CASE WHEN finished THEN 'notification ' || n END,
        CASE WHEN action IS NULL AND c % 2000 = 1007 THEN $at asked + 172800 $at_end END,
        CASE WHEN action IS NULL AND c % 2000 = 1007 THEN 'dana' END,
        CASE WHEN action IS NULL AND c % 2000 = 1007 THEN 'accepted by phone' END
    FROM made WHERE c % 100 <> 99 AND (action IS NOT NULL OR part < 2)
    """,
    # Shares are read owner by owner, in turn, twenty in a minute.
    """
    INSERT INTO owner (provider_id, account_id, tried_at, read_at)
    $series $customers $series_end
    SELECT 1, 1000000 + n - 1, $at $now - 3 * ((n - 1) * 7919 % $customers) $at_end,
        $at $now - 3 * ((n - 1) * 7919 % $customers) $at_end
    FROM series WHERE (n - 1) % 100 <> 99
    """,
    """
    INSERT INTO notification (provider_id, id, type, description, account_id, username, property_id, meter_id,
        created_at, created_by, created_by_account_id, first_seen, effect)
    $series $requests / 10 $series_end
    SELECT 1, 700000 + n, CASE WHEN n % 10 = 0 THEN 'UNSHARE' ELSE 'METERUPDATE' END, 'A meter has changed.',
        1000000 + n * 2, 'customer_' || n * 2, 10000000 + n * 2, 40000000 + 4 * n,
        $at $begin + n * 10 * $step + 90000 $at_end, 'customer_' || n * 2, CAST(1000000 + n * 2 AS TEXT),
        $at $begin + n * 10 * $step + 90060 $at_end, 'nothing changed: the type is unknown'
    FROM series
    """,
    """
    INSERT INTO policy_revision (id, provider_id, at, digest, rules, refused, files, program)
    $series 50 $series_end
    SELECT n, 1, $at $begin + n * 1800000 $at_end, $digest n $digest_end, 3,
        CASE WHEN n % 10 = 0 THEN 'policy.yaml: unknown key' END, $json '{}' $json_end, '$program'
    FROM series
    """,
    # The table of customers grows every day.
    """
    INSERT INTO source_count (id, name, source, digest, rows, first_read, last_read)
    $series $days $series_end
    SELECT n, 'default', 'customers', $digest n $digest_end, $customers * n / $days,
        $at $now - ($days - n + 1) * 86400 $at_end, $at $now - ($days - n) * 86400 $at_end
    FROM series
    """,
    "UPDATE provider SET watched_since = $at $begin $at_end, watched_at = $at $now $at_end",
)
