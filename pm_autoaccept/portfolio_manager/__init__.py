"""The only code that connects to Portfolio Manager.

`services` is the table of what can be called, `documents` the two bodies that are sent, `outcomes` what an answer
means, `pace` how many calls at once and how fast, `connection` one call over HTTP, `sending` its attempts, `client`
all of it together.
"""

from __future__ import annotations

from pm_autoaccept.portfolio_manager.client import PortfolioManager
from pm_autoaccept.portfolio_manager.rate_limit import Pace
from pm_autoaccept.portfolio_manager.retries import CallMade, Memory

__all__ = ["CallMade", "Memory", "Pace", "PortfolioManager"]
