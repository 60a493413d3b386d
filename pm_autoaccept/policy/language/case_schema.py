"""The part of the editor schema that is about tests: cases, their requests and facts by the names of fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pm_autoaccept.model import Kind, Verdict
from pm_autoaccept.policy.fields import FIELDS
from pm_autoaccept.policy.language import words
from pm_autoaccept.policy.language.values import MAPPING, SCALAR, described, list_of, one_of, one_or_list, value_of
from pm_autoaccept.policy.values import FieldType

_ANSWERS: dict[str, Any] = {
    "anyOf": [{**MAPPING, "additionalProperties": one_or_list(SCALAR)}, one_of("none")],
}
"""Custom fields by their names, or that nothing was answered."""
_DOTTED = "^[a-z_]+\\."
"""A key that is the whole name of a field, or the rest of one."""


def test_file_properties() -> dict[str, Any]:
    """What stands in a file of tests."""
    return {"version": one_of(1, "1"), "cases": described(list_of(_case()), "What must come of which request.")}


def _case() -> dict[str, Any]:
    rows = one_or_list({"anyOf": [SCALAR, {**MAPPING, "additionalProperties": SCALAR}]})
    expect = {
        "verdict": one_of(*Verdict),
        "rule": SCALAR,
        "unknown": one_or_list(SCALAR),
        "note": SCALAR,
    }
    parts = {
        "about": SCALAR,
        "request": _request(),
        "facts": _facts(),
        "data": {**MAPPING, "additionalProperties": rows},
        "now": value_of(FieldType.MOMENT),
        "expect": _mapping(expect, words.EXPECT, required=("verdict", "rule")),
    }
    return _mapping(parts, words.CASE, required=("about", "request", "expect"))


def _mapping(
    parts: Mapping[str, dict[str, Any]], meanings: Mapping[str, str], *, required: tuple[str, ...]
) -> dict[str, Any]:
    properties = {name: described(parts[name], meaning) for name, meaning in meanings.items()}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _request() -> dict[str, Any]:
    fields = _nested(())
    fields["properties"] |= {
        "kind": described(one_of(*Kind), words.field_meaning("kind")),
        "custom": described(_ANSWERS, words.CUSTOM_FIELDS["custom."]),
        "xml": described(SCALAR, "A pending list as Portfolio Manager sends it, as requests/x.xml."),
    }
    return {**fields, "anyOf": [{"required": ["kind"]}, {"required": ["xml"]}]}


def _facts() -> dict[str, Any]:
    fields = _nested(())
    fields["properties"] |= {
        "connection": {"type": "object", "properties": {"custom": _ANSWERS}, "additionalProperties": False},
        "connection.custom": _ANSWERS,
        "property.custom": _ANSWERS,
        "taken": {**MAPPING, "additionalProperties": value_of(FieldType.BOOLEAN)},
    }
    fields["properties"]["property"]["properties"]["custom"] = _ANSWERS
    return fields


def _nested(within: tuple[str, ...]) -> dict[str, Any]:
    """The fields whose names begin so, each part of a name a mapping of its own; also with dots."""
    depth = len(within)
    properties: dict[str, Any] = {}
    for name, field in FIELDS.items():
        parts = tuple(name.split("."))
        if parts[:depth] != within or len(parts) == depth:
            continue
        if len(parts) > depth + 1:
            properties.setdefault(parts[depth], _nested((*within, parts[depth])))
        else:
            value = one_of(*field.members) if field.members else value_of(field.type)
            properties[parts[depth]] = described(value, words.field_meaning(name))
    either = {"anyOf": [one_or_list(SCALAR), MAPPING]}
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": {_DOTTED: either},
        "additionalProperties": False,
    }
