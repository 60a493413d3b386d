"""The daemon (`run`): answers all accounts cycle after cycle until it is asked to stop.

`supervisor` runs every account side by side and `account_worker` works on one: it takes the lease (`lease`), signs in,
repeats the cycle (`one_cycle`), and backs off while Portfolio Manager is down (`backoff`). `policy_watch` reloads a
changed policy. `shutdown` handles SIGTERM, SIGINT and SIGHUP.
"""

from __future__ import annotations

from pm_autoaccept.daemon.lease import LeaseHold, hold_lease, holder_name
from pm_autoaccept.daemon.policy_watch import PolicyWatch
from pm_autoaccept.daemon.shutdown import Stop
from pm_autoaccept.daemon.supervisor import run

__all__ = ["LeaseHold", "PolicyWatch", "Stop", "hold_lease", "holder_name", "run"]
