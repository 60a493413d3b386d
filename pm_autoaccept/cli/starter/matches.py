"""What an account's custom fields let requests be matched by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pm_autoaccept.model import CustomFieldDefinition, Kind

PROMPTED = {"Once": Kind.CONNECTION, "Property": Kind.PROPERTY, "Meter": Kind.METER}
"""`whenToPrompt` → the kind of request that carries the answer."""
_SAMPLE = 8
"""Characters of the values in tests, where the definition allows so many."""
_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _./()-]*[A-Za-z0-9._/()-])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something that a request is matched by: a field, and the list that its value is looked up in.

    Attributes:
        field: its name in conditions on the kind of request that carries the answer.
        source: the name of the list.
        clean: how the list's values, and what is looked up, are cleaned; empty where they are not.
        listed: a value that stands in the list while a test runs.
        other: one that does not.
        says: what it is, for people.
    """

    field: str
    source: str
    clean: str
    listed: str
    other: str
    says: str

    @property
    def file(self) -> str:
        """Where the list stands."""
        return f"data/{self.source}.txt"

    @property
    def on_shares(self) -> str:
        """The field's name on shares, of what is asked at connection."""
        return f"connection.{self.field}" if self.field.startswith("custom.") else self.field


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One rule of the policy: requests of a kind are accepted whose fields are in their lists.

    Attributes:
        fields: the fields' names on this kind of request, with their questions; empty for meters that follow their
            property.
    """

    kind: Kind
    rule: str
    fields: tuple[tuple[str, Question], ...]

    @property
    def says(self) -> str:
        """What must be in the lists, for people."""
        return " and the ".join(question.says for _, question in self.fields)


def matched(definitions: Sequence[CustomFieldDefinition]) -> tuple[Match, ...]:
    """One rule for each kind of request: by what is asked with it, else by what is known of its customer."""
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
    """A key or a text, in single quotes where YAML would take some of it for its own."""
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "''") + "'"


_USERNAME = Question(
    field="account.username",
    source="known_usernames",
    clean="fold_case",
    listed="riverside_props",
    other="somebody_else",
    says="username",
)
"""What customers are matched by where the account asks them for nothing."""


def _questions(definitions: Sequence[CustomFieldDefinition], kind: Kind) -> tuple[Question, ...]:
    """What a request of this kind is matched by: all that must be filled in, else the first that may be."""
    there = [each for each in definitions if PROMPTED.get(each.when_to_prompt or "") is kind]
    chosen = [each for each in there if each.required] or there[:1]
    names = [_named(each) for each in definitions]
    return tuple(_question(each, alone=names.count(_named(each)) == 1) for each in chosen)


def _named(definition: CustomFieldDefinition) -> str:
    return re.sub(r"[^a-z0-9]+", "_", definition.name.lower()).strip("_")


def _question(definition: CustomFieldDefinition, *, alone: bool) -> Question:
    least = max(definition.min_chars or 1, 1)
    length = max(least, min(_SAMPLE, definition.max_chars or _SAMPLE))
    name = _named(definition)
    return Question(
        field=f"custom.{' '.join(definition.name.split())}",
        source=name if alone and name[:1].isalpha() and definition.name.isascii() else f"field_{definition.id}",
        # Where only digits can be typed there is nothing to clean, and no line of text is one of them.
        clean="" if definition.valid_characters == "Numeric" else "[letters_digits, fold_case]",
        listed=("1234567890" * length)[:length],
        other=("9876543210" * length)[:length],
        says=" ".join(definition.name.split()),
    )
