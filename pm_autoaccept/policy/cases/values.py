"""What a case says of fields: names as in conditions, nested or with dots, each value of its field's type."""

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
"""What stands after `connection.custom` or `property.custom` where nothing was answered."""


@dataclass(slots=True)
class CaseValues:
    """What a case says of a request, or of what is around it.

    Attributes:
        values: field → value, custom fields left out.
        custom: `custom.`, `connection.custom.` or `property.custom.` → what was answered.
        places: name → where it stands.
    """

    values: dict[str, Value] = field(default_factory=dict)
    custom: dict[str, tuple[CustomField, ...]] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)


def flat(node: Entries, before: str = "") -> Iterator[tuple[Text, str, Node]]:
    """Each key that has a value, with its whole name: `{account: {id: 1}}` and `{account.id: 1}` are the same."""
    for key, value in node.entries:
        name = f"{before}{key.value}"
        if isinstance(value, Entries):
            yield from flat(value, f"{name}.")
        else:
            yield key, name, value


def read_case_values(node: Entries, *, kind: Kind, faults: list[Fault]) -> CaseValues:
    """What stands after `request:` or `facts:`."""
    said = CaseValues()
    for key, name, value in flat(node):
        if name in {prefix.removesuffix(".") for prefix in CUSTOM}:
            _nothing(name, value, said, faults)
        elif (found := _field(key, name, kind, faults)) is None:
            continue
        elif found.name in said.places:
            faults.append(key.place.fault(f"`{found.name}` is said twice; keep one of them"))
        else:
            said.places[found.name] = key.place
            _read(found, value, said, faults)
    return said


def _field(key: Text, name: str, kind: Kind, faults: list[Fault]) -> Field | None:
    found = field_named(name)
    if found is None:
        known = (*FIELDS, *CUSTOM)
        faults.append(key.place.fault(f"there is no field `{name}`{perhaps(name, known)}"))
    elif kind not in found.kinds:
        where = listed(sorted(found.kinds))
        faults.append(key.place.fault(f"a {kind} request never has `{name}`; it stands on {where} requests only"))
        return None
    return found


def _read(found: Field, value: Node, said: CaseValues, faults: list[Fault]) -> None:
    prefix = next((each for each in CUSTOM if found.name.startswith(each)), None)
    texts = value.items if prefix and isinstance(value, Items) else (value,)
    for text in texts:
        if not isinstance(text, Text):
            if not isinstance(text, Broken):
                faults.append(text.place.fault(f"one value of `{found.name}` stands here"))
        elif prefix:
            answer = CustomField(found.name.removeprefix(prefix), text.value)
            said.custom[prefix] = (*said.custom.get(prefix, ()), answer)
        else:
            _read_value(found, text, said, faults)


def _read_value(found: Field, text: Text, said: CaseValues, faults: list[Fault]) -> None:
    try:
        read = read_value(text.value, found.type, found.members)
    except NotAValue as error:
        faults.append(text.place.fault(f"`{found.name}`: {error}"))
        return
    if isinstance(read, Relative):
        faults.append(text.place.fault(f"`{found.name}`: write the date out, as 2026-01-31: a case stands still"))
        return
    said.values[found.name] = read


def _nothing(name: str, value: Node, said: CaseValues, faults: list[Fault]) -> None:
    """`connection.custom: none`: nothing was answered, and that is known."""
    if isinstance(value, Text) and value.value == NO_ANSWERS:
        said.custom.setdefault(f"{name}.", ())
        said.places[f"{name}."] = value.place
    elif not isinstance(value, Broken):
        faults.append(value.place.fault(f"`{name}` is followed by names and what was answered, or by `{NO_ANSWERS}`"))
