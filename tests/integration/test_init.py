"""`init`: a policy to start from, made from the custom fields of an account on a simulator."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pm_autoaccept.cli.starter.files import starter
from pm_autoaccept.data_sources import read, read_folder
from pm_autoaccept.model import CustomFieldDefinition, NotLearnt
from pm_autoaccept.policy import load, load_checked, rules_not_decided, run_cases
from pm_autoaccept.policy.custom_fields.compare import compare
from tests.acceptance.processes import run, simulating


@pytest.fixture(scope="module")
def served():
    """A simulator that the tests of this file share; none of them changes anything."""
    with simulating("--pending", "20") as running:
        yield running


@pytest.fixture
def made(tmp_path, served):
    """A folder that `init` has made, and what it said."""
    return tmp_path / "my-policy", run("init", "my-policy", cwd=tmp_path, **served.settings)


def test_the_policy_is_without_problems_and_goes_with_the_account(made, served, tmp_path):
    """Once its lists are filled, `check --live` has nothing against what init writes."""
    folder, said = made
    assert said.returncode == 0, said.stderr
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        "policy.yaml",
        "policy.test.yaml",
        "policy.schema.json",
        "data/utility_customer_number.txt",
        "data/parcel.txt",
        "data/service_point_id.txt",
    }
    done = run("check", "my-policy", "--live", cwd=tmp_path, **served.settings)
    assert done.returncode == 1, done.stdout
    assert all("the line that `init` wrote still stands here" in line for line in done.stdout.splitlines())
    for path in (folder / "data").iterdir():
        path.write_text("17\n")
    done = run("check", "my-policy", "--live", cwd=tmp_path, **served.settings)
    assert done.returncode == 0, done.stdout
    assert "no problems" in done.stdout


def test_nobody_is_let_in_until_the_lists_are_filled(made, served, tmp_path):
    """Each list holds one line that nobody can guess, other in each folder."""
    folder, _ = made
    done = run("pending", "--policy", "my-policy", cwd=tmp_path, **served.settings)
    assert "20 pending: 0 would be answered" in done.stdout
    run("init", "another", cwd=tmp_path, **served.settings)
    lists = [(tmp_path / name / "data" / "parcel.txt").read_text() for name in ("my-policy", "another")]
    assert lists[0] != lists[1]
    assert len(load(read_folder(folder)).rules) == 3


def test_nothing_is_written_over(made, served, tmp_path):
    """A folder that is there, or a file of that name, stays as it is; an empty folder is as good as none."""
    folder, _ = made
    before = (folder / "policy.yaml").read_bytes()
    done = run("init", "my-policy", cwd=tmp_path, **served.settings)
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert (folder / "policy.yaml").read_bytes() == before
    (tmp_path / "empty").mkdir()
    assert run("init", "empty", cwd=tmp_path, **served.settings).returncode == 0


def test_nothing_is_written_where_the_account_cannot_be_asked(served, tmp_path):
    """A wrong password leaves no half a policy behind."""
    wrong = served.settings | {"PM_AUTOACCEPT_PASSWORD": "Wrong-Password-1"}
    assert run("init", "my-policy", cwd=tmp_path, **wrong).returncode == 77
    assert list(tmp_path.iterdir()) == []


NAMES = ["Account", "account #", "Île: 4", "it's {x}, [y] | z", "A-B", "A_B", '"q"', "№ 1", "- x", "?"]
_lengths = st.none() | st.integers(0, 30)
DEFINITIONS = st.lists(
    st.builds(
        lambda name, required, of, when, least, more: CustomFieldDefinition(
            id=abs(hash(name)) % 1_000 + 1,
            name=name,
            required=required,
            valid_characters=of,
            when_to_prompt=when,
            min_chars=least,
            max_chars=None if more is None else (least or 0) + more + 1,
        ),
        st.sampled_from(NAMES),
        st.booleans(),
        st.sampled_from(["Any", "Alphanumeric", "Numeric"]),
        st.sampled_from(["Once", "Property", "Meter"]),
        _lengths,
        _lengths,
    ),
    max_size=4,
    unique_by=lambda each: each.name.casefold(),
)


@given(definitions=DEFINITIONS)
def test_whatever_an_account_defines_the_policy_made_of_it_is_sound(definitions):
    """It loads, its tests pass, and it goes with the definitions it was made from, however they are called."""
    files = {
        name: text.encode()
        for name, text in starter(definitions, username="us", nobody="0123abcd" * 4).items()
        if name.endswith(".yaml")
    }
    policy = load_checked(files)
    assert rules_not_decided(policy, run_cases(policy)) == ()
    assert compare(files, tuple(definitions)).faults == ()


def test_the_lists_can_be_read_whatever_can_be_typed(tmp_path):
    """A list of digits is not cleaned, so that the line that stands in it until it is filled is no digit."""
    number = CustomFieldDefinition(
        id=1, name="Account", required=True, valid_characters="Numeric", when_to_prompt="Once", max_chars=10
    )
    for name, text in starter([number], username="us", nobody="0123abcd" * 4).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    tables = read(load(read_folder(tmp_path)).sources, tmp_path)
    assert not [table for table in tables.values() if isinstance(table, NotLearnt)]
    assert not tables["account"].has(("0123",))
