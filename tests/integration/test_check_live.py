"""`check --live`: a policy beside the custom fields of an account, on a simulator."""

from __future__ import annotations

import json

import pytest

from pm_autoaccept.data_sources import example_policy
from tests.acceptance.processes import run, simulating

POLICY = """\
version: 1
rules:
  - id: known
    on: connection
    when: {custom.Utility Customer Numbr: {matches: '[0-9]{10}'}}
    then: hold
  - id: metered
    on: meter
    when: {custom.Utility Customer Number: '0041001234', custom.Service Point ID: '12345678901234567890123'}
    then: hold
"""


@pytest.fixture(scope="module")
def served():
    """A simulator that the tests of this file share; none of them changes anything."""
    with simulating("--pending", "5") as running:
        yield running


@pytest.fixture
def said(tmp_path, served):
    """What `check --live` says of a policy with three mistakes, as an ended process."""
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "policy.yaml").write_text(POLICY)
    return run("check", "policy", "--live", cwd=tmp_path, **served.settings)


def test_each_mistake_is_told_with_its_place(said):
    """A name that is not defined, one that is asked once, a value that is longer than the field."""
    assert said.returncode == 1
    places = [line.split(": ")[0] for line in said.stdout.splitlines() if line.startswith("policy/policy.yaml:")]
    assert places == ["policy/policy.yaml:5:12", "policy/policy.yaml:9:12", "policy/policy.yaml:9:83"]
    for words in (
        "our account defines no custom field `Utility Customer Numbr` (did you mean `Utility Customer Number`?)",
        "is asked once, when a customer connects",
        "write `connection.custom.Utility Customer Number` there",
        "Portfolio Manager takes 1 to 20 characters for `Service Point ID`",
    ):
        assert words in said.stdout


def test_only_reads_are_asked_and_no_ledger_is_made(said, served, tmp_path):
    """One sign-in, the list, and each definition."""
    assert said.returncode == 1
    calls = served.switchboard("log")
    assert {call["method"] for call in calls} == {"GET"}
    assert {path.name for path in tmp_path.iterdir()} == {"policy"}


def test_the_utilitys_example_goes_with_the_simulators_account(served, tmp_path):
    """Nothing is said of it, on the account that it was written for."""
    policy = str(example_policy("utility"))
    done = run("check", policy, "--live", "--output", "json", cwd=tmp_path, **served.settings)
    assert (done.returncode, json.loads(done.stdout)["faults"]) == (0, []), done.stderr


def test_an_account_that_cannot_be_asked_is_exit_69_or_77(served, tmp_path):
    """The policy is not said to be right by what could not be compared."""
    policy = str(example_policy("utility"))
    elsewhere = {"PM_AUTOACCEPT_SERVICE": served.url.replace("/wstest", "/ws")}
    assert run("check", policy, "--live", cwd=tmp_path, **served.settings | elsewhere).returncode == 69
    wrong = {"PM_AUTOACCEPT_PASSWORD": "Wrong-Password-1"}
    assert run("check", policy, "--live", cwd=tmp_path, **served.settings | wrong).returncode == 77
