"""Serves decide: the files of a folder become a policy that can be asked, and that can explain itself."""

from __future__ import annotations

from pm_autoaccept.policy.evaluate import Policy
from pm_autoaccept.policy.load import load
from pm_autoaccept.policy.sources import Form, Guard, Query, Source
from pm_autoaccept.policy.tables import Row, Table, Tabulation, tabulate
from pm_autoaccept.policy.verdicts import Judgement

__all__ = [
    "Form",
    "Guard",
    "Judgement",
    "Policy",
    "Query",
    "Row",
    "Source",
    "Table",
    "Tabulation",
    "load",
    "tabulate",
]
