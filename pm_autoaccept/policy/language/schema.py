"""The JSON Schema (draft 7) of policy files, for completion and validation in editors, made from the language's tables.

It accepts everything that the loader accepts. Checks that need the whole policy (whether a data name is declared,
whether a kind of request has a field) are left to `check`. YAML reads the text `1998` as a number, so each value can
also be what YAML makes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from pm_autoaccept.model import Kind, Verdict
from pm_autoaccept.policy.cleaning import CLEANINGS
from pm_autoaccept.policy.data.contents import COLUMN_TYPES
from pm_autoaccept.policy.fields import CUSTOM, FIELDS, Field
from pm_autoaccept.policy.language import words
from pm_autoaccept.policy.language.case_schema import test_file_properties
from pm_autoaccept.policy.language.values import MAPPING, SCALAR, described, list_of, one_of, one_or_list, value_of
from pm_autoaccept.policy.operators import OPERATORS, READ_AS, Takes
from pm_autoaccept.policy.values import FieldType

Schema: TypeAlias = dict[str, Any]

_CONDITIONS: Schema = {"$ref": "#/definitions/conditions"}
_CUSTOM = "^(" + "|".join(prefix.replace(".", "\\.") for prefix in CUSTOM) + ").+$"


def schema() -> Schema:
    """The whole schema, for policy files and test files."""
    tests = test_file_properties()
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A policy of pm-autoaccept",
        "type": "object",
        "properties": _file() | {"cases": tests["cases"]},
        "additionalProperties": False,
        # A test file has only cases, and its version is optional.
        "if": {"required": ["cases"]},
        "then": {"propertyNames": {"enum": sorted(tests)}},
        "else": {"required": ["version"]},
        "definitions": _definitions(),
    }


def _file() -> Schema:
    rule = _mapping(_rule(), words.RULE, required=("id", "on", "when", "then"))
    default = _mapping(_rule(), words.DEFAULT, required=("then",))
    limit = one_or_list(SCALAR)
    limits: Schema = {
        "type": "object",
        "properties": {"accept": limit, "reject": limit},
        "additionalProperties": False,
    }
    parts: Schema = {
        "version": one_of(1, "1"),
        "time_zone": SCALAR,
        "private": one_or_list(SCALAR),
        "data": {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/definitions/source"}},
        "rules": list_of(rule),
        "default": default,
        "limits": {"anyOf": [limits, one_of("none")]},
    }
    return {name: described(parts[name], meaning) for name, meaning in words.FILE.items()}


def _rule() -> Schema:
    kinds = one_of(*Kind)
    yes_or_no = value_of(FieldType.BOOLEAN)
    expire: Schema = {"after": SCALAR, "then": one_of(Verdict.REJECT), "note": SCALAR}
    answer: Schema = {"by": SCALAR, "people": SCALAR}
    return {
        "id": {"type": ["string", "number"], "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
        "about": SCALAR,
        "on": {"anyOf": [kinds, list_of(kinds)]},
        "when": {"anyOf": [_CONDITIONS, one_of("always")]},
        "then": one_of(*Verdict),
        "note": SCALAR,
        "tell": SCALAR,
        "expire": _mapping(expire, words.EXPIRE, required=("after", "then")),
        "answer": _mapping(answer, words.ANSWER),
        "enforce": yes_or_no,
        "until": value_of(FieldType.DATE),
        "i_accept_everyone": one_of(True, "true"),  # noqa: FBT003 - a value of the schema
    }


def _mapping(parts: Mapping[str, Schema], meanings: Mapping[str, str], *, required: Iterable[str] = ()) -> Schema:
    """A mapping that allows these keys only."""
    return {
        "type": "object",
        "properties": {name: described(parts[name], meaning) for name, meaning in meanings.items()},
        "required": list(required),
        "additionalProperties": False,
    }


def _definitions() -> Schema:
    definitions: Schema = {
        "conditions": _conditions(),
        "where": _where(),
        "cleaning": _cleaning(),
        "source": _source(),
        "test of any value": _test(SCALAR, tuple(FieldType), custom=True),
        "test of one part": _test(SCALAR, tuple(FieldType), custom=True, part=True),
    }
    for field in FIELDS.values():
        if field.members:
            definitions[f"values of {field.name}"] = one_of(*field.members)
        definitions[_test_name(field)] = _test(_literal(field), (field.type,))
    return definitions


def _test_name(field: Field) -> str:
    return f"test of {field.name}" if field.members else f"test of a {field.type}"


def _literal(field: Field) -> Schema:
    return {"$ref": f"#/definitions/values of {field.name}"} if field.members else value_of(field.type, relative=True)


def _conditions() -> Schema:
    fields = {
        name: described({"$ref": f"#/definitions/{_test_name(field)}"}, words.field_meaning(name))
        for name, field in FIELDS.items()
    }
    custom = described({"$ref": "#/definitions/test of any value"}, words.CUSTOM_FIELDS["custom."])
    return {
        "type": "object",
        "minProperties": 1,
        "properties": _groups(_CONDITIONS, lookup=True) | fields,
        "patternProperties": {_CUSTOM: custom},
        "additionalProperties": False,
    }


def _where() -> Schema:
    """Conditions on columns, whose names the policy declares."""
    return {
        "type": "object",
        "minProperties": 1,
        "properties": _groups({"$ref": "#/definitions/where"}, lookup=False),
        "additionalProperties": {"$ref": "#/definitions/test of any value"},
    }


def _groups(inner: Schema, *, lookup: bool) -> Schema:
    parts = {"all": list_of(inner), "any": list_of(inner), "not": inner}
    if lookup:
        by = {"type": "object", "minProperties": 1, "additionalProperties": SCALAR}
        looking = {"in": SCALAR, "by": by, "where": {"$ref": "#/definitions/where"}}
        parts["lookup"] = _mapping(looking, words.LOOKUP, required=("in", "by"))
    return {name: described(part, words.GROUPS[name]) for name, part in parts.items()}


def _test(literal: Schema, types: tuple[FieldType, ...], *, custom: bool = False, part: bool = False) -> Schema:
    """The test of a field, or of a part of it: a value, a list of values, or operators."""
    operators: Schema = {
        name: described(_taken(operator.takes, literal), words.OPERATORS[name])
        for name, operator in OPERATORS.items()
        if operator.types & set(types) and not (part and operator.takes is Takes.TEST)
    }
    modifiers: Schema = {}
    if custom or FieldType.TEXT in types:
        modifiers["clean"] = one_or_list({"$ref": "#/definitions/cleaning"})
        modifiers |= {} if part else {"split": one_or_list(SCALAR)}
    if custom:
        modifiers["as"] = one_of(*READ_AS)
    if custom or set(types) & {FieldType.INTEGER, FieldType.NUMBER}:
        modifiers["within"] = value_of(FieldType.NUMBER)
    operators |= {name: described(part, words.MODIFIERS[name]) for name, part in modifiers.items()}
    return {
        "anyOf": [literal, list_of(literal), {**MAPPING, "properties": operators}],
        # Separate, so that an editor marks the unknown operator and not the whole mapping.
        "if": {"type": "object"},
        "then": {"properties": {name: {} for name in operators}, "additionalProperties": False},
    }


def _taken(takes: Takes, literal: Schema) -> Schema:
    """What an operator takes, with values as in `literal`."""
    return {
        Takes.ONE: literal,
        Takes.LIST_OR_DATA: {"anyOf": [list_of(literal), SCALAR]},
        Takes.TEXTS: one_or_list(SCALAR),
        Takes.PATTERN: SCALAR,
        Takes.YES_OR_NO: value_of(FieldType.BOOLEAN),
        Takes.FIELD: {"type": "string"},
        Takes.TEST: {"$ref": "#/definitions/test of one part"},
    }[takes]


def _cleaning() -> Schema:
    counted = "|".join(name.removesuffix(" N") for name in CLEANINGS if name.endswith(" N"))
    plain = [described({"const": name}, words.CLEANINGS[name]) for name in CLEANINGS if not name.endswith(" N")]
    with_count = {"type": "string", "pattern": f"^({counted}) +[1-9][0-9]{{0,2}}$"}
    return {"anyOf": [*plain, described(with_count, "first N, last N or zero_fill N, for example zero_fill 10")]}


def _source() -> Schema:
    cleaning = one_or_list({"$ref": "#/definitions/cleaning"})
    query = {"connection": SCALAR, "query": SCALAR}
    parts: Schema = {
        "values": list_of(SCALAR),
        "lines": SCALAR,
        "csv": SCALAR,
        "sql": {"type": "object", "properties": query, "required": list(query), "additionalProperties": False},
        "url": SCALAR,
        "key": one_or_list(SCALAR),
        "clean": {"anyOf": [*cleaning["anyOf"], {**MAPPING, "additionalProperties": cleaning}]},
        "columns": {**MAPPING, "additionalProperties": one_of(*COLUMN_TYPES)},
        "refresh": SCALAR,
        "require": _mapping(dict.fromkeys(words.REQUIRE, SCALAR), words.REQUIRE),
        "dated": SCALAR,
        "separator": SCALAR,
        "encoding": SCALAR,
        "dates": SCALAR,
    }
    return _mapping(parts, words.DATA)
