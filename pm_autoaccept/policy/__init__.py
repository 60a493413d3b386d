"""The policy language: loads and checks the YAML files of a policy folder, and judges requests by their rules."""

from __future__ import annotations

from pm_autoaccept.policy.cases.case import Case
from pm_autoaccept.policy.cases.runner import CaseResult, rules_not_decided, run_cases
from pm_autoaccept.policy.data.guards import apply_guards
from pm_autoaccept.policy.data.sources import Guard, Query, Source, SourceKind
from pm_autoaccept.policy.data.tables import Row, Table, TableBuilder, build_table
from pm_autoaccept.policy.evaluation.custom_answers import name_key
from pm_autoaccept.policy.evaluation.explanation import Clause, RuleExplanation, RuleResult, nearest_rule
from pm_autoaccept.policy.evaluation.judgement import Judgement
from pm_autoaccept.policy.evaluation.taken import AcceptedClaims, collect_claims
from pm_autoaccept.policy.load import load, load_checked
from pm_autoaccept.policy.policy import Policy
from pm_autoaccept.policy.time_zone import end_of_day

__all__ = [
    "AcceptedClaims",
    "Case",
    "CaseResult",
    "Clause",
    "Guard",
    "Judgement",
    "Policy",
    "Query",
    "Row",
    "RuleExplanation",
    "RuleResult",
    "Source",
    "SourceKind",
    "Table",
    "TableBuilder",
    "apply_guards",
    "build_table",
    "collect_claims",
    "end_of_day",
    "load",
    "load_checked",
    "name_key",
    "nearest_rule",
    "rules_not_decided",
    "run_cases",
]
