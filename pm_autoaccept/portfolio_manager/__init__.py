"""The client for Portfolio Manager's web services: the only code that connects to it.

`services` is the table of services, `request_bodies` the two XML documents that are sent, `transport` one HTTP call,
`responses` what a status and body mean, `retries` repeats and backoff, and `rate_limit` how many calls are in flight
and how many per second. `client` puts them together.
"""

from __future__ import annotations

from pm_autoaccept.portfolio_manager.client import PortfolioManager
from pm_autoaccept.portfolio_manager.rate_limit import RateLimiter
from pm_autoaccept.portfolio_manager.retries import CallMade, RefusalStore

__all__ = ["CallMade", "PortfolioManager", "RateLimiter", "RefusalStore"]
