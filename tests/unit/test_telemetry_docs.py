"""The page on telemetry and the example alerts name what there is: every metric, every event, and nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from prometheus_client import ProcessCollector

from pm_autoaccept.telemetry.gauges import GAUGES, Gauges
from pm_autoaccept.telemetry.metrics import PREFIX
from pm_autoaccept.telemetry.telemetry import Telemetry

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
ALERTS = ROOT / "docs" / "deploy" / "prometheus-alerts.yaml"

LEVELS = ("debug", "info", "warning", "error", "exception", "critical")


@pytest.fixture
def metrics() -> dict[str, tuple[tuple[str, ...], str]]:
    """Every metric of ours, as a registry knows it: name without the prefix → labels, help."""
    telemetry = Telemetry(version="1")
    telemetry.account("prairie", interval=timedelta(minutes=1))
    found = {f"{PREFIX}_{gauge.name}": (("account", *gauge.labels), gauge.help) for gauge in GAUGES}
    others = {type(each) for each in telemetry.registry._collector_to_names} - {Gauges, ProcessCollector}
    counted = [each for each in telemetry.registry._collector_to_names if type(each) in others]
    for each in counted:
        (family,) = each.describe()
        name = family.name + ("_total" if family.type == "counter" else "")
        found[name] = (getattr(each, "_labelnames", ()), family.documentation)
    scraped = {family.name for family in telemetry.registry.collect() if family.name.startswith(PREFIX)}
    assert {name.removesuffix("_total") for name in found} == scraped
    return {name.removeprefix(f"{PREFIX}_"): said for name, said in found.items()}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its own head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines[2:]]


def events() -> Iterator[tuple[str, str]]:
    """Every event that the program logs, and at which level."""
    for path in sorted((ROOT / "pm_autoaccept").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
                continue
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "log"):
                continue
            said = [node.args[0].body, node.args[0].orelse] if isinstance(node.args[0], ast.IfExp) else [node.args[0]]
            for each in said:
                assert isinstance(each, ast.Constant), f"{path}:{node.lineno}: an event's name is a text in the code"
                yield str(each.value), {"exception": "error"}.get(node.func.attr, node.func.attr)


def test_the_page_tabulates_the_metrics_that_there_are(metrics) -> None:
    """Name, labels and help are those that Prometheus is served; the page is made from the program's own words."""
    made = [
        f"| `{name}` | {', '.join(f'`{label}`' for label in labels)} | {said} |"
        for name, (labels, said) in sorted(metrics.items())
    ]
    told = PAGE.partition("\n## Metrics\n")[2].partition("\n## ")[0]
    assert [line for line in told.splitlines() if line.startswith("| `")] == made, "\n".join(made)


def test_the_page_tabulates_the_events_that_are_logged() -> None:
    """Whoever greps for an event finds what it means; none is told that does not exist; all are past-tense names."""
    told = {(name.strip("`"), level) for name, level, _ in rows("Logs")}
    assert len(rows("Logs")) == len(told), "an event stands twice"
    assert told == set(events())
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name, _ in told)


def test_every_logger_is_called_log() -> None:
    """Else an event could be logged that the test above does not see."""
    for path in (ROOT / "pm_autoaccept").rglob("*.py"):
        assert not re.findall(r"^(?!log = ).*structlog\.get_logger\(", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_example_alerts_ask_only_for_metrics_and_labels_that_there_are(metrics) -> None:
    """An alert on a metric that does not exist never fires, and nobody notices."""
    (group,) = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"]) == 12
    for rule in group["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert set(rule["annotations"]) == {"summary", "description"}
        (name,) = re.findall(rf"{PREFIX}_(\w+)", rule["expr"])
        labels = set(metrics[name][0])
        asked = re.findall(r"\{(\w+)=", rule["expr"])
        by = [label for told in re.findall(r"by \(([^)]*)\)", rule["expr"]) for label in told.split(", ")]
        shown = re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])
        assert {*asked, *by} <= labels, rule["alert"]
        assert set(shown) <= set(by), rule["alert"]
