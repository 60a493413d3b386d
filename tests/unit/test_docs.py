"""The documents cannot rot: what they name, quote, or tabulate is compared with the program itself."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import pm_autoaccept
from pm_autoaccept import data_sources
from pm_autoaccept.cli import cli
from pm_autoaccept.config import ENVIRONMENT_SETTINGS, PREFIX, Settings, load_accounts, load_settings
from pm_autoaccept.model import NotLearnt, Outcome
from pm_autoaccept.policy import Form, Policy, fields, load, notes, operators
from pm_autoaccept.policy.cleaning import CLEANINGS
from pm_autoaccept.policy.parser import rules as rule_reading
from pm_autoaccept.policy.values import FieldType

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
POLICIES = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")

SET_UP = [
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/pm-autoaccept demo",
    "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest",
]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$|^ {4}.*?$|`[^`]*`", "", text, flags=re.MULTILINE | re.DOTALL)


def _table(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its own head."""
    assert f"\n## {heading}\n" in text, f"there is no heading `{heading}`"
    lines = iter(text.partition(f"\n## {heading}\n")[2].splitlines())
    first = next(line for line in lines if line.startswith("|"))
    rows = [first, *takewhile(lambda line: line.startswith("|"), lines)]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows[2:]]


def _names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def _by_name(rows: list[list[str]]) -> dict[str, list[str]]:
    """Name → the other cells of its row; a name may stand in one row only."""
    named = [(name, cells) for first, *cells in rows for name in _names(first)]
    assert len(dict(named)) == len(named), "a name stands twice"
    return dict(named)


def _whole_policies() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        blocks = _fenced(document.read_text(encoding="utf-8"), "yaml")
        yield from (
            (f"{_name(document)}#{at}", block) for at, block in enumerate(blocks, 1) if block.startswith("version:")
        )


WHOLE_POLICIES = dict(_whole_policies())


def _write(folder: Path, files: Mapping[str, str]) -> Policy:
    """The policy of these files, put into the folder together with the data that it names, one row each."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    loaded = load(data_sources.read_folder(folder))
    for source in loaded.sources.values():
        if source.path is not None:
            path = folder / source.path
            path.parent.mkdir(parents=True, exist_ok=True)
            header = f"{','.join(source.key)}\n" if source.form is Form.CSV else ""
            path.write_text(f"{header}{','.join(['0041001234'] * len(source.key))}\n")
    return loaded


def _check(folder: Path) -> tuple[int, str]:
    with contextlib.chdir(folder):
        result = CliRunner().invoke(cli, ["check", "."], standalone_mode=False)
    return result.return_value, result.stdout


@pytest.mark.parametrize("block", WHOLE_POLICIES.values(), ids=WHOLE_POLICIES)
def test_each_whole_policy_in_the_documents_loads_with_its_data(block: str, tmp_path: Path) -> None:
    """Whoever copies a policy from a document, and brings the data, has a policy without problems."""
    loaded = _write(tmp_path, {"policy.yaml": block})

    tables = data_sources.read(loaded.sources, tmp_path)

    assert not [table for table in tables.values() if isinstance(table, NotLearnt)]


def test_the_documents_have_policies_to_copy() -> None:
    """README shows one whole policy, and the page on policies grows one from two files."""
    assert [name.partition("#")[0] for name in WHOLE_POLICIES] == ["README.md", *["docs/policies.md"] * 2]


@pytest.fixture
def grown(tmp_path: Path) -> Path:
    """The folder that the page on policies arrives at, its files named as the page names them."""
    names = re.findall(r"`(\d-[a-z]+\.yaml)`", POLICIES)
    blocks = [block for name, block in WHOLE_POLICIES.items() if name.startswith("docs/policies.md")]
    _write(tmp_path, dict(zip(names, blocks, strict=True)))
    return tmp_path


def test_the_folder_that_the_page_arrives_at_passes_check(grown: Path) -> None:
    """A reader who does what the page says ends with a folder that `check` has nothing against."""
    assert _check(grown)[0] == 0


def test_the_page_quotes_what_check_really_says(grown: Path) -> None:
    """The mistake that the page shows is shown by `check` in the same words, at the same place."""
    path = grown / "2-customers.yaml"
    path.write_text(path.read_text().replace("[Electric,", "[Eletric,"))

    code, said = _check(grown)

    assert (code, [said]) == (1, _fenced(POLICIES, "text"))


def test_each_part_of_a_policy_on_the_page_loads(grown: Path) -> None:
    """The page shows rules, data, both, or limits; each loads together with the page's first file."""
    parts = [block for block in _fenced(POLICIES, "yaml") if not block.startswith("version:")]
    assert {re.split(r"[: ]", block)[0] for block in parts} == {"-", "data", "limits"}
    for block in parts:
        whole = "\nrules:" in block
        some = "rules:" if block.startswith("- ") else "rules: [{id: any, on: meter, when: always, then: hold}]"
        begun = "" if whole else some
        load(data_sources.read_folder(grown) | {"2-customers.yaml": f"version: 1\n{begun}\n{block}".encode()})


def test_the_page_tabulates_the_fields_that_there_are() -> None:
    """Names, types, kinds, and whether a test on it says who is let in."""
    rows = _by_name(_table(POLICIES, "Fields"))
    known = dict(fields.FIELDS)
    for prefix in fields.CUSTOM:
        field = fields.field_named(f"{prefix}NAME")
        assert field is not None
        known[field.name] = field

    members = {member for field in known.values() for member in field.members}

    assert set(rows) == set(known)
    for name, (kind, on, says_who, what) in rows.items():
        field = known[name]
        assert (kind, set(on.split(", "))) == (field.type.value, set(field.kinds)), name
        assert says_who == ("yes" if field.asks_who else ""), name
        if field.type is FieldType.CHOICE:
            assert set(_names(what)) <= members, name
            assert len(field.members) > 3 or set(_names(what)) == set(field.members), name


def test_the_page_tabulates_the_operators_that_there_are() -> None:
    """Names, the types that they are for, and what they take."""
    rows = _by_name(_table(POLICIES, "Conditions and operators"))

    assert set(rows) == set(operators.OPERATORS)
    for name, (types, takes, _) in rows.items():
        operator = operators.OPERATORS[name]
        assert set(FieldType if types == "all types" else types.split(", ")) == operator.types, name
        assert takes == operator.takes, name


def test_the_page_tabulates_the_cleanings_and_the_keys_that_there_are() -> None:
    """No cleaning, no key of a rule or of a default goes unsaid, and none is invented."""
    assert set(_by_name(_table(POLICIES, "Cleaning"))) == set(CLEANINGS)
    assert list(_by_name(_table(POLICIES, "Rules"))) == list(rule_reading.RULE_KEYS)
    default = next(line for line in POLICIES.splitlines() if "`default:` says otherwise" in line)
    assert _names(default)[1:] == list(rule_reading.DEFAULT_KEYS)


def test_the_page_names_the_filters_that_there_are() -> None:
    """In the order of the table, and `or TEXT`."""
    section = POLICIES.partition("\n## Notes\n")[2].partition("\n## ")[0]
    shown = re.findall(r"`\|([a-z0-9]+)", section)
    assert shown == [*notes.FILTERS, "or"]
    assert f"At most {notes.MAX_NOTE_CHARACTERS:,} characters" in section


VARIABLES = {name.upper() for name in ENVIRONMENT_SETTINGS} | {"SETTINGS"}


@pytest.fixture
def only_what_must_be_said(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings without a default, and an environment that says nothing of the others."""
    for name in VARIABLES:
        for suffix in ("", "_FILE"):
            monkeypatch.delenv(f"{PREFIX}{name}{suffix}", raising=False)
    return {"service": "test", "username": "prairie_power", "password": "secret", "policy": "my-policy"}


def test_the_configuration_page_tabulates_settings_and_defaults(only_what_must_be_said: dict[str, str]) -> None:
    """Whoever sets each variable to the default in the table has the same settings as whoever sets none."""
    rows = _by_name(_table((ROOT / "docs" / "configuration.md").read_text(encoding="utf-8"), "Settings"))
    assert set(rows) == VARIABLES

    defaults = {name.lower(): _names(default)[0] for name, (default, _) in rows.items() if default}
    known = {name: Settings.model_fields[name] for name in ENVIRONMENT_SETTINGS}
    has_one = {name for name, field in known.items() if not field.is_required() and field.default}

    assert set(defaults) == has_one
    assert load_settings(**only_what_must_be_said, **defaults) == load_settings(**only_what_must_be_said)


def test_the_failures_page_tabulates_the_outcomes() -> None:
    """Whoever meets an outcome in a list or an export finds what it means."""
    page = (ROOT / "docs" / "failures.md").read_text(encoding="utf-8")

    assert set(_by_name(_table(page, "Outcomes"))) == set(Outcome)


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "Dockerfile"], ids=_name)
def test_each_variable_in_the_documents_is_a_setting(document: Path) -> None:
    """No document tells people to set what nobody reads: settings, and what the tests themselves look at."""
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    named = re.findall(rf"{PREFIX}([A-Z_]*[A-Z])", document.read_text(encoding="utf-8"))

    settings = VARIABLES | {f"{name}_FILE" for name in VARIABLES}
    assert not [name for name in named if name not in settings and f'"{PREFIX}{name}"' not in code]


def test_the_settings_file_on_the_configuration_page_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever copies the settings file with its connections, and brings the passwords, has two accounts with both."""
    blocks = _fenced((ROOT / "docs" / "configuration.md").read_text(encoding="utf-8"), "yaml")
    (tmp_path / "settings.yaml").write_text("\n".join(blocks))
    (tmp_path / "secrets").mkdir()
    for name in ("our-city", "billing"):
        (tmp_path / "secrets" / name).write_text("secret\n")
    monkeypatch.setenv("OUR_UTILITY_PASSWORD", "secret")

    program = load_accounts(settings=tmp_path / "settings.yaml")

    assert [account.name for account in program.accounts] == ["our-city", "our-utility"]
    assert [list(account.connections) for account in program.accounts] == [["billing", "points"]] * 2


def _commands(text: str) -> list[str]:
    """Every call of the program in a document's code: on lines of their own, and within a sentence."""
    lines = re.findall(r"^ {4}(.*)$", text, re.MULTILINE) + re.findall(r"`(pm-autoaccept [^`]+)`", text)
    calls = (part.strip() for line in lines for part in line.partition(" # ")[0].split("&&"))
    found = (re.fullmatch(r"(?:uv run )?(?:\S*/)?pm-autoaccept (.+)", call) for call in calls)
    named = re.findall(rf"`((?:{'|'.join(cli.list_commands(click.Context(cli)))}) [^`]+)`", text)
    return [*(call.group(1) for call in found if call), *named]


COMMANDS = sorted({(_name(path), call) for path in DOCUMENTS for call in _commands(path.read_text(encoding="utf-8"))})


@pytest.mark.parametrize(("document", "call"), COMMANDS)
def test_each_command_in_the_documents_exists_with_its_options(document: str, call: str) -> None:
    """Click takes every command line that a document shows."""
    name, *arguments = shlex.split(call)
    with click.Context(cli) as context:
        command = cli.get_command(context, name)
        assert command is not None, f"{document}: there is no command `{name}`"
        command.make_context(name, arguments, parent=context)


def test_readme_shows_every_command() -> None:
    """A newcomer meets each command in README."""
    assert {call.split()[0] for call in _commands(README)} == set(cli.list_commands(click.Context(cli)))


def test_readme_has_exactly_two_lines_that_set_everything_up() -> None:
    """One line shows the program at work and one runs its tests, on a machine that has only Python."""
    assert [line.strip() for line in README.splitlines() if "-m venv" in line] == SET_UP


def _links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", _without_code(text))


def test_readme_leads_to_every_document() -> None:
    """A document that README does not name is not found."""
    assert {_name(path) for path in (ROOT / "docs").glob("*.md")} <= set(_links(README))


def test_the_changelog_has_a_section_for_this_version() -> None:
    """Users find what changed under the version that `--version` says."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.search(rf"^## {re.escape(pm_autoaccept.__version__)} \(", changelog, re.MULTILINE)


def test_the_page_on_policies_stays_short_enough_to_be_read() -> None:
    """People who are no programmers read it from beginning to end."""
    assert sum(any(map(str.isalnum, word)) for word in POLICIES.split()) < 4_100
