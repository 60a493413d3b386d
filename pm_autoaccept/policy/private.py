"""Custom fields that are tested but never shown: neither in evidence, nor anywhere else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Truth
from pm_autoaccept.policy.cleaning import fold
from pm_autoaccept.policy.evaluation.custom_answers import name_key
from pm_autoaccept.policy.fields import CUSTOM, Field
from pm_autoaccept.policy.parser.source_text import Broken, Items, Node, Text

HIDDEN = "(private)"
"""What stands where a policy says a private field's value: whoever sees that it matched would know it."""

_FOUND = {Truth.TRUE: "matched", Truth.FALSE: "did not match"}


def read_private(node: Node, faults: list[Fault]) -> frozenset[str]:
    """What stands after `private:`: the names of custom fields, as `name_key` writes them, without `custom.`."""
    names = set()
    for item in node.items if isinstance(node, Items) else (node,):
        if isinstance(item, Broken):
            continue
        name = item.value.removeprefix("custom.") if isinstance(item, Text) else ""
        if isinstance(item, Text) and name != item.value and fold(name):
            names.add(name_key(name))
        else:
            faults.append(item.place.fault("`private` is a list of your custom fields, as [custom.Share Key]"))
    return frozenset(names)


def with_privacy(field: Field, private: Collection[str]) -> Field:
    """The field, marked as private if its custom field is: also where it came with another request."""
    if not private:
        return field
    prefix = next((prefix for prefix in CUSTOM if field.name.startswith(prefix)), None)
    hidden = prefix is not None and name_key(field.name.removeprefix(prefix)) in private
    return replace(field, private=True) if hidden else field


def private_evidence(truth: Truth) -> str | None:
    """What evidence shows instead of what a private field holds."""
    return _FOUND.get(truth)
