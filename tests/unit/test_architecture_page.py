"""The page on the architecture names modules, layers, tests and errors that there are."""

from __future__ import annotations

import re
import tomllib

import pytest

from pm_autoaccept import errors, model
from tests.links import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = PROJECT["tool"]["importlinter"]["contracts"]


def section(anchor: str) -> str:
    """The text from an anchor to the next one."""
    found = PAGE.partition(f'<a id="{anchor}"></a>')[2]
    assert found, f"there is no anchor {anchor}"
    return found.partition("<a id=")[0]


def first_cells(text: str) -> list[str]:
    """The first cell of each row of the first table, its head left out."""
    return re.findall(r"^\| (.+?) \| ", text, re.MULTILINE)[2:]


def modules_of(layer: str) -> list[str]:
    """The modules that share a layer."""
    return layer.split(" | ")


def test_the_layers_are_those_of_the_contract() -> None:
    """In the text and in the drawing, from the top to the bottom."""
    layers = CONTRACTS[0]["layers"]
    drawn = re.findall(r"```mermaid\nflowchart TD\n(.*?)```", PAGE, re.DOTALL)[0]

    assert re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)[0].splitlines() == layers
    assert [name for name in re.findall(r"\w+", " ".join(layers)) if name not in re.findall(r"\w+", drawn)] == []


def test_each_module_of_the_contract_has_its_row() -> None:
    """A reader finds what each package does, the upper ones first."""
    described = re.findall(r"`([a-z_]+)(?:/|\.py)`", " ".join(first_cells(section("packages"))))
    named = [name for layer in CONTRACTS[0]["layers"] for name in modules_of(layer) if name != "__main__"]

    assert sorted(described) == sorted(named)


def test_the_pure_modules_are_those_of_the_contract() -> None:
    """What is said to be pure is checked to be."""
    (pure,) = (each for each in CONTRACTS if each["name"].startswith("The pure middle"))
    said = PAGE.partition(" are pure: ")[0].rpartition("\n\n")[2]

    checked = {name.removeprefix("pm_autoaccept.") for name in pure["source_modules"]}
    assert set(re.findall(r"`([\w.]+)`", said)) == checked - {"errors", "redaction"}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w./-]+(?:/|\.(?:py|md|yaml|toml)))`", PAGE))))
def test_each_file_on_the_page_exists(path: str) -> None:
    """Paths are relative to the project, to the package, or to the package `cli`."""
    if path in {"cli/X.py", "cli/NAME.py"}:
        return
    package = ROOT / "pm_autoaccept"

    assert any((folder / path).exists() for folder in (ROOT, package, package / "cli")), f"there is no {path}"


def test_each_promise_is_guarded_by_tests() -> None:
    """No promise without a test that tries to break it."""
    for number in range(1, 5):
        assert "`tests/property/test_" in section(f"promise-{number}").partition("Guarded by")[2]


def test_the_outcomes_on_the_page_are_the_closed_set() -> None:
    """All of them, in the order in which the program lists them."""
    words = " ".join(section("promise-3").split())
    said = words.partition("Outcomes are a closed set:")[2].partition(". Only")[0]

    assert re.findall(r"`(\w+)`", said) == [str(each) for each in model.Outcome]


def test_the_errors_in_the_table_of_failures_exist() -> None:
    """Each is a class of `errors`."""
    named = re.findall(r"`([A-Z]\w+)`", " ".join(re.findall(r"^\|[^|]+\|([^|]+)\|", section("failures"), re.MULTILINE)))

    assert named
    assert [name for name in named if not hasattr(errors, name)] == []
