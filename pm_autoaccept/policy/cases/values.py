"""Parse field values in a test case: names as in conditions, nested or with dots, each value by its field's type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import CustomField, Kind
from pm_autoaccept.policy.fields import CUSTOM, FIELDS, Field, field_named
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Items, Node, Place, Text
from pm_autoaccept.policy.values import NotAValue, Relative, Value, read_value

NO_ANSWERS = "none"
"""The value of `connection.custom` or `property.custom` if the customer answered nothing."""


@dataclass(slots=True)
class CaseValues:
    """The field values that a case states under `request` or `facts`.

    Attributes:
        values: field → value, without custom fields.
        custom: `custom.`, `connection.custom.` or `property.custom.` → the answers.
        places: name → its position.
    """

    values: dict[str, Value] = field(default_factory=dict)
    custom: dict[str, tuple[CustomField, ...]] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)


def flat(node: Entries, before: str = "") -> Iterator[tuple[Text, str, Node]]:
    """Each key with a value, with its full name: `{account: {id: 1}}` and `{account.id: 1}` are the same."""
    for key, value in node.entries:
        name = f"{before}{key.value}"
        if isinstance(value, Entries):
            yield from flat(value, f"{name}.")
        else:
            yield key, name, value


def read_case_values(node: Entries, *, kind: Kind, faults: list[Fault]) -> CaseValues:
    """Parse the fields under `request` or `facts`."""
    stated = CaseValues()
    for key, name, value in flat(node):
        if name in {prefix.removesuffix(".") for prefix in CUSTOM}:
            _nothing(name, value, stated, faults)
        elif (found := _field(key, name, kind, faults)) is None:
            continue
        elif found.name in stated.places:
            faults.append(key.place.fault(f"duplicate field `{found.name}`; keep one of them"))
        else:
            stated.places[found.name] = key.place
            _read(found, value, stated, faults)
    return stated


def _field(key: Text, name: str, kind: Kind, faults: list[Fault]) -> Field | None:
    found = field_named(name)
    if found is None:
        known = (*FIELDS, *CUSTOM)
        faults.append(key.place.fault(f"unknown field `{name}`{perhaps(name, known)}"))
    elif kind not in found.kinds:
        where = listed(sorted(found.kinds), "and")
        faults.append(key.place.fault(f"a {kind} request never has `{name}`; only {where} requests have it"))
        return None
    return found


def _read(found: Field, value: Node, stated: CaseValues, faults: list[Fault]) -> None:
    prefix = next((each for each in CUSTOM if found.name.startswith(each)), None)
    texts = value.items if prefix and isinstance(value, Items) else (value,)
    for text in texts:
        if not isinstance(text, Text):
            if not isinstance(text, Broken):
                faults.append(text.place.fault(f"expected one value of `{found.name}`"))
        elif prefix:
            answer = CustomField(found.name.removeprefix(prefix), text.value)
            stated.custom[prefix] = (*stated.custom.get(prefix, ()), answer)
        else:
            _read_value(found, text, stated, faults)


def _read_value(found: Field, text: Text, stated: CaseValues, faults: list[Fault]) -> None:
    try:
        read = read_value(text.value, found.type, found.members)
    except NotAValue as error:
        faults.append(text.place.fault(f"`{found.name}`: {error}"))
        return
    if isinstance(read, Relative):
        message = f"`{found.name}`: relative dates are not allowed in a case; write the date, for example 2026-01-31"
        faults.append(text.place.fault(message))
        return
    stated.values[found.name] = read


def _nothing(name: str, value: Node, stated: CaseValues, faults: list[Fault]) -> None:
    """Parse `connection.custom: none`: the customer is known to have answered nothing."""
    if isinstance(value, Text) and value.value == NO_ANSWERS:
        stated.custom.setdefault(f"{name}.", ())
        stated.places[f"{name}."] = value.place
    elif not isinstance(value, Broken):
        faults.append(value.place.fault(f"`{name}` must be a mapping of names to answers, or `{NO_ANSWERS}`"))
