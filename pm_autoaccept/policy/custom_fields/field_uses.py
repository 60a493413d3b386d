"""Where a policy's text names custom fields, and what it asks of them there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Kind
from pm_autoaccept.policy.cleaning import fold
from pm_autoaccept.policy.fields import ALL, CUSTOM
from pm_autoaccept.policy.parser import source_text
from pm_autoaccept.policy.parser.source_text import Entries, Items, Node, Place, Text

_IN_A_NOTE = re.compile(r"\{([^{}|]*)(?:\|[^{}]*)?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomFieldUse:
    """One place where a policy names a custom field.

    Attributes:
        field: as it is written, prefix and all.
        prefix: one of `custom.`, `connection.custom.`, `property.custom.`.
        kinds: the kinds of request on which it is asked there.
        test: what it is compared with; None where it is only named, as in a note.
    """

    place: Place
    field: str
    prefix: str
    kinds: frozenset[Kind]
    test: Node | None = None

    @property
    def name(self) -> str:
        """The custom field's own name."""
        return fold(self.field[len(self.prefix) :])


def custom_field_uses(files: Mapping[str, bytes]) -> Iterator[CustomFieldUse]:
    """Every use in a policy that loads, by file and line; tests are left aside."""
    unheeded: list[Fault] = []
    for name in sorted(name for name in files if name.endswith(".yaml") and not name.endswith(".test.yaml")):
        for key, node in _entries(source_text.read(name, files[name], unheeded)):
            if key == "rules" and isinstance(node, Items):
                for rule in node.items:
                    yield from _of_rule(rule)
            elif key == "default":
                yield from _in_notes(node, ALL)
            elif key == "private":
                yield from (_use(text, ALL) for text in _texts(node) if _is_custom(text))


def _of_rule(rule: Node) -> Iterator[CustomFieldUse]:
    keys = dict(_entries(rule))
    kinds = frozenset(Kind(text.value) for text in _texts(keys.get("on")))
    yield from _in_conditions(keys.get("when"), kinds, columns=False)
    yield from _in_notes(rule, kinds)


def _in_conditions(node: Node | None, kinds: frozenset[Kind], *, columns: bool) -> Iterator[CustomFieldUse]:
    """What conditions name; where they are on `columns`, the left side is none of the request's fields."""
    if not isinstance(node, Entries):
        return
    for key, value in node.entries:
        if key.value in {"all", "any"} and isinstance(value, Items):
            for item in value.items:
                yield from _in_conditions(item, kinds, columns=columns)
        elif key.value == "not":
            yield from _in_conditions(value, kinds, columns=columns)
        elif key.value == "lookup":
            looked_up = dict(_entries(value))
            yield from _named((each for _, each in _entries(looked_up.get("by"))), kinds)
            yield from _in_conditions(looked_up.get("where"), kinds, columns=True)
        else:
            if not columns and _is_custom(key):
                yield _use(key, kinds, value)
            yield from _named(_same_as(value), kinds)


def _same_as(test: Node) -> Iterator[Node]:
    """What the tests of a field, or of its parts, name as another field."""
    for name, node in _entries(test):
        if name == "same_as":
            yield node
        elif name in {"every", "some"}:
            yield from _same_as(node)


def _named(nodes: Iterator[Node], kinds: frozenset[Kind]) -> Iterator[CustomFieldUse]:
    yield from (_use(node, kinds) for node in nodes if isinstance(node, Text) and _is_custom(node))


def _in_notes(holder: Node, kinds: frozenset[Kind]) -> Iterator[CustomFieldUse]:
    """What the note of a rule or of the default names, and the note of its `expire`."""
    for key, node in _entries(holder):
        if key == "expire":
            yield from _in_notes(node, kinds)
        elif key == "note" and isinstance(node, Text):
            for found in _IN_A_NOTE.finditer(node.value):
                yield from _named(iter([Text(node.place, found[1].strip())]), kinds)


def _use(text: Text, kinds: frozenset[Kind], test: Node | None = None) -> CustomFieldUse:
    prefix = next(prefix for prefix in CUSTOM if text.value.startswith(prefix))
    return CustomFieldUse(place=text.place, field=text.value, prefix=prefix, kinds=kinds, test=test)


def _is_custom(text: Text) -> bool:
    return text.value.startswith(CUSTOM)


def _entries(node: Node | None) -> tuple[tuple[str, Node], ...]:
    return tuple((key.value, value) for key, value in node.entries) if isinstance(node, Entries) else ()


def _texts(node: Node | None) -> tuple[Text, ...]:
    if isinstance(node, Items):
        return tuple(item for item in node.items if isinstance(item, Text))
    return (node,) if isinstance(node, Text) else ()
