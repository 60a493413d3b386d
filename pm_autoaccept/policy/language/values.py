"""Building blocks of the JSON Schema: single values of each type as YAML may read them, and lists."""

from __future__ import annotations

from typing import Any

from pm_autoaccept.policy.values import FieldType

SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
"""Any text: YAML may have read it as a number, a boolean or null."""
MAPPING: dict[str, Any] = {"type": "object", "minProperties": 1}

# The loader folds other characters first, for example full-width digits; the schema does not repeat that.
_OR_BEYOND = r"|[^\x00-\x7f]"
_PATTERNS = {
    FieldType.INTEGER: r"^\s*[+-]?[0-9]{1,18}\s*$",
    FieldType.NUMBER: r"^\s*[+-]?\$?[0-9][0-9,]*(\.[0-9]+)?\s*$",
    FieldType.DATE: r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\s*$",
    FieldType.MOMENT: r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]+(Z|[+-][0-9]{2}:[0-9]{2})\s*$",
    FieldType.DURATION: r"^\s*[0-9]{1,5}[smhd]\s*$",
}
_RELATIVE = {FieldType.DATE: r"|^\s*today\b", FieldType.MOMENT: r"|^\s*now\b"}
_NUMBERS = frozenset({FieldType.INTEGER, FieldType.NUMBER})


def value_of(kind: FieldType, *, relative: bool = False) -> dict[str, Any]:
    """One value of this type; with `relative` also a relative date, for example `today - 30d`."""
    if kind is FieldType.BOOLEAN:
        return one_of(True, False, "true", "false")  # noqa: FBT003 - values of the schema
    if kind not in _PATTERNS:
        return SCALAR
    pattern = _PATTERNS[kind] + (_RELATIVE.get(kind, "") if relative else "") + _OR_BEYOND
    return {"type": ["number", "string"] if kind in _NUMBERS else "string", "pattern": pattern}


def one_of(*values: object) -> dict[str, Any]:
    """One of these values."""
    return {"enum": [value if isinstance(value, bool | int) else str(value) for value in values]}


def list_of(item: dict[str, Any]) -> dict[str, Any]:
    """A list with at least one item."""
    return {"type": "array", "minItems": 1, "items": item}


def one_or_list(item: dict[str, Any]) -> dict[str, Any]:
    """One value, or a list of values."""
    return {"anyOf": [item, list_of(item)]}


def described(part: dict[str, Any], meaning: str) -> dict[str, Any]:
    """The part with the description that an editor shows."""
    return {**part, "description": meaning}
