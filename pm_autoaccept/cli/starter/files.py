"""A policy to start from, made from the custom fields that an account defines: its files, as text."""

from __future__ import annotations

from collections.abc import Sequence

from pm_autoaccept.cli.starter import policy_text, test_text
from pm_autoaccept.cli.starter.matches import matched
from pm_autoaccept.model import CustomFieldDefinition

PLACEHOLDER = "put your own here, one on each line, instead of this line"
"""How the line of each list begins until real values stand there; `check` finds it."""


def starter(definitions: Sequence[CustomFieldDefinition], *, username: str, nobody: str) -> dict[str, str]:
    """File name → text: a policy, its tests, and a list for each field that requests are matched by.

    Args:
        definitions: the account's custom fields, each read in full.
        username: the account's.
        nobody: what stands in each list until real values do; nobody can guess it, so nobody is let in by it.
    """
    matches = matched(definitions)
    questions = tuple(dict.fromkeys(question for match in matches for _, question in match.fields))
    return {
        "policy.yaml": policy_text.text(definitions, questions, matches, username=username),
        "policy.test.yaml": test_text.text(matches),
        **{each.file: f"{PLACEHOLDER} ({nobody})\n" for each in questions},
    }
