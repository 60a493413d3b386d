"""What the daemon tells those who run it. In this version: structured logs on stderr."""

from __future__ import annotations

from pm_autoaccept.telemetry.logs import configure_logs

__all__ = ["configure_logs"]
