"""Finds a customer's answer to a custom field by the field's name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from pm_autoaccept.model import CustomField, Fact, Facts, NotLearnt, PendingRequest
from pm_autoaccept.policy.cleaning import fold

Answers: TypeAlias = Mapping[str, Fact[str]]
"""Normalized name → answer."""

_TWICE = NotLearnt("it appears twice with different values")
_LEFT_OUT = NotLearnt("it was left out, and the custom fields of our account could not be read")
_UNDEFINED = NotLearnt("our account defines no custom field with this name")


@lru_cache(maxsize=1_000)
def name_key(name: str) -> str:
    """A custom field's name, normalized for comparison: case, outer blanks and kinds of dash are ignored."""
    return name.strip().lower() if name.isascii() else fold(name).casefold()


@dataclass(frozen=True, slots=True)
class Custom:
    """Refers to a custom field: where its answers are, and its normalized name."""

    among: Callable[[PendingRequest, Facts], Fact[tuple[CustomField, ...]]]
    key: str


def by_name(given: Iterable[CustomField]) -> Answers:
    """The answers by normalized name, as typed; not learnt if a field appears twice with different values."""
    answers: dict[str, Fact[str]] = {}
    for field in given:
        key, value = name_key(field.name), field.value
        answers[key] = value if key not in answers or _same(answers[key], value) else _TWICE
    return answers


def _same(one: Fact[str], other: str) -> bool:
    return not isinstance(one, NotLearnt) and fold(one) == fold(other)


def answer(key: str, answers: Answers, defined: Fact[frozenset[str]]) -> Fact[str | None]:
    """The answer to a custom field, folded; None if it was left out or blank.

    Args:
        key: its normalized name.
        answers: all answers.
        defined: the names of the custom fields that our account defines, preferably normalized.
    """
    value = answers.get(key, "")
    if not isinstance(value, NotLearnt):
        value = value.strip() if value.isascii() else fold(value)
    if isinstance(defined, NotLearnt):
        return value or _LEFT_OUT
    if key in defined or key in map(name_key, defined):
        return value or None
    return _UNDEFINED
