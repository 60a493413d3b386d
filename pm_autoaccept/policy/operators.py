"""The operators of the policy language in one table: parser, type check and evaluation are made from it."""

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
"""What can be looked up in data, where keys are texts: what is written in one way only."""


class Takes(StrEnum):
    """What an operator is compared with."""

    ONE = "one value"
    """A value of the field's own type."""
    LIST_OR_DATA = "a list of values, or the name of data"
    TEXTS = "one text, or a list of them"
    """Texts that need not be members of the field's choice."""
    PATTERN = "an RE2 pattern"
    YES_OR_NO = "true or false"
    FIELD = "the name of another field"
    TEST = "a test of one part"
    """What may stand after a field, for each part of the answer beside `split`."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator: the types it is for, what it takes, when it holds (of value and literal), how it reads."""

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
    """The types whose values may be the same as one of this type."""
    return next((alike for alike in (_TEXTS, NUMBERS) if kind in alike), frozenset({kind}))


OPERATORS: Mapping[str, Operator] = MappingProxyType({each.name: each for each in _table()})
YES_NO_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"present": ("absent", "present"), "taken": ("free", "taken by another owner")}
)
"""How an operator that takes true or false reads with false, and with true."""
MODIFIERS: Mapping[str, str] = MappingProxyType(
    {
        "clean": "cleanings",
        "as": "`number` or `date`",
        "within": "a number",
        "split": "separators",
    }
)
"""What may stand beside an operator, and what it takes."""
READ_AS: Mapping[str, FieldType] = MappingProxyType({"number": FieldType.NUMBER, "date": FieldType.DATE})
"""What a custom field may be read as."""
