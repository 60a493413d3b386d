"""What customers answered in custom fields, found by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from pm_autoaccept.model import CustomField, Fact, Facts, NotLearnt, PendingRequest
from pm_autoaccept.policy.cleaning import fold

Answers: TypeAlias = Mapping[str, Fact[str]]
"""Name, as names are compared → what was answered there."""

_TWICE = NotLearnt("it stands twice with different values")
_LEFT_OUT = NotLearnt("it was left out, and our account's custom fields could not be learnt")
_UNDEFINED = NotLearnt("our account defines no custom field of this name")


@lru_cache(maxsize=1_000)
def name_key(name: str) -> str:
    """A name of a custom field as names are compared: without regard to case, outer blanks and kind of dash."""
    return name.strip().lower() if name.isascii() else fold(name).casefold()


@dataclass(frozen=True, slots=True)
class Custom:
    """Which answer a custom field is: those among which it stands, and its name as names are compared."""

    among: Callable[[PendingRequest, Facts], Fact[tuple[CustomField, ...]]]
    key: str


def by_name(given: Iterable[CustomField]) -> Answers:
    """The answers by their names, as they were typed; not learnt where one stands twice with different values."""
    answers: dict[str, Fact[str]] = {}
    for field in given:
        key, value = name_key(field.name), field.value
        answers[key] = value if key not in answers or _same(answers[key], value) else _TWICE
    return answers


def _same(one: Fact[str], other: str) -> bool:
    return not isinstance(one, NotLearnt) and fold(one) == fold(other)


def answer(key: str, answers: Answers, defined: Fact[frozenset[str]]) -> Fact[str | None]:
    """What was answered in the custom field of this name, folded; None where it was left out or blank.

    Args:
        key: its name as names are compared.
        answers: everything that was answered.
        defined: the names of the custom fields that our account defines, at best as names are compared.
    """
    value = answers.get(key, "")
    if not isinstance(value, NotLearnt):
        value = value.strip() if value.isascii() else fold(value)
    if isinstance(defined, NotLearnt):
        return value or _LEFT_OUT
    if key in defined or key in map(name_key, defined):
        return value or None
    return _UNDEFINED
