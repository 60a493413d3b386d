"""What `check` found, as a JUnit report: one case for each test of the policy, and one for the policy itself."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import click

from pm_autoaccept.cli.check_report.report import Report

_UNFIT = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot carry."""


def print_as_junit(report: Report) -> None:
    """Print one document."""
    root = ET.Element("testsuites", name="pm-autoaccept check")
    suite = ET.SubElement(root, "testsuite", name=_fit(str(report.folder)), errors="0", skipped="0")
    itself = ET.SubElement(suite, "testcase", classname="policy", name="the policy has no faults")
    others = [finding for finding in report.errors if finding.code != "test-failed"]
    if others:
        _fail(itself, "\n".join(str(finding.fault) for finding in others), kind=others[0].code)
    if report.warnings:
        ET.SubElement(itself, "system-out").text = _fit("\n".join(str(each.fault) for each in report.warnings))
    for result in report.results:
        place = result.case.place
        case = ET.SubElement(
            suite,
            "testcase",
            classname=_fit(place.file),
            name=_fit(result.case.about),
            file=_fit((report.folder / place.file).as_posix()),
            line=str(place.line),
        )
        if result.fault is not None:
            _fail(case, str(result.fault), kind="test-failed")
    failures = len(suite.findall("testcase/failure"))
    for element in (root, suite):
        element.set("tests", str(1 + len(report.results)))
        element.set("failures", str(failures))
    ET.indent(root)
    click.echo('<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode"))


def _fail(case: ET.Element, text: str, *, kind: str) -> None:
    failure = ET.SubElement(case, "failure", message=_fit(text.partition("\n")[0]), type=kind)
    failure.text = _fit(text)


def _fit(text: str) -> str:
    return _UNFIT.sub("\ufffd", text)
