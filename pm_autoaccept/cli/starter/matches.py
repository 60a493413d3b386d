"""Chooses the custom fields by which a starter policy matches requests, one rule for each kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pm_autoaccept.model import CustomFieldDefinition, Kind

PROMPTED = {"Once": Kind.CONNECTION, "Property": Kind.PROPERTY, "Meter": Kind.METER}
"""`whenToPrompt` → the kind of request that carries the answer."""
_SAMPLE_CHARACTERS = 8
"""The length of sample values in tests, if the definition allows it."""
_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _./()-]*[A-Za-z0-9._/()-])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A field by which requests are matched, and the list in which its value is looked up.

    Attributes:
        field: its name in conditions on the kind of request that has the answer.
        source: the name of the list.
        clean: how the list's values and the looked-up value are cleaned; "" for not at all.
        listed: a value that is in the list while a test runs.
        other: a value that is not.
        label: its name for people.
    """

    field: str
    source: str
    clean: str
    listed: str
    other: str
    label: str

    @property
    def file(self) -> str:
        """The path of the list."""
        return f"data/{self.source}.txt"

    @property
    def on_shares(self) -> str:
        """The name on shares of a field that is asked at connection."""
        return f"connection.{self.field}" if self.field.startswith("custom.") else self.field


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One rule of the policy: accept requests of a kind if their fields are in their lists.

    Attributes:
        fields: the fields' names on this kind of request, with their questions; empty for meters that follow their
            property.
    """

    kind: Kind
    rule: str
    fields: tuple[tuple[str, Question], ...]

    @property
    def label(self) -> str:
        """The names of the fields, for people."""
        return " and the ".join(question.label for _, question in self.fields)


def choose_matches(definitions: Sequence[CustomFieldDefinition]) -> tuple[Match, ...]:
    """One rule for each kind of request: by the fields that are asked with it, or else by the customer's."""
    asked = {kind: _questions(definitions, kind) for kind in Kind}
    customer = asked[Kind.CONNECTION] or (_USERNAME,)
    own = {kind: tuple((question.field, question) for question in asked[kind]) for kind in Kind}
    return (
        Match(
            kind=Kind.CONNECTION,
            rule="listed-customer",
            fields=tuple((question.field, question) for question in customer),
        ),
        Match(
            kind=Kind.PROPERTY,
            rule="listed-property" if own[Kind.PROPERTY] else "property-of-a-customer",
            fields=own[Kind.PROPERTY] or tuple((question.on_shares, question) for question in customer),
        ),
        Match(
            kind=Kind.METER,
            rule="listed-meter" if own[Kind.METER] else "meter-of-a-property",
            fields=own[Kind.METER],
        ),
    )


def quoted(text: str) -> str:
    """A key or a text, in single quotes if YAML needs them."""
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "''") + "'"


_USERNAME = Question(
    field="account.username",
    source="known_usernames",
    clean="fold_case",
    listed="riverside_props",
    other="somebody_else",
    label="username",
)
"""The question for accounts without custom fields."""


def _questions(definitions: Sequence[CustomFieldDefinition], kind: Kind) -> tuple[Question, ...]:
    """The questions for a kind of request: all required fields, or else the first optional one."""
    there = [each for each in definitions if PROMPTED.get(each.when_to_prompt or "") is kind]
    chosen = [each for each in there if each.required] or there[:1]
    names = [_named(each) for each in definitions]
    return tuple(_question(each, alone=names.count(_named(each)) == 1) for each in chosen)


def _named(definition: CustomFieldDefinition) -> str:
    return re.sub(r"[^a-z0-9]+", "_", definition.name.lower()).strip("_")


def _question(definition: CustomFieldDefinition, *, alone: bool) -> Question:
    least = max(definition.min_chars or 1, 1)
    length = max(least, min(_SAMPLE_CHARACTERS, definition.max_chars or _SAMPLE_CHARACTERS))
    name = _named(definition)
    return Question(
        field=f"custom.{' '.join(definition.name.split())}",
        source=name if alone and name[:1].isalpha() and definition.name.isascii() else f"field_{definition.id}",
        # If only digits can be typed there is nothing to clean.
        clean="" if definition.valid_characters == "Numeric" else "[letters_digits, fold_case]",
        listed=("1234567890" * length)[:length],
        other=("9876543210" * length)[:length],
        label=" ".join(definition.name.split()),
    )
