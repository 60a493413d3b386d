"""The program's telemetry: its accounts, and the registry that Prometheus is served from."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from pm_autoaccept.clock import utc_now
from pm_autoaccept.telemetry.account_telemetry import AccountTelemetry
from pm_autoaccept.telemetry.gauges import Gauges, LostLines
from pm_autoaccept.telemetry.health import AccountHealth
from pm_autoaccept.telemetry.metrics import PREFIX, Counters


class Telemetry:
    """One for a process; makes an `AccountTelemetry` for each account that the process looks after.

    Args:
        version: the program's, shown in `pm_autoaccept_build_info`.
        now: the clock.
        registry: where the metrics stand; a new one by default.
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
        build = Gauge(f"{PREFIX}_build_info", "1, with the program's version", ("version",), registry=self.registry)
        build.labels(version).set(1)
        ProcessCollector(registry=self.registry)

    @property
    def accounts(self) -> Collection[AccountHealth]:
        """What is known of each account."""
        return [account.health for account in self._accounts.values()]

    def account(self, name: str, *, interval: timedelta, groups: Collection[str] = ()) -> AccountTelemetry:
        """Begin an account; it is shown from now on, as not ready.

        Args:
            name: the settings' name for it, which no other account has.
            interval: from one cycle's end to the next.
            groups: whom policies may tell, by the settings.
        """
        health = AccountHealth(account=name, interval=interval)
        self._accounts[name] = AccountTelemetry(health=health, counters=self._counters, groups=frozenset(groups))
        return self._accounts[name]
