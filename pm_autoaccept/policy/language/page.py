"""The reference page of the language, made from the tables that the loader and the evaluator go by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pm_autoaccept.model import Limit
from pm_autoaccept.policy import split_answers
from pm_autoaccept.policy.data.contents import COLUMN_TYPES
from pm_autoaccept.policy.data.sources import REFRESH
from pm_autoaccept.policy.durations import AS_WRITTEN, written_duration
from pm_autoaccept.policy.enumerations import ENERGY_METER_TYPES, WASTE_METER_TYPES
from pm_autoaccept.policy.fields import CUSTOM, FIELDS, VALUE_FORMATS, Field, field_named
from pm_autoaccept.policy.language import words
from pm_autoaccept.policy.limits import DEFAULT_LIMITS
from pm_autoaccept.policy.messages import listed
from pm_autoaccept.policy.notes import MAX_NOTE_CHARACTERS
from pm_autoaccept.policy.operators import OPERATORS, Operator
from pm_autoaccept.policy.parser import source_text
from pm_autoaccept.policy.values import FieldType

_FEW = 8
"""Values of a choice that are told in its row; more have a list of their own."""


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Reference of the policy language"
    yield ""
    yield "<!-- Written by `python -m pm_autoaccept.policy.language`; a test compares it with the program. -->"
    yield ""
    yield "Every name that a policy can hold. How to write one is told in [policies.md](policies.md), data in"
    yield "[data.md](data.md), tests in [policy-tests.md](policy-tests.md)."
    for title, keys in _SECTIONS.items():
        yield from _section(title, ("key", "what it says"), ((f"`{key}`", text) for key, text in keys.items()))
    yield from _section("Fields", ("field", "type", "on", "says who", "what it is"), map(_field, _fields()))
    rows = ((f"`{name}`", form.says) for name, form in VALUE_FORMATS.items())
    yield from _section("What fields can hold", ("field", "each value is"), rows)
    yield from _section("Operators", ("operator", "for", "takes", "true if"), map(_operator, OPERATORS.values()))
    yield from _of_names("What may stand beside an operator", words.MODIFIERS)
    yield from _of_names("Cleanings", words.CLEANINGS)
    yield from _of_names("Filters of a note", words.FILTERS)
    yield from _section("Types", ("type", "is written"), ((f"`{kind}`", how) for kind, how in _TYPES.items()))
    for name, members in _choices():
        yield from _title(f"Values of `{name}`")
        yield ", ".join(f"`{member}`" for member in members) + "."
    yield from _section("Sizes and defaults", ("what", "how much"), _sizes())


_SECTIONS: Mapping[str, Mapping[str, str]] = {
    "A file": words.FILE,
    "A rule": words.RULE,
    "`default`": words.DEFAULT,
    "`expire`": words.EXPIRE,
    "Conditions, beside fields": words.GROUPS,
    "`lookup`": words.LOOKUP,
    "Data": words.DATA,
    "`require`": words.REQUIRE,
    "A case of a test file": words.CASE,
    "`expect`": words.EXPECT,
}

_TYPES: Mapping[FieldType, str] = {
    FieldType.TEXT: "as it is; capitals count unless `fold_case` cleans them",
    FieldType.CHOICE: "as one of its values, spelt like it",
    FieldType.INTEGER: "a whole number, as 1998",
    FieldType.NUMBER: "a number, with an optional sign, $, and commas in groups of three, as '50,000'",
    FieldType.BOOLEAN: "true or false",
    FieldType.DATE: "as 2026-01-31, or today, today - 30d",
    FieldType.MOMENT: "as 2026-01-31T08:00:00-06:00, or now, now - 12h",
    FieldType.DURATION: AS_WRITTEN,
}


def _title(title: str) -> Iterator[str]:
    yield from ("", f"## {title}", "")


def _section(title: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield from _title(title)
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def _of_names(title: str, meanings: Mapping[str, str]) -> Iterator[str]:
    yield from _section(title, ("name", "what it does"), ((f"`{name}`", text) for name, text in meanings.items()))


def _fields() -> Iterator[Field]:
    yield from FIELDS.values()
    yield from (field for prefix in CUSTOM if (field := field_named(f"{prefix}NAME")) is not None)


def _field(field: Field) -> tuple[str, ...]:
    kinds = ", ".join(sorted(field.kinds))
    return (f"`{field.name}`", field.type, kinds, "yes" if field.asks_who else "", words.field_meaning(field.name))


def _operator(operator: Operator) -> tuple[str, ...]:
    types = "all types" if operator.types == set(FieldType) else ", ".join(sorted(operator.types))
    return (f"`{operator.name}`", types, operator.takes, words.OPERATORS[operator.name])


def _choices() -> Iterator[tuple[str, tuple[str, ...]]]:
    """The choices with many values, those that several fields share told once."""
    yield "meter.type` where `meter.category` is `energy", ENERGY_METER_TYPES
    yield "meter.type` where it is `waste", WASTE_METER_TYPES
    told: set[tuple[str, ...]] = set()
    for name, field in FIELDS.items():
        if len(field.members) > _FEW and name != "meter.type" and field.members not in told:
            told.add(field.members)
            sharing = [other for other, each in FIELDS.items() if each.members == field.members]
            yield "` and `".join(sharing), field.members


def _sizes() -> Iterator[tuple[str, str]]:
    yield "a file of a policy", f"{source_text.MAX_FILE_BYTES:,} bytes"
    yield "mappings and lists inside one another", f"{source_text.MAX_NESTING}"
    yield "a note, with the values put in", f"{MAX_NOTE_CHARACTERS:,} characters"
    yield "parts of an answer beside `split`", f"{split_answers.MAX_PARTS}; what has more is unknown"
    yield "`limits`, unless said", ", ".join(map(_limit, DEFAULT_LIMITS))
    yield "`refresh`, unless said", written_duration(REFRESH)
    yield "types of columns", listed(f"`{kind}`" for kind in COLUMN_TYPES)


def _limit(limit: Limit) -> str:
    return f"{limit.action.lower()} {limit.at_most} per {written_duration(limit.period)}"
