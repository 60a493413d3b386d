"""What stands now, for Prometheus, in one table: read from the accounts' own state each time that somebody asks.

Nothing is set from elsewhere, so nothing can be left behind: what is gone from the state is gone from the page, and an
age grows while nothing happens.
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
from pm_autoaccept.telemetry.health import Lease
from pm_autoaccept.telemetry.log_stream import lost_lines
from pm_autoaccept.telemetry.metrics import PREFIX

Samples: TypeAlias = Iterable[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True)
class Gauge:
    """One metric: its name after the prefix, what it says, its labels after `account`, and how it is read."""

    name: str
    help: str
    labels: tuple[str, ...]
    read: Callable[[AccountTelemetry, datetime], Samples]


def _one(value: float | None) -> Samples:
    """A metric without labels of its own; None where there is nothing to say yet."""
    return () if value is None else (((), value),)


def _age_of_oldest(account: AccountTelemetry, now: datetime) -> float | None:
    if account.pending is None:
        return None
    return max(0.0, (now - account.oldest).total_seconds()) if account.oldest is not None else 0.0


def _rate(account: AccountTelemetry) -> float | None:
    if account.pace is None:
        return None
    return math.inf if account.pace.rate is None else account.pace.rate


GAUGES: tuple[Gauge, ...] = (
    Gauge(
        "pending_requests",
        "Requests that pended when the lists were last read, by what was decided of them",
        ("kind", "verdict"),
        lambda account, _: (account.pending or {}).items(),
    ),
    Gauge(
        "oldest_pending_age_seconds",
        "How long ago the oldest pending request was made, 0 where none pends",
        (),
        lambda account, now: _one(_age_of_oldest(account, now)),
    ),
    Gauge(
        "kept_back_answers",
        "Answers that were decided and are not sent now, by why",
        ("kind", "reason"),
        lambda account, _: (account.kept_back or {}).items(),
    ),
    Gauge(
        "open_intents",
        "Answers that were sent and of which it is not known yet what became of them",
        (),
        lambda account, _: _one(account.open_intents),
    ),
    Gauge(
        "undecided_in",
        "Connected accounts and shared properties that nothing here decided to let in: see decisions --undecided",
        (),
        lambda account, _: _one(account.undecided_in),
    ),
    Gauge(
        "last_good_cycle_timestamp_seconds",
        "When the last cycle ended that read every list whole, decided and recorded; 0 before the first",
        (),
        lambda account, _: _one(last.timestamp() if (last := account.health.last_good_cycle) else 0.0),
    ),
    Gauge(
        "signed_in",
        "1 while Portfolio Manager takes the password, 0 else, also in a replica that stands by",
        (),
        lambda account, _: _one(account.health.signed_in),
    ),
    Gauge(
        "lease_held",
        "1 in the process that does the account's work, 0 in a replica that stands by",
        (),
        lambda account, _: _one(account.health.lease is Lease.HELD),
    ),
    Gauge(
        "paused",
        "1 while nothing is answered because somebody said pause",
        (),
        lambda account, _: _one(account.health.paused),
    ),
    Gauge(
        "rate_calls_per_second",
        "How many calls per second may leave now: lower after a 429, +Inf where there is no limit",
        (),
        lambda account, _: _one(_rate(account)),
    ),
    Gauge(
        "policy_info",
        "1, with the digest of the policy in force",
        ("digest",),
        lambda account, _: (((account.policy_digest,), 1.0),) if account.policy_digest else (),
    ),
    Gauge(
        "policy_in_force_timestamp_seconds",
        "Since when this process judges by the policy in force",
        (),
        lambda account, _: _one(since.timestamp() if (since := account.policy_since) else None),
    ),
    Gauge(
        "policy_refused",
        "1 while the policy folder holds a policy with faults, and the one before it stays in force",
        (),
        lambda account, _: _one(account.policy_is_refused),
    ),
    Gauge(
        "data_age_seconds",
        "How old the contents of each table are, by their own date, the file's time or what the server says",
        ("source",),
        lambda account, now: (
            ((name,), (now - dated).total_seconds()) for name, dated in account.dated.items() if dated is not None
        ),
    ),
    Gauge(
        "data_good",
        "1 for each table that is good, 0 where it cannot be read or breaks a guard, so that what needs it is held",
        ("source",),
        lambda account, _: (
            ((name,), float(not isinstance(table, NotLearnt))) for name, table in (account.weighed or {}).items()
        ),
    ),
    Gauge(
        "data_rows",
        "Rows of each table that the policy in force looks into, 0 where it cannot be read",
        ("source",),
        lambda account, _: (
            ((name,), 0.0 if isinstance(table, NotLearnt) else float(table.rows))
            for name, table in account.tables.items()
        ),
    ),
    Gauge(
        "data_info",
        "1, with the digest of each table that the policy in force looks into; none where it cannot be read",
        ("source", "digest"),
        lambda account, _: (
            ((name, table.digest), 1.0) for name, table in account.tables.items() if not isinstance(table, NotLearnt)
        ),
    ),
)


class Gauges(Collector):
    """Reads the table for every account, when asked."""

    def __init__(self, accounts: Collection[AccountTelemetry], *, now: Callable[[], datetime]) -> None:
        self._accounts = accounts
        self._now = now

    def describe(self) -> Iterator[Metric]:
        """Name them all, so that a registry finds two of one name."""
        return (GaugeMetricFamily(f"{PREFIX}_{gauge.name}", gauge.help) for gauge in GAUGES)

    def collect(self) -> Iterator[Metric]:
        """Read them all."""
        now = self._now()
        for gauge in GAUGES:
            family = GaugeMetricFamily(f"{PREFIX}_{gauge.name}", gauge.help, labels=("account", *gauge.labels))
            for account in self._accounts:
                for labels, value in gauge.read(account, now):
                    family.add_metric((account.name, *labels), value)
            yield family


class LostLines(Collector):
    """Counts the lines of the log that could not be written: the whole program's, so it has no account."""

    def describe(self) -> Iterator[Metric]:
        """Name it, with what it counted until now."""
        text = "Lines of the log that could not be written, since nobody read them or the disk was full"
        yield CounterMetricFamily(f"{PREFIX}_log_lines_lost", text, value=lost_lines())

    collect = describe
