"""The telemetry of one process: the health and counters of every account, and the Prometheus registry."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from pm_autoaccept.clock import utc_now
from pm_autoaccept.telemetry.account_telemetry import AccountTelemetry
from pm_autoaccept.telemetry.gauges import Gauges, LostLines
from pm_autoaccept.telemetry.health import AccountHealth
from pm_autoaccept.telemetry.metrics import PREFIX, Counters
from pm_autoaccept.telemetry.notice_metrics import NoticeMetrics


class Telemetry:
    """One for each process; makes an `AccountTelemetry` for each account.

    Args:
        version: the program version, shown in `pm_autoaccept_build_info`.
        now: the clock.
        registry: the Prometheus registry; a new one by default.

    Attributes:
        notices: the metrics of notices.
    """

    def __init__(
        self,
        *,
        version: str,
        now: Callable[[], datetime] = utc_now,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self.registry = registry or CollectorRegistry()
        self.now = now
        self._accounts: dict[str, AccountTelemetry] = {}
        self._counters = Counters(self.registry)
        self.registry.register(Gauges(self._accounts.values(), now=now))
        self.registry.register(LostLines())
        self.notices = NoticeMetrics(self.registry)
        build = Gauge(f"{PREFIX}_build_info", "1, with the program version", ("version",), registry=self.registry)
        build.labels(version).set(1)
        ProcessCollector(registry=self.registry)

    @property
    def accounts(self) -> Collection[AccountHealth]:
        """The health of each account."""
        return [account.health for account in self._accounts.values()]

    def account(self, name: str, *, interval: timedelta, groups: Collection[str] = ()) -> AccountTelemetry:
        """Add an account. From now on it is reported, at first as not ready.

        Args:
            name: its unique name in the settings.
            interval: the time from the end of one cycle to the next.
            groups: the groups that policies may notify, by the setting GROUPS.
        """
        health = AccountHealth(account=name, interval=interval)
        self._accounts[name] = AccountTelemetry(health=health, counters=self._counters, groups=frozenset(groups))
        return self._accounts[name]
