"""Writing a policy in an editor: a real yaml-language-server with the schema that `check --schema` prints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from pm_autoaccept.cli import cli
from tests.language_server import LanguageServer, installed

ROOT = Path(__file__).parents[2]
GOOD = sorted([*ROOT.glob("policies/**/*.yaml"), *ROOT.glob("tests/**/policy/*.yaml")])
HEAD = "# yaml-language-server: $schema=policy.schema.json\n"
RULE = HEAD + "version: 1\nrules:\n  - id: a\n    on: meter\n    then: reject\n    when:\n      "


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    """A server, and beside the texts that it is shown the schema as a user would put it there."""
    folder = tmp_path_factory.mktemp("editor")
    printed = CliRunner().invoke(cli, ["check", "--schema"], standalone_mode=False)
    (folder / "policy.schema.json").write_text(printed.stdout)
    running = LanguageServer(installed(tmp_path_factory), folder)
    yield running
    running.close()


@pytest.mark.parametrize("path", GOOD, ids=[path.relative_to(ROOT).as_posix() for path in GOOD])
def test_a_good_file_has_nothing_against_it(server, path):
    """The policies that come with the program, and their tests, open without one complaint."""
    uri = server.open(path.relative_to(ROOT).as_posix().replace("/", "-"), HEAD + path.read_text())
    assert server.diagnostics(uri) == []


@pytest.mark.parametrize(
    ("name", "when", "column", "message"),
    [
        ("value", "meter.type: Eletric", 18, 'Value is not accepted. Valid values: "Coal Anthracite"'),
        ("field", "meter.tipe: Electric", 6, "Property meter.tipe is not allowed."),
        ("operator", "custom.A: {matchs: b}", 17, "Property matchs is not allowed."),
    ],
)
def test_a_mistake_is_marked(server, name, when, column, message):
    """A value that is none of the field's, a field and an operator that there are not: each where it stands."""
    (found,) = server.diagnostics(server.open(f"{name}.yaml", RULE + when + "\n"))
    assert found["message"].startswith(message)
    assert found["range"]["start"] == {"line": 7, "character": column}


def test_names_and_values_are_offered(server):
    """Who types a field, or what to compare it with, is shown what there is."""
    uri = server.open("fields.yaml", RULE + "meter.\n")
    server.diagnostics(uri)
    assert {"meter.type", "account.email_domain", "any", "lookup"} <= set(server.completions(uri, 7, 12))
    uri = server.open("values.yaml", RULE + "meter.type: \n")
    server.diagnostics(uri)
    assert {"Electric", "Natural Gas"} <= set(server.completions(uri, 7, 18))
    uri = server.open("cleanings.yaml", RULE + "custom.A: {clean: }\n")
    server.diagnostics(uri)
    assert {"digits", "fold_case"} <= set(server.completions(uri, 7, 24))


def test_what_a_name_means_is_shown(server):
    """Hovering over a key or a field shows its line of the reference."""
    uri = server.open("hover.yaml", RULE + "access_level: Read\n")
    server.diagnostics(uri)
    assert "which Portfolio Manager shows as Full Access" in server.hover(uri, 7, 8)
    assert "Required: connection, property or meter" in server.hover(uri, 4, 5)
