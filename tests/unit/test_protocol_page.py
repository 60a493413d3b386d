"""The page on Portfolio Manager's services marks each fact, and knows every service and every switch."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from pm_autoaccept.portfolio_manager.services import SERVICES, Service
from pm_autoaccept.simulator import SERVICES as SIMULATED
from pm_autoaccept.simulator import Inferred
from tests.links import ROOT

PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
FACTS, _, OPEN = PAGE.partition('<a id="open-questions"></a>')
MARKS = {"confirmed", "observed", "inferred"}


def rows(text: str) -> list[list[str]]:
    """The cells of every row of every table; heads and rules are left out."""
    tables = re.findall(r"^\|.*\n\|(?: --- \|)+\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [re.split(r" \| ", line[2:-2]) for table in tables for line in table.splitlines()]


def test_each_fact_is_marked() -> None:
    """Confirmed, observed or inferred: the last cell of each row says which."""
    facts = [row for row in rows(FACTS) if row[0] not in MARKS]

    assert len(facts) > 100
    assert [row for row in facts if row[-1] not in MARKS] == []


def test_each_section_has_an_anchor_that_the_code_can_cite() -> None:
    """A number may change with the order of the page; an anchor does not."""
    lines = PAGE.splitlines()
    numbered = [at for at, line in enumerate(lines) if re.match(r"#+ [0-9]", line)]

    assert [lines[at] for at in numbered if not lines[at - 1].startswith("<a id=") and "9.1" not in lines[at]] == []


def test_each_switch_of_the_simulator_has_its_question() -> None:
    """What nobody has confirmed is asked on the page, once."""
    switches = [re.findall(r"`(\w+)`", row[0])[0] for row in rows(OPEN)]

    assert switches == [each.name for each in fields(Inferred)]


def test_each_service_is_on_the_page() -> None:
    """Method and path of each service that the client calls or the simulator offers."""
    said = {re.sub(r"{\w+}", "#", each) for each in re.findall(r"`((?:GET|POST|PUT) /[^`?]+)", PAGE)}
    paths = {*((each.method, each.path) for each in (*SERVICES, *SIMULATED))}

    assert {f"{method} {re.sub(r'{[a-zA-Z]+}', '#', path)}" for method, path in paths} <= said


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_each_service_cites_its_section(service: Service) -> None:
    """The client's table names the section that describes the service."""
    page, _, anchor = service.source.partition("#")
    section = PAGE.partition(f'<a id="{anchor}"></a>')[2].partition("<a id=")[0]

    assert page == "docs/protocol.md"
    assert re.sub(r"{\w+}", "#", f"{service.method} {service.path}") in re.sub(r"{\w+}", "#", section)
