"""Reads the policy folder and the data sources (files, CSV, SQL, URLs) that a policy declares, and refreshes them.

`fetch` reads one source and `refresh` keeps all of them up to date. Neither is imported here, so that `check` starts
quickly.
"""

from __future__ import annotations

from pm_autoaccept.data_sources.examples import example_policy
from pm_autoaccept.data_sources.policy_folder import read_folder
from pm_autoaccept.data_sources.policy_tables import LOCAL, not_read, read, read_local
from pm_autoaccept.data_sources.source_content import Reading

__all__ = ["LOCAL", "Reading", "example_policy", "not_read", "read", "read_folder", "read_local"]
