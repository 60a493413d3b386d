"""What follows from a condition without asking it of a request: whom it names, what is there, what it must know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from pm_autoaccept.model import Verdict
from pm_autoaccept.policy.conditions import AllOf, AnyOf, Column, Comparison, Condition, Lookup, Not, SameAs, Split
from pm_autoaccept.policy.fields import Field
from pm_autoaccept.policy.values import FieldType


def asks_who(condition: Condition) -> bool:
    """Whether the condition, being true, has said who is let in: in each branch of an `any`.

    A test under a `not` says who is kept out, so it does not count; nor do `present` and `taken`, which let
    in whoever fills in the field, or fills in what nobody else has; nor what is the same in two places of one request,
    both filled in by whoever sent it; nor a table of kinds or of states; nor what only `some` part of an answer passes,
    since a stranger would type a thousand numbers.
    """
    if isinstance(condition, Lookup):
        return any(field.asks_who or field.type not in _SHARED_BY_MANY for field in condition.by)
    if isinstance(condition, Comparison):
        return isinstance(condition.field, Field) and condition.field.asks_who and _names_somebody(condition)
    if isinstance(condition, SameAs):
        return any(field.name.startswith(_TOLD_BEFORE) for field in _fields(condition.field, condition.other))
    if isinstance(condition, Split):
        return condition.part_of.every and asks_who(condition.test)
    if isinstance(condition, AllOf):
        return any(map(asks_who, condition.parts))
    return isinstance(condition, AnyOf) and all(map(asks_who, condition.parts))


_SHARED_BY_MANY = frozenset({FieldType.CHOICE, FieldType.BOOLEAN, FieldType.MOMENT, FieldType.DURATION})
_TOLD_BEFORE = ("connection.custom.", "property.custom.")
"""What another request said, which was decided by itself."""
_EVERYBODY: Mapping[str, frozenset[object]] = MappingProxyType(
    {
        "account.connected": frozenset({False}),
        "property.verdict": frozenset({Verdict.HOLD.value, Verdict.REJECT.value}),
    }
)
"""Values that say nothing of who it is, or that nobody let the property in."""


def _names_somebody(test: Comparison) -> bool:
    """Whether the test of a field that says who it is lets in those whom somebody named."""
    if test.operator.name in {"present", "taken"}:
        return False
    if test.field.type is FieldType.INTEGER and test.operator.name not in {"equals", "in"}:
        # Every id is above some number.
        return False
    return _EVERYBODY.get(test.field.name, frozenset()).isdisjoint(test.literals)


def _fields(*fields: Field | Column) -> Iterator[Field]:
    yield from (field for field in fields if isinstance(field, Field))


def _named(*fields: Field | Column) -> frozenset[str]:
    return frozenset(field.name for field in _fields(*fields))


def guaranteed_fields(condition: Condition, *, negated: bool = False) -> frozenset[str]:  # noqa: PLR0911 - one for each kind of condition
    """The names of fields that have a value wherever the condition is true."""
    if isinstance(condition, Not):
        return guaranteed_fields(condition.part, negated=not negated)
    if isinstance(condition, Comparison):
        absent = condition.operator.name == "present" and condition.literals[0] is negated
        return frozenset() if absent else _named(condition.field)
    if isinstance(condition, SameAs):
        return _named(condition.field, condition.other)
    if isinstance(condition, Lookup):
        # Of a row that is not there nothing is asked.
        passed = frozenset[str]() if negated else guaranteed_fields(condition.where)
        return passed | _named(*condition.by)
    if isinstance(condition, Split):
        # There is a part, and whichever is looked at needs what it is compared with.
        return _named(condition.field) | guaranteed_fields(condition.test, negated=negated)
    parts = [guaranteed_fields(part, negated=negated) for part in condition.parts]
    if isinstance(condition, AllOf) is not negated:
        return frozenset().union(*parts)
    return frozenset.intersection(*parts) if parts else frozenset()


def fields_tested(condition: Condition) -> Iterator[Field]:
    """The fields that a condition asks for."""
    if isinstance(condition, Comparison):
        yield from _fields(condition.field)
    elif isinstance(condition, SameAs):
        yield from _fields(condition.field, condition.other)
    elif isinstance(condition, Lookup):
        yield from condition.by
        yield from fields_tested(condition.where)
    elif isinstance(condition, Split):
        yield condition.field
        yield from fields_tested(condition.test)
    elif isinstance(condition, Not):
        yield from fields_tested(condition.part)
    else:
        for part in condition.parts:
            yield from fields_tested(part)


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """The comparisons of fields that stand in a condition; those of columns, inside lookups, are not among them."""
    if isinstance(condition, Comparison):
        yield condition
    elif isinstance(condition, Not):
        yield from comparisons(condition.part)
    elif isinstance(condition, Split):
        yield from comparisons(condition.test)
    elif isinstance(condition, AllOf | AnyOf):
        for part in condition.parts:
            yield from comparisons(part)
