"""Prometheus gauges, in one table: read from the state of the accounts each time `/metrics` is requested.

No other code sets a gauge, so no stale series is left behind, and ages grow even when nothing happens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from pm_autoaccept.model import NotLearnt
from pm_autoaccept.telemetry.account_telemetry import AccountTelemetry
from pm_autoaccept.telemetry.health import LeaseState
from pm_autoaccept.telemetry.log_stream import lost_lines
from pm_autoaccept.telemetry.metrics import PREFIX

Samples: TypeAlias = Iterable[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True)
class Gauge:
    """One metric: its name without the prefix, its help text, its labels after `account`, and how it is read."""

    name: str
    help: str
    labels: tuple[str, ...]
    read: Callable[[AccountTelemetry, datetime], Samples]


def _single(value: float | None) -> Samples:
    """The sample of a metric without further labels; none if the value is not known yet."""
    return () if value is None else (((), value),)


def _oldest_pending_age_s(account: AccountTelemetry, now: datetime) -> float | None:
    if account.pending is None:
        return None
    return max(0.0, (now - account.oldest).total_seconds()) if account.oldest is not None else 0.0


def _calls_per_second(account: AccountTelemetry) -> float | None:
    if account.rate_limiter is None:
        return None
    return math.inf if account.rate_limiter.rate is None else account.rate_limiter.rate


GAUGES: tuple[Gauge, ...] = (
    Gauge(
        "pending_requests",
        "Pending requests at the last read of the lists, by decision",
        ("kind", "verdict"),
        lambda account, _: (account.pending or {}).items(),
    ),
    Gauge(
        "oldest_pending_age_seconds",
        "Age of the oldest pending request; 0 if none is pending",
        (),
        lambda account, now: _single(_oldest_pending_age_s(account, now)),
    ),
    Gauge(
        "kept_back_answers",
        "Decided answers that are not sent now, by reason",
        ("kind", "reason"),
        lambda account, _: (account.kept_back or {}).items(),
    ),
    Gauge(
        "open_intents",
        "Answers that were sent and have an unknown outcome",
        (),
        lambda account, _: _single(account.open_intents),
    ),
    Gauge(
        "undecided_in",
        "Connected accounts and shared properties that we did not decide; decisions --undecided lists them",
        (),
        lambda account, _: _single(account.undecided_in),
    ),
    Gauge(
        "last_good_cycle_timestamp_seconds",
        "Time when the last good cycle ended: every list read in full, decided and recorded; 0 before the first",
        (),
        lambda account, _: _single(last.timestamp() if (last := account.health.last_good_cycle) else 0.0),
    ),
    Gauge(
        "signed_in",
        "1 while signed in to Portfolio Manager; 0 otherwise, and in a standby replica",
        (),
        lambda account, _: _single(account.health.signed_in),
    ),
    Gauge(
        "lease_held",
        "1 in the process that holds the account's lease; 0 in a standby replica",
        (),
        lambda account, _: _single(account.health.lease is LeaseState.HELD),
    ),
    Gauge(
        "paused",
        "1 while answering is paused",
        (),
        lambda account, _: _single(account.health.paused),
    ),
    Gauge(
        "rate_calls_per_second",
        "Current rate limit in calls per second: lower after a 429, +Inf if there is no limit",
        (),
        lambda account, _: _single(_calls_per_second(account)),
    ),
    Gauge(
        "policy_info",
        "1, with the digest of the policy in effect",
        ("digest",),
        lambda account, _: (((account.policy_digest,), 1.0),) if account.policy_digest else (),
    ),
    Gauge(
        "policy_in_force_timestamp_seconds",
        "Time when this process loaded the policy in effect",
        (),
        lambda account, _: _single(since.timestamp() if (since := account.policy_since) else None),
    ),
    Gauge(
        "policy_refused",
        "1 while the policy in the policy folder is invalid; the previous policy stays in effect",
        (),
        lambda account, _: _single(account.policy_is_refused),
    ),
    Gauge(
        "data_age_seconds",
        "Age of the contents of each table, by their own date, the file time or the server",
        ("source",),
        lambda account, now: (
            ((name,), (now - dated).total_seconds()) for name, dated in account.dated.items() if dated is not None
        ),
    ),
    Gauge(
        "data_good",
        "1 for each usable table; 0 if it cannot be read or violates a guard, and requests that need it are held",
        ("source",),
        lambda account, _: (
            ((name,), float(not isinstance(table, NotLearnt))) for name, table in (account.checked_tables or {}).items()
        ),
    ),
    Gauge(
        "data_rows",
        "Rows of each table that the policy uses; 0 if it cannot be read",
        ("source",),
        lambda account, _: (
            ((name,), 0.0 if isinstance(table, NotLearnt) else float(table.rows))
            for name, table in account.tables.items()
        ),
    ),
    Gauge(
        "data_info",
        "1, with the digest of each table that the policy uses; absent if it cannot be read",
        ("source", "digest"),
        lambda account, _: (
            ((name, table.digest), 1.0) for name, table in account.tables.items() if not isinstance(table, NotLearnt)
        ),
    ),
)


class Gauges(Collector):
    """Collects all gauges of every account when Prometheus scrapes."""

    def __init__(self, accounts: Collection[AccountTelemetry], *, now: Callable[[], datetime]) -> None:
        self._accounts = accounts
        self._now = now

    def describe(self) -> Iterator[Metric]:
        """The names of all gauges, so that a registry detects duplicates."""
        return (GaugeMetricFamily(f"{PREFIX}_{gauge.name}", gauge.help) for gauge in GAUGES)

    def collect(self) -> Iterator[Metric]:
        """All gauges with their current values."""
        now = self._now()
        for gauge in GAUGES:
            family = GaugeMetricFamily(f"{PREFIX}_{gauge.name}", gauge.help, labels=("account", *gauge.labels))
            for account in self._accounts:
                for labels, value in gauge.read(account, now):
                    family.add_metric((account.name, *labels), value)
            yield family


class LostLines(Collector):
    """Counts log lines that could not be written: one counter for the whole program, without an account."""

    def describe(self) -> Iterator[Metric]:
        """The counter with its current value."""
        text = "Log lines that could not be written, for example because the disk was full or the pipe was not read"
        yield CounterMetricFamily(f"{PREFIX}_log_lines_lost", text, value=lost_lines())

    collect = describe
