"""Serves decide: the policy's folder, and the tables that the policy declares, read and kept up to date."""

from __future__ import annotations

from pm_autoaccept.reference.apart import apart
from pm_autoaccept.reference.examples import example_policy
from pm_autoaccept.reference.folder import read_folder
from pm_autoaccept.reference.keeping import Keeper
from pm_autoaccept.reference.tables import read

__all__ = ["Keeper", "apart", "example_policy", "read", "read_folder"]
