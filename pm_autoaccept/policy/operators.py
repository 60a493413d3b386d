"""All operators of the policy language in one table, from which the parser, type check and evaluation are made."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from pm_autoaccept.policy.values import FieldType

_TEXTS = frozenset({FieldType.TEXT, FieldType.CHOICE})
_ORDERED = frozenset({FieldType.INTEGER, FieldType.NUMBER, FieldType.DATE, FieldType.MOMENT, FieldType.DURATION})
_EVERY = frozenset(FieldType)
NUMBERS = frozenset({FieldType.INTEGER, FieldType.NUMBER})
KEYED = frozenset({FieldType.TEXT, FieldType.CHOICE, FieldType.INTEGER, FieldType.DATE})
"""Types that can be looked up in data, which has text keys: each of their values has only one spelling."""


class Takes(StrEnum):
    """What an operator is given: a value, a list, a pattern, another field or a test."""

    ONE = "one value"
    """A value of the field's type."""
    LIST_OR_DATA = "a list of values, or the name of data"
    TEXTS = "one text, or a list of them"
    """They need not be allowed values of the field."""
    PATTERN = "an RE2 pattern"
    YES_OR_NO = "true or false"
    FIELD = "the name of another field"
    TEST = "a test of one part"
    """For each part of a split answer."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator: the field types it accepts, what it takes, when it holds (value, literal), its wording."""

    name: str
    types: frozenset[FieldType]
    takes: Takes
    holds: Callable[[Any, Any], bool]
    reads: str


def _matches(value: str, pattern: Any) -> bool:  # noqa: ANN401 - google-re2 ships no types
    return pattern.fullmatch(value) is not None


def _table() -> tuple[Operator, ...]:
    return (
        Operator("equals", _EVERY, Takes.ONE, operator.eq, ""),
        Operator("in", _EVERY, Takes.LIST_OR_DATA, operator.eq, ""),
        Operator("matches", _TEXTS, Takes.PATTERN, _matches, "matched by "),
        Operator("starts_with", _TEXTS, Takes.TEXTS, str.startswith, "starting with "),
        Operator("ends_with", _TEXTS, Takes.TEXTS, str.endswith, "ending with "),
        Operator("contains", _TEXTS, Takes.TEXTS, operator.contains, "containing "),
        Operator("at_least", _ORDERED, Takes.ONE, operator.ge, "at least "),
        Operator("at_most", _ORDERED, Takes.ONE, operator.le, "at most "),
        Operator("above", _ORDERED, Takes.ONE, operator.gt, "above "),
        Operator("below", _ORDERED, Takes.ONE, operator.lt, "below "),
        Operator("same_as", _EVERY, Takes.FIELD, operator.eq, "the same as "),
        Operator("taken", frozenset({FieldType.TEXT}), Takes.YES_OR_NO, operator.eq, ""),
        Operator("present", _EVERY, Takes.YES_OR_NO, operator.eq, ""),
        Operator("every", frozenset({FieldType.TEXT}), Takes.TEST, operator.eq, "every part "),
        Operator("some", frozenset({FieldType.TEXT}), Takes.TEST, operator.eq, "some part "),
    )


def comparable_types(kind: FieldType) -> frozenset[FieldType]:
    """The types with which values of this type can be compared."""
    return next((alike for alike in (_TEXTS, NUMBERS) if kind in alike), frozenset({kind}))


OPERATORS: Mapping[str, Operator] = MappingProxyType({each.name: each for each in _table()})
YES_NO_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"present": ("absent", "present"), "taken": ("free", "taken by another owner")}
)
"""How an operator that takes true or false is worded, with false and with true."""
MODIFIERS: Mapping[str, str] = MappingProxyType(
    {
        "clean": "cleanings",
        "as": "`number` or `date`",
        "within": "a number",
        "split": "separators",
    }
)
"""Modifiers of an operator, and what each takes."""
READ_AS: Mapping[str, FieldType] = MappingProxyType({"number": FieldType.NUMBER, "date": FieldType.DATE})
"""The types as which a custom field can be read."""
