"""Metrics of notices: what waits, what is dead, and what was delivered or failed, by target."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from pm_autoaccept.telemetry.metrics import PREFIX


class Count(Protocol):
    """How many notices of a target wait, and how many are dead."""

    @property
    def waiting(self) -> int:
        """How many wait."""

    @property
    def dead(self) -> int:
        """How many are dead."""


class NoticeMetrics:
    """The metrics of the notices that this process sends."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._waiting = Gauge(
            f"{PREFIX}_notices_waiting", "Notices that are not delivered yet", ("target",), registry=registry
        )
        self._dead = Gauge(
            f"{PREFIX}_notices_dead",
            "Notices that are not tried again; notices resend sends them again",
            ("target",),
            registry=registry,
        )
        self._delivered = Counter(
            f"{PREFIX}_notices_delivered_total",
            "Messages that a target took; what is gathered for people counts once",
            ("target",),
            registry=registry,
        )
        self._failed = Counter(
            f"{PREFIX}_notices_failed_total", "Failed attempts to deliver a message", ("target",), registry=registry
        )

    def start(self, targets: Collection[str]) -> None:
        """Start the counters of these targets at zero, so that the first failure is an increase."""
        for target in targets:
            self._delivered.labels(target)
            self._failed.labels(target)

    def counted(self, counts: Mapping[str, Count], targets: Collection[str]) -> None:
        """Show how many notices of each target wait and are dead."""
        self.clear()
        for target in {*targets, *counts}:
            count = counts.get(target)
            self._waiting.labels(target).set(0 if count is None else count.waiting)
            self._dead.labels(target).set(0 if count is None else count.dead)

    def clear(self) -> None:
        """Show nothing of what waits, because another replica sends and counts it."""
        self._waiting.clear()
        self._dead.clear()

    def delivered(self, target: str) -> None:
        """Count a message that a target took."""
        self._delivered.labels(target).inc()

    def failed(self, target: str) -> None:
        """Count a failed attempt."""
        self._failed.labels(target).inc()
