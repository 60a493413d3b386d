"""The example policies: they pass `check`, their tests reach each rule, and they say what others ask for."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product, takewhile
from pathlib import Path

import pytest
from click.testing import CliRunner

from pm_autoaccept.cli import cli
from pm_autoaccept.data_sources import example_policy, read_folder
from pm_autoaccept.model import NotLearnt, Verdict
from pm_autoaccept.policy import Case, Form, Judgement, Policy, load, operators, rules_not_decided, run_cases
from pm_autoaccept.policy.cleaning import CLEANINGS
from pm_autoaccept.policy.data.tables import tabulate
from pm_autoaccept.policy.notes import FILTERS
from pm_autoaccept.policy.parser.rules import RULE_KEYS

ROOT = Path(__file__).parents[2]
EXAMPLES = ("all-options", "city", "hold-everything", "saas", "utility")

WARNED = frozenset({"hold-everything"})


def loaded(name: str) -> Policy:
    """One of the examples."""
    return load(read_folder(example_policy(name)))


def text_of(name: str) -> str:
    """Its rules and data, all files one after another, without the comments."""
    files = [path.read_text(encoding="utf-8") for path in sorted(example_policy(name).glob("*.yaml"))]
    return "\n".join(line for file in files for line in file.splitlines() if not line.lstrip().startswith("#"))


def test_these_are_the_examples():
    """No folder of policies is forgotten here."""
    assert {path.name for path in (ROOT / "policies").iterdir()} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_check_has_nothing_against_an_example(name):
    """No problem, no rule without a test, no warning but those of which the policy itself speaks."""
    folder = str(example_policy(name))
    done = CliRunner().invoke(cli, ["check", folder, "--require-coverage"], standalone_mode=False)
    assert (done.return_value, done.exception) == (0, None), done.output
    assert ("no problems" in done.output, "warning" in done.output) == (True, name in WARNED), done.output


def test_a_policy_that_check_warns_of_says_so_itself():
    """Who reads it knows that the warning is meant."""
    for name in WARNED:
        assert "`check` warns" in (example_policy(name) / "policy.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_tests_of_an_example_reach_each_rule(name):
    """No rule stands there that no case decides."""
    policy = loaded(name)
    assert rules_not_decided(policy, run_cases(policy)) == ()


def scenarios() -> list[tuple[int, str, list[str]]]:
    """(number, policy, rules) of each row of the page."""
    lines = iter((ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8").splitlines())
    rows = [next(line for line in lines if line.startswith("|")), *takewhile(lambda line: line.startswith("|"), lines)]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows[2:]]
    return [(int(row[0]), row[3], re.findall(r"`([^`]+)`", row[4])) for row in cells]


def test_the_page_of_scenarios_has_each_of_them():
    """One to eighteen; the nineteenth is no rule's business."""
    assert {number for number, _, _ in scenarios()} == set(range(1, 19))


@pytest.mark.parametrize(("number", "policy", "rules"), scenarios())
def test_each_scenario_is_said_by_rules_that_a_case_decides(number, policy, rules):
    """The page names rules that stand in the file that it links to, and each is decided by a test of that policy."""
    name, file = re.search(r"\[([a-z-]+)\]\(\.\./policies/[a-z-]+/([^)]+)\)", policy).groups()
    deciding = {result.judgement.rule for result in run_cases(loaded(name))}
    assert rules, number
    assert set(rules) <= deciding
    text = (example_policy(name) / file).read_text(encoding="utf-8")
    assert all(f"  - id: {rule}\n" in text for rule in rules)


def without(case: Case, source: str, policy: Policy) -> tuple[Judgement, ...]:
    """What comes of a case when this source cannot be read; as it is; and when it is empty."""
    empty = tabulate(policy.sources[source], ())
    changed = [{source: NotLearnt("it is gone")}, {}, {source: empty}]
    cases = tuple(replace(case, tables={**case.tables, **change}) for change in changed)
    return tuple(result.judgement for result in run_cases(replace(policy, cases=cases)))


@pytest.mark.parametrize("name", ["city", "saas", "utility", "all-options"])
def test_no_accept_and_no_reject_depends_on_a_source_that_is_gone(name):
    """Of each case, without each source: it is held, or comes out as it would whatever stood there."""
    policy = loaded(name)
    held = 0
    for case, source in product(policy.cases, policy.sources):
        gone, there, empty = without(case, source, policy)
        if gone.verdict is Verdict.HOLD:
            held += there.verdict is not Verdict.HOLD
        else:
            assert (gone.verdict, gone.rule) == (there.verdict, there.rule) == (empty.verdict, empty.rule), case.about
    assert held, "no case is held for want of a source, so that nothing was shown"


def test_all_options_has_every_option():
    """Keys of a rule, operators, cleanings, filters, forms of data: all can be looked up in it."""
    text = text_of("all-options")
    names = {f"{key}:" for key in (*RULE_KEYS, *operators.OPERATORS)} - {"equals:"}
    names |= {cleaning.removesuffix(" N") for cleaning in CLEANINGS}
    names |= {f"|{each}" for each in FILTERS}
    names |= {f"{form}:" for form in Form}
    names |= {"all:", "any:", "not:", "lookup:", "where:", "within:", "as: number", "today", "now - ", "time_zone:"}
    names |= {"private:", "limits:", "default:", "key: [", "columns:", "refresh:", "dated:"}
    names |= {"separator:", "encoding:", "dates:"}
    names |= {"require:", "rows:", "age:", "shrink:", "grow:"}
    assert not sorted(name for name in names if name not in text)
