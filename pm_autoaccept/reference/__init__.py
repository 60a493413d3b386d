"""Serves decide: the policy's folder, and the tables that the policy declares, read from files."""

from __future__ import annotations

from pm_autoaccept.reference.examples import example_policy
from pm_autoaccept.reference.folder import read_folder
from pm_autoaccept.reference.tables import read

__all__ = ["example_policy", "read", "read_folder"]
