"""What `check` found, as SARIF 2.1.0, which code scanning and editors read."""

from __future__ import annotations

from urllib.parse import quote

import pm_autoaccept
from pm_autoaccept.cli.check_report.report import CODES, Finding, Report
from pm_autoaccept.cli.output.json_rows import print_json

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def print_as_sarif(report: Report) -> None:
    """Print one log with one run."""
    driver = {
        "name": "pm-autoaccept",
        "version": pm_autoaccept.__version__,
        "rules": [{"id": code, "shortDescription": {"text": meaning}} for code, meaning in CODES.items()],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, report) for finding in report.findings],
    }
    print_json({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _result(finding: Finding, report: Report) -> dict[str, object]:
    fault = finding.fault
    uri = quote(report.path(fault) or report.folder.as_posix())
    location: dict[str, object] = {"artifactLocation": {"uri": uri}}
    if fault.line:
        snippet = {"snippet": {"text": fault.text}} if fault.text else {}
        location["region"] = {"startLine": fault.line, "startColumn": fault.column, **snippet}
    return {
        "ruleId": finding.code,
        "ruleIndex": list(CODES).index(finding.code),
        "level": finding.level,
        "message": {"text": fault.message},
        "locations": [{"physicalLocation": location}],
    }
