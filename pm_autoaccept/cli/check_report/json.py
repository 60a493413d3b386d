"""What `check` found, as one JSON document."""

from __future__ import annotations

from pm_autoaccept.cli.check_report.report import Finding, Report
from pm_autoaccept.cli.output.json_rows import print_json
from pm_autoaccept.model import NotLearnt


def print_as_json(report: Report) -> None:
    """Print it."""
    policy = report.policy
    print_json(
        {
            "folder": str(report.folder),
            "files": report.files,
            "faults": [_finding(finding) for finding in report.errors],
            "warnings": [_finding(finding) for finding in report.warnings],
            "data": {
                name: {"rows": None, "why": table.why}
                if isinstance(table, NotLearnt)
                else {"rows": table.rows, "digest": table.digest}
                for name, table in report.tables.items()
            },
            "data_elsewhere": report.elsewhere,
            "rules": [rule.id for rule in policy.rules] if policy else [],
            "holding_for_ever": policy.holding_for_ever if policy else [],
            "cases": [
                {
                    "about": result.case.about,
                    "file": result.case.place.file,
                    "line": result.case.place.line,
                    "verdict": result.judgement.verdict,
                    "rule": result.judgement.rule,
                    "passed": result.fault is None,
                }
                for result in report.results
            ],
            "not_decided": report.not_decided,
            "never_asked": report.compared.never_asked if report.compared else [],
        }
    )


def _finding(finding: Finding) -> dict[str, object]:
    fault = finding.fault
    return {
        "code": finding.code,
        "file": fault.file,
        "line": fault.line,
        "column": fault.column,
        "message": fault.message,
        "text": fault.text,
    }
