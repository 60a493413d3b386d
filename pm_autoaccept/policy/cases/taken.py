"""Parse `taken` in the facts of a test case: whether another owner has the same value in a custom field."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Claim, Claims, Facts, FieldClaims, Kind, PendingRequest, RequestKey
from pm_autoaccept.policy.conditions import Comparison
from pm_autoaccept.policy.evaluation.custom_answers import name_key
from pm_autoaccept.policy.evaluation.taken import Normalization, claim_query
from pm_autoaccept.policy.fields import Field, field_named, is_custom
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Node, Text

TAKEN = "taken"
_SOMEBODY = Claim(key=RequestKey(Kind.CONNECTION, 0), owner=0, username="another owner")
_PERHAPS = replace(_SOMEBODY, doubt="the test case does not state whether it is taken")
Asked: TypeAlias = tuple[str, Normalization]


def read_taken(node: Node, faults: list[Fault]) -> Mapping[str, bool]:
    """Custom field → whether another owner has the same value as the request."""
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            example = f"`{TAKEN}: {{custom.Utility Customer Number: true}}`"
            faults.append(node.place.fault(f"`{TAKEN}` must be a mapping, for example {example}"))
        return {}
    stated = {}
    for key, value in node.entries:
        if not is_custom(field_named(key.value)):
            faults.append(key.place.fault(f"`{key.value}` in `{TAKEN}` is not a custom field; use custom.NAME"))
        elif isinstance(value, Text) and value.value in {"true", "false"}:
            stated[name_key(key.value)] = value.value == "true"
        elif not isinstance(value, Broken):
            message = f"invalid value of `{key.value}`; use true if another owner has the same value, or false"
            faults.append(value.place.fault(message))
    return stated


def claims_of(tests: Iterable[Comparison], taken: Mapping[str, bool], request: PendingRequest, facts: Facts) -> Claims:
    """What these tests find in a case; what the case does not state is unknown."""
    found: dict[Asked, dict[str, tuple[Claim, ...]]] = defaultdict(dict)
    for test in tests:
        by_value = found[claim_query(test)]
        for value, claims in _claimed(test, taken, request, facts):
            by_value[value] = tuple(
                sorted((*by_value.get(value, ()), *claims), key=lambda each: each.doubt is not None)
            )
    return Claims({asked: FieldClaims(by_value) for asked, by_value in found.items()})


def _claimed(
    test: Comparison, taken: Mapping[str, bool], request: PendingRequest, facts: Facts
) -> Iterator[tuple[str, tuple[Claim, ...]]]:
    """What the case states about this field's value: a field of the same name elsewhere can have another value."""
    stated = taken.get(name_key(test.field.name))
    value = test.field.value(request, facts) if isinstance(test.field, Field) else None
    if isinstance(value, str) and stated is not False:
        keys, _ = claim_query(test)[1].of(value)
        yield from ((key, (_SOMEBODY if stated else _PERHAPS,)) for key in keys)
