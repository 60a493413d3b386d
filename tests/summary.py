"""Lines that tests add to the summary at the end of the run, whichever worker ran them."""

from __future__ import annotations

import pytest

LINE = "summary"
"""The name of the property under which a test records a line. pytest-xdist brings it from the worker."""


def lines(reporter: pytest.TerminalReporter) -> list[str]:
    """The lines of all tests of this run."""
    reports = [report for each in ("passed", "failed") for report in reporter.getreports(each)]
    return [
        str(text)
        for report in reports
        if report.when == "call"
        for name, text in report.user_properties
        if name == LINE
    ]
