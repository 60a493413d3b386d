"""What follows from a condition without asking it of a request: whom it names, what is there, what it must know."""

from __future__ import annotations

from collections.abc import Iterator

from pm_autoaccept.policy.conditions import AllOf, AnyOf, Column, Comparison, Condition, Lookup, Not, SameAs
from pm_autoaccept.policy.fields import Field


def asks_who(condition: Condition) -> bool:
    """Whether the condition, being true, has said who is let in: in each branch of an `any`.

    A test under a `not` says who is kept out, so it does not count; nor do `present` and `taken`, which let
    in whoever fills in the field, or fills in what nobody else has.
    """
    if isinstance(condition, Lookup):
        return True
    if isinstance(condition, Comparison):
        return _says_who(condition.field) and condition.operator.name not in {"present", "taken"}
    if isinstance(condition, SameAs):
        return _says_who(condition.field) or condition.other.asks_who
    if isinstance(condition, AllOf):
        return any(map(asks_who, condition.parts))
    return isinstance(condition, AnyOf) and all(map(asks_who, condition.parts))


def _says_who(field: Field | Column) -> bool:
    return isinstance(field, Field) and field.asks_who


def _fields(*fields: Field | Column) -> Iterator[Field]:
    yield from (field for field in fields if isinstance(field, Field))


def _named(*fields: Field | Column) -> frozenset[str]:
    return frozenset(field.name for field in _fields(*fields))


def ensured(condition: Condition, *, negated: bool = False) -> frozenset[str]:
    """The names of fields that have a value wherever the condition is true."""
    if isinstance(condition, Not):
        return ensured(condition.part, negated=not negated)
    if isinstance(condition, Comparison):
        absent = condition.operator.name == "present" and condition.literals[0] is negated
        return frozenset() if absent else _named(condition.field)
    if isinstance(condition, SameAs):
        return _named(condition.field, condition.other)
    if isinstance(condition, Lookup):
        # Of a row that is not there nothing is asked.
        passed = frozenset[str]() if negated else ensured(condition.where)
        return passed | _named(*condition.by)
    parts = [ensured(part, negated=negated) for part in condition.parts]
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
    elif isinstance(condition, AllOf | AnyOf):
        for part in condition.parts:
            yield from comparisons(part)
