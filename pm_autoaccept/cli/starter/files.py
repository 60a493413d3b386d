"""Builds the files of a starter policy from the custom fields that an account defines."""

from __future__ import annotations

from collections.abc import Sequence

from pm_autoaccept.cli.starter import policy_text, test_text
from pm_autoaccept.cli.starter.matches import choose_matches
from pm_autoaccept.model import CustomFieldDefinition

PLACEHOLDER = "replace this line with your own values, one on each line"
"""The start of the only line of each new list; `check` reports it until it is replaced."""


def starter(definitions: Sequence[CustomFieldDefinition], *, username: str, nobody: str) -> dict[str, str]:
    """File name → text: a policy, its tests, and a list for each field that requests are matched by.

    Args:
        definitions: the account's custom fields in full.
        username: the account's username.
        nobody: an unguessable value that each list contains at first, so that no request matches it.
    """
    matches = choose_matches(definitions)
    questions = tuple(dict.fromkeys(question for match in matches for _, question in match.fields))
    return {
        "policy.yaml": policy_text.text(definitions, questions, matches, username=username),
        "policy.test.yaml": test_text.text(matches),
        **{each.file: f"{PLACEHOLDER} ({nobody})\n" for each in questions},
    }
