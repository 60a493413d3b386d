"""The policy language: loads and checks the YAML files of a policy folder, and judges requests by their rules."""

from __future__ import annotations

from pm_autoaccept.policy.cases.case import Case
from pm_autoaccept.policy.cases.runner import CaseResult, rules_not_decided, run_cases
from pm_autoaccept.policy.data.guards import weigh
from pm_autoaccept.policy.data.sources import Form, Guard, Query, Source
from pm_autoaccept.policy.data.tables import Row, Table, Tabulation, tabulate
from pm_autoaccept.policy.evaluation.custom_answers import name_key
from pm_autoaccept.policy.evaluation.explanation import CameOut, Clause, RuleLookedAt, nearest
from pm_autoaccept.policy.evaluation.judgement import Judgement
from pm_autoaccept.policy.evaluation.taken import collect
from pm_autoaccept.policy.load import load, load_checked
from pm_autoaccept.policy.policy import Policy
from pm_autoaccept.policy.time_zone import end_of_day

__all__ = [
    "CameOut",
    "Case",
    "CaseResult",
    "Clause",
    "Form",
    "Guard",
    "Judgement",
    "Policy",
    "Query",
    "Row",
    "RuleLookedAt",
    "Source",
    "Table",
    "Tabulation",
    "collect",
    "end_of_day",
    "load",
    "load_checked",
    "name_key",
    "nearest",
    "rules_not_decided",
    "run_cases",
    "tabulate",
    "weigh",
]
