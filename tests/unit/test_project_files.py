"""The files that a project has for those who work on it: what they name exists, and they agree with each other."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.links import ROOT, name

GITHUB = ROOT / ".github"
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml"))
WORKFLOW = GITHUB / "workflows" / "ci.yml"
HOOKS = ROOT / ".pre-commit-config.yaml"
YAML_FILES = [*FORMS, WORKFLOW, HOOKS]
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *GITHUB.glob("*.md")]
FILES = [*PAGES, *YAML_FILES, ROOT / "Makefile", ROOT / ".editorconfig"]

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TARGETS = re.findall(r"^([a-z-]+):.*## .+$", MAKEFILE, re.MULTILINE)
MAKE = shutil.which("make")
KNOWN_HOSTS = {"alembic.sqlalchemy.org", "pre-commit.com"}


def read(path: Path) -> Any:
    """A YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def recipe(target: str) -> list[str]:
    """The commands of a target, with its variables filled in."""
    lines = re.search(rf"^{re.escape(target)}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert lines is not None, f"there is no target {target}"
    said = [line.strip() for line in lines[1].splitlines()]
    return [line.replace("$(BIN)", ".venv/bin").replace("$(PYTHON)", "python3") for line in said]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_target_that_a_page_names_is_in_the_makefile(page: Path) -> None:
    """Whoever copies `make …` from a page gets what it says."""
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?:`|^ {4})make ([a-z-]+)", text, re.MULTILINE)

    assert set(named) <= set(TARGETS)


def test_each_target_is_phony_and_has_its_line_of_help() -> None:
    """A file that happens to have the name of a target does not hide it."""
    phony = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split()

    assert phony == TARGETS
    assert len(TARGETS) == len(set(TARGETS))


@pytest.mark.skipif(MAKE is None, reason="needs make, which is not installed here; you can do without")
@pytest.mark.parametrize("target", TARGETS)
def test_make_understands_each_target(target: str) -> None:
    """It says what it would do."""
    command = [str(MAKE), "--dry-run", target]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 — our own targets

    assert (made.returncode, made.stderr) == (0, "")


def test_the_set_up_line_is_what_make_does() -> None:
    """With make and without it the environment is the same."""
    one_line = " && ".join(recipe(".venv")[:2])

    assert f"`{one_line}`" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("target", ["lint", "types", "layers", "coverage"])
def test_make_checks_what_ci_checks(target: str) -> None:
    """The same commands, word by word."""
    in_ci = " ".join(re.sub(r"\\\n\s*", "", CI).split())

    assert [command for command in recipe(target) if command not in in_ci] == []


def test_the_hooks_run_the_tools_of_the_environment() -> None:
    """Each tool is one of the `dev` extra, so that hooks, tests and CI have one version; and CI runs it too."""
    development = {re.split(r"[\[>=]", each)[0] for each in PROJECT["project"]["optional-dependencies"]["dev"]}
    hooks = [hook for repo in read(HOOKS)["repos"] for hook in repo["hooks"]]

    assert {repo["repo"] for repo in read(HOOKS)["repos"]} == {"local"}
    assert [hook["id"] for hook in hooks] == ["ruff-check", "ruff-format", "mypy", "lint-imports"]
    for hook in hooks:
        tool = hook["entry"].split()[0]
        assert tool in CI
        assert tool.removeprefix(".venv/bin/").replace("lint-imports", "import-linter") in development
        assert hook["language"] == "system"


def test_the_workflow_runs_the_gates_on_every_supported_python() -> None:
    """It calls `.ci/run`, and nothing else decides."""
    workflow = read(WORKFLOW)
    (job,) = workflow["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    versions = next(step["with"]["python-version"] for step in job["steps"] if "setup-python" in step.get("uses", ""))
    supported = [
        each.rpartition(" ")[2]
        for each in PROJECT["project"]["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.[0-9]+", each)
    ]

    assert commands == ["bash .ci/run"]
    assert sorted(versions.split()) == supported
    assert workflow["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("form", [form for form in FORMS if form.name != "config.yml"], ids=name)
def test_each_issue_form_asks_something(form: Path) -> None:
    """A form has a name, a description, and questions with an id and a label each."""
    said = read(form)
    questions = [each for each in said["body"] if each["type"] != "markdown"]

    assert said["name"]
    assert said["description"]
    assert len({each["id"] for each in questions}) == len(questions)
    assert all(each["attributes"]["label"] for each in questions)
    assert any(each.get("validations", {}).get("required") for each in questions)


def test_editors_know_the_line_length() -> None:
    """The one that ruff checks."""
    editors = ConfigParser()
    editors.read_string("[DEFAULT]\n" + (ROOT / ".editorconfig").read_text(encoding="utf-8"))

    assert editors["*.py"]["max_line_length"] == str(PROJECT["tool"]["ruff"]["line-length"])


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_index_and_no_machine_is_named(path: Path) -> None:
    """What works here works everywhere: no package index, no absolute path, no unknown host."""
    text = path.read_text(encoding="utf-8")
    paths = re.findall(r"(?<![\w./)-])/(?:work|home|root|Users|opt|usr)/\S*", text)
    hosts = set(re.findall(r"https?://([^/\s)\"']+)", text))

    assert paths == []
    assert hosts <= KNOWN_HOSTS
    assert "index-url" not in text
