"""Whether a custom field, whose text is whatever a customer typed, is read as a number or as a date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pm_autoaccept.errors import Fault
from pm_autoaccept.policy.conditions import Column
from pm_autoaccept.policy.fields import Field, field_named, is_custom
from pm_autoaccept.policy.messages import listed
from pm_autoaccept.policy.operators import NUMBERS, OPERATORS, READ_AS
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Text
from pm_autoaccept.policy.values import FieldType, NotAValue, read_value


@dataclass(frozen=True, slots=True)
class TypeReader:
    """Finds out how the operators of one test want a field read. What is wrong is added to `faults`."""

    faults: list[Fault]

    def of(self, field: Field | Column, node: Entries) -> FieldType | None:
        """The type that `as` says, or else what the value is compared with; None where a text stays a text."""
        for key, value in node.entries:
            if key.value == "as":
                if not is_custom(field):
                    why = f"`as` is for custom fields, and `{field.name}` is a {field.type} already; take it out"
                    self.faults.append(key.place.fault(why))
                    return None
                if isinstance(value, Text) and value.value in READ_AS:
                    return READ_AS[value.value]
                if not isinstance(value, Broken):
                    self.faults.append(value.place.fault(f"`as` is {listed(READ_AS)}"))
                return None
        return next(_compared_with(field, node), None) if is_custom(field) else None


def comparison_type(field: Field | Column, kind: FieldType) -> FieldType | None:
    """What a field's text is read as where it is compared with a value of this type; None where it stays as it is."""
    if not is_custom(field):
        return None
    return FieldType.NUMBER if kind in NUMBERS else FieldType.DATE if kind is FieldType.DATE else None


def _compared_with(field: Field | Column, node: Entries) -> Iterator[FieldType]:
    for key, value in node.entries:
        if key.value == "within":
            yield FieldType.NUMBER
        elif isinstance(value, Text) and key.value == "same_as":
            other = field_named(value.value)
            if other is not None and (kind := comparison_type(field, other.type)) is not None:
                yield kind
        elif isinstance(value, Text) and key.value in OPERATORS and FieldType.TEXT not in OPERATORS[key.value].types:
            yield from (kind for kind in READ_AS.values() if _is_a(value.value, kind))


def _is_a(text: str, kind: FieldType) -> bool:
    try:
        read_value(text, kind)
    except NotAValue:
        return False
    return True
