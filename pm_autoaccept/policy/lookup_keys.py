"""What is looked up in data, and which keys there nobody will ever be found by."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date

from pm_autoaccept.policy.cleaning import Cleaning, cleaned
from pm_autoaccept.policy.conditions import AllOf, AnyOf, Column, Comparison, Condition, Lookup, Not, Split
from pm_autoaccept.policy.custom_fields.possible_answers import DIGITS, PossibleAnswers
from pm_autoaccept.policy.data.sources import Source
from pm_autoaccept.policy.fields import Field
from pm_autoaccept.policy.messages import listed, some
from pm_autoaccept.policy.operators import OPERATORS
from pm_autoaccept.policy.rules import Rule
from pm_autoaccept.policy.values import FieldType

By = tuple[Field | Column, ...]
"""What is looked up together, one for each key column."""

_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]*")
"""How a number is written where it is looked up."""
_DIGITS_AND_DASHES = PossibleAnswers(DIGITS | {"-"}, 1, 19)


def lookups_by_source(rules: Iterable[Rule]) -> Mapping[str, frozenset[By]]:
    """Data → what rules look up there."""
    found = defaultdict(set)
    for rule in rules:
        for name, by in _in(rule.when):
            found[name].add(by)
    return {name: frozenset(each) for name, each in found.items()}


def _in(condition: Condition) -> Iterator[tuple[str, By]]:
    if isinstance(condition, Lookup):
        yield condition.source.name, condition.by
        yield from _in(condition.where)
    elif isinstance(condition, Comparison):
        if condition.source is not None:
            yield condition.source, (condition.field,)
    elif isinstance(condition, Not):
        yield from _in(condition.part)
    elif isinstance(condition, Split):
        yield from _in(condition.test)
    elif isinstance(condition, AllOf | AnyOf):
        for part in condition.parts:
            yield from _in(part)


def impossible_key_check(source: Source, bys: Iterable[By]) -> Callable[[tuple[str, ...]], bool]:
    """What tells of a cleaned key that nothing which is looked up in this data can ever be it."""
    clean = [source.clean.get(name, ()) for name in source.key]
    ways = [[_never(field, each) for field, each in zip(by, clean, strict=True)] for by in bys]

    def never(key: tuple[str, ...]) -> bool:
        return bool(ways) and all(any(part_is(part) for part_is, part in zip(way, key, strict=True)) for way in ways)

    return never


def _never(field: Field | Column, clean: tuple[Cleaning, ...]) -> Callable[[str], bool]:
    """What tells of one part of a cleaned key that no value of the field is it."""
    if isinstance(field, Column):
        return lambda _: False
    if field.members:
        members = {cleaned(member, clean) for member in field.members}
        return lambda key: key not in members
    if field.type in {FieldType.INTEGER, FieldType.DATE}:
        left = _DIGITS_AND_DASHES.after(clean)
        return lambda key: not left.may_be(key) or (not clean and not _is_written_so(key, field))
    form = field.form
    return (lambda _: False) if form is None else lambda key: form.is_never_text(key, clean)


def _is_written_so(key: str, field: Field) -> bool:
    """Whether a number or a date of the field is written so."""
    if field.type is FieldType.INTEGER:
        written = _WHOLE_NUMBER.fullmatch(key) is not None
        return written and not (field.form is not None and field.form.is_never(OPERATORS["equals"], int(key)))
    try:
        return date.fromisoformat(key).isoformat() == key
    except ValueError:
        return False


def describe_lookups(bys: Iterable[By]) -> str:
    """What is looked up, and what its values are, for messages."""
    fields = sorted({field for by in bys for field in by if isinstance(field, Field)}, key=lambda field: field.name)
    said = (f"`{field.name}`, which is {_says(field)}" for field in fields)
    return f"what is looked up there is {listed(said, 'and')}"


def _says(field: Field) -> str:
    if field.members:
        return f"one of {some(field.members)}"
    if field.type is FieldType.DATE:
        return "a date, as 2026-01-31"
    return field.form.says if field.form is not None else "a whole number"
