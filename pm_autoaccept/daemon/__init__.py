"""Answers accounts, cycle after cycle, until it is told to stop.

`accounts` runs all of them side by side, `serving` looks after one: it takes its lease (`holding`), signs in, repeats
the cycle, and rests while Portfolio Manager is down. `policy_watch` takes over changed policies, `stopping` ends it
gently.
"""

from __future__ import annotations

from pm_autoaccept.daemon.lease import Hold, holder_name, holding
from pm_autoaccept.daemon.policy_watch import PolicyWatch
from pm_autoaccept.daemon.shutdown import Stop
from pm_autoaccept.daemon.supervisor import run

__all__ = ["Hold", "PolicyWatch", "Stop", "holder_name", "holding", "run"]
