"""The guide to writing policies, followed step by step: each command runs, and says what the guide says it says."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from pm_autoaccept.data_sources import read_folder
from pm_autoaccept.policy import load_checked, rules_not_decided, run_cases
from tests.guide import Reader, timeless

GUIDE = Path(__file__).parents[2] / "docs" / "writing-policies.md"


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """A reader who has done it all, and the guide with what the program said meanwhile."""
    with ExitStack() as stack:
        reader = Reader(tmp_path_factory.mktemp("guide"), stack)
        yield reader, reader.follow(GUIDE.read_text(encoding="utf-8"))


def test_the_guide_shows_what_the_program_says(followed):
    """Word by word, but for times. GUIDE=write puts it in step when the program says something new."""
    _, said = followed
    if os.environ.get("GUIDE") == "write":
        GUIDE.write_text(said, encoding="utf-8")
    assert timeless(GUIDE.read_text(encoding="utf-8")) == timeless(said)


def test_the_reader_has_met_the_commands_that_matter(followed):
    """From the first policy to the last step none of them is left out."""
    reader, _ = followed
    met = {command.split()[1] for command in reader.ran}
    assert met == {"simulate", "init", "check", "pending", "explain", "once", "decisions", "review", "run"}


def test_the_reader_ends_with_a_tested_folder(followed):
    """The policy loads, its tests pass, and each rule is decided by one of them."""
    reader, _ = followed
    policy = load_checked(read_folder(reader.folder / "my-policy"))
    assert rules_not_decided(policy, run_cases(policy)) == ()
