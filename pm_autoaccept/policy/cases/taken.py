"""What stands after `taken:` among a case's facts: whether another owner has said the same in a custom field."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Claim, Claims, Facts, FieldClaims, Kind, PendingRequest, RequestKey
from pm_autoaccept.policy.conditions import Comparison
from pm_autoaccept.policy.evaluation.custom_answers import name_key
from pm_autoaccept.policy.evaluation.taken import Made, asked_of
from pm_autoaccept.policy.fields import Field, field_named, is_custom
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Node, Text

TAKEN = "taken"
_SOMEBODY = Claim(key=RequestKey(Kind.CONNECTION, 0), owner=0, username="another owner")
_PERHAPS = replace(_SOMEBODY, doubt="the case does not say whether it is taken")
Asked: TypeAlias = tuple[str, Made]


def read_taken(node: Node, faults: list[Fault]) -> Mapping[str, bool]:
    """Custom field → whether another owner has the value that the request has."""
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            faults.append(node.place.fault(f"write it as `{TAKEN}: {{custom.Utility Customer Number: true}}`"))
        return {}
    said = {}
    for key, value in node.entries:
        if not is_custom(field_named(key.value)):
            faults.append(key.place.fault(f"`{key.value}` is no custom field; `{TAKEN}` is said of custom.NAME"))
        elif isinstance(value, Text) and value.value in {"true", "false"}:
            said[name_key(key.value)] = value.value == "true"
        elif not isinstance(value, Broken):
            faults.append(value.place.fault(f"`{key.value}` is taken by another owner, or not: true or false"))
    return said


def claims_of(tests: Iterable[Comparison], taken: Mapping[str, bool], request: PendingRequest, facts: Facts) -> Claims:
    """What these tests find in the world of a case; what it does not say is unknown."""
    found: dict[Asked, dict[str, tuple[Claim, ...]]] = defaultdict(dict)
    for test in tests:
        by_value = found[asked_of(test)]
        for value, claims in _claimed(test, taken, request, facts):
            by_value[value] = tuple(
                sorted((*by_value.get(value, ()), *claims), key=lambda each: each.doubt is not None)
            )
    return Claims({asked: FieldClaims(by_value) for asked, by_value in found.items()})


def _claimed(
    test: Comparison, taken: Mapping[str, bool], request: PendingRequest, facts: Facts
) -> Iterator[tuple[str, tuple[Claim, ...]]]:
    """What the case says of just this field's value: another field of the same name may hold another."""
    said = taken.get(name_key(test.field.name))
    value = test.field.value(request, facts) if isinstance(test.field, Field) else None
    if isinstance(value, str) and said is not False:
        keys, _ = asked_of(test)[1].of(value)
        yield from ((key, (_SOMEBODY if said else _PERHAPS,)) for key in keys)
