"""What an editor makes of a policy's text: its scalars as YAML 1.2 reads them, and the schema that it is held to."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import jsonschema
import yaml

from pm_autoaccept.policy.language.schema import schema


class _Core(yaml.SafeLoader):
    """YAML 1.2's core schema, which editors read: `NO` and `1:30` are texts, `0012345` is a number."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way


for _tag, _pattern in (
    ("null", r"~|null|Null|NULL|"),
    ("bool", r"true|True|TRUE|false|False|FALSE"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
):
    _Core.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), None)


@cache
def _validator() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(schema())


def complaints(text: str | bytes, *, quoted: bool = True) -> list[str]:
    """What the schema has against a text, read as editors do, and (`quoted`) read as if each value stood in quotes."""
    found = []
    for loader in (_Core, yaml.BaseLoader) if quoted else (_Core,):
        read = yaml.load(text, loader)  # noqa: S506 - neither makes objects
        found += [f"{error.json_path}: {error.message[:200]}" for error in _validator().iter_errors(read)]
    return found
