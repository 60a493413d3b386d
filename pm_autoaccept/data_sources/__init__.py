"""Serves decide: the policy's folder, and the tables that the policy declares, read and kept up to date.

`fetching` reads any source and `keeping` keeps them; neither is imported here, so that `check` starts at once.
"""

from __future__ import annotations

from pm_autoaccept.data_sources.examples import example_policy
from pm_autoaccept.data_sources.policy_folder import read_folder
from pm_autoaccept.data_sources.policy_tables import LOCAL, not_read, read, read_local
from pm_autoaccept.data_sources.source_content import Reading

__all__ = ["LOCAL", "Reading", "example_policy", "not_read", "read", "read_folder", "read_local"]
