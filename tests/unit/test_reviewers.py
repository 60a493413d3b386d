"""`reviewers` in the settings file: who may answer, for whom, and under which name."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pm_autoaccept.config import review_settings
from pm_autoaccept.errors import ConfigurationError
from pm_autoaccept.model import Reviewer

REVIEWERS = """\
review_grace: 30s
reviewers:
  ana: {groups: [desk, supervisors], own_accounts: [42, 43]}
  ben: {groups: desk}
  queue-service: {may_answer_as: [ana, ben]}
"""


@pytest.fixture
def load(tmp_path):
    """Read a settings file, without any account or password."""

    def read(text: str):
        (tmp_path / "settings.yaml").write_text(text, encoding="utf-8")
        return review_settings(settings=tmp_path / "settings.yaml")

    return read


def test_reviewers_and_their_grace(load):
    """Groups and own accounts come with the name; a service user answers in the name of those whom it may."""
    review = load(REVIEWERS)
    assert review.grace == timedelta(seconds=30)
    ana = Reviewer(name="ana", groups=frozenset({"desk", "supervisors"}), own_accounts=frozenset({42, 43}))
    assert review.reviewer("ana") == review.reviewer("ana", name="ana") == ana
    assert review.reviewer("queue-service", name="ana") == ana
    assert review.reviewer("ben").groups == {"desk"}


def test_without_reviewers_everybody_answers_under_the_own_name(load):
    """And under no other."""
    review = load("ledger: sqlite:///ledger.db")
    assert review.reviewer("carl") == Reviewer(name="carl")
    assert review.grace == timedelta(seconds=10)
    with pytest.raises(ConfigurationError, match="carl may not answer as ana"):
        review.reviewer("carl", name="ana")


def test_with_reviewers_nobody_else_answers(load):
    """Nor in a name that the settings do not allow."""
    review = load(REVIEWERS)
    with pytest.raises(ConfigurationError, match=r"carl is not among the reviewers \(ana, ben, queue-service\)"):
        review.reviewer("carl")
    with pytest.raises(ConfigurationError, match=r"add `ben: {may_answer_as: \[ana\]}`"):
        review.reviewer("ben", name="ana")


@pytest.mark.parametrize(
    ("reviewers", "why"),
    [
        ("reviewers: ana", "1:12: `reviewers` must be a mapping of names to reviewers"),
        ("reviewers: {ana: desk}", "1:18: a reviewer must be a mapping"),
        ("reviewers: {ana: {group: desk}}", "unknown key `group` of a reviewer (did you mean `groups`?)"),
        ("reviewers: {ana: {groups: {a: b}}}", "`groups` must be a list"),
        ("reviewers: {ana: {groups: [The Desk]}}", "invalid group name `The Desk`"),
        ("reviewers: {ana: {own_accounts: [four]}}", "invalid account id `four`"),
        ("reviewers: {ana: {may_answer_as: [bob]}}", "names bob, who is not among the reviewers"),
        ("review_grace: soon", "invalid duration"),
        ("accounts: {one: {reviewers: {}}}", "move it above `accounts`"),
    ],
)
def test_faults_name_their_place(load, reviewers, why):
    """And say what to write."""
    with pytest.raises(ConfigurationError) as raised:
        load(reviewers)
    assert why in str(raised.value)
