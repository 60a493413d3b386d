"""The language page, word by word: how conditions come out, and which rule decides.

It shares no code with the program. `come_out` is the section *True, false, unknown*; below it is what each test says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

OURS = object()
"""Stands for a value that we could not learn."""

Unknown: TypeAlias = frozenset[str]
"""The names of what could not be learnt."""


@dataclass(frozen=True)
class Not:
    """`not`."""

    part: Any


@dataclass(frozen=True)
class Group:
    """`all` or `any`."""

    word: str
    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Lookup:
    """`lookup`: `by` are the fields for the key columns, in order."""

    source: str
    by: tuple[str, ...]
    where: Any = None


@dataclass(frozen=True)
class Parts:
    """`split`, with `every` or `some`: what each part of the answer, or one, must be."""

    field: str
    separators: tuple[str, ...]
    word: str
    test: Any


@dataclass(frozen=True)
class Test:
    """One operator on one field, or inside `where` on one column; `kind` is what its value is read as."""

    field: str
    operator: str
    literal: Any
    kind: str = "text"
    clean: tuple[str, ...] = ()
    within: str | None = None


@dataclass(frozen=True)
class Source:
    """A table as it stands in our file: `rows` have a text for each key column, then for each declared column."""

    key: tuple[str, ...]
    clean: Mapping[str, tuple[str, ...]]
    columns: Mapping[str, str]
    rows: Any
    """Rows, or OURS where they could not be read."""
    dates: str = "year-month-day"
    """How dates are written, beside 2026-01-31."""


@dataclass(frozen=True)
class Other:
    """What another request says in its custom field A; OURS where that is not known."""

    owner: int
    value: Any
    sure: bool = True


@dataclass(frozen=True)
class World:
    """Field → value, None for their gap, OURS for ours; and what there is beside the request."""

    fields: Mapping[str, Any]
    sources: Mapping[str, Source]
    now: Any
    zone: tzinfo
    others: Any = OURS
    all_seen: bool = True
    owner: int = 1
    split: tuple[str, ...] = ()
    """Where answers are split, while one part of them stands in the place of the whole."""


@dataclass(frozen=True)
class Rule:
    """A rule."""

    id: str
    on: frozenset[str]
    when: Any
    then: str
    enforce: bool = True
    until: date | None = None


def decided(rules: tuple[Rule, ...], default: str, kind: str, world: World) -> tuple[Any, ...]:
    """Verdict, rule, what is unknown; and what rules that are not enforced would have said."""
    shadows = []
    for rule in rules:
        applies = True if rule.until is None else at_most(rule.until, world)
        came = every([come_out(rule.when, world), applies]) if kind in rule.on else False
        if came is False:
            continue
        said = (rule.then, rule.id, frozenset()) if came is True else ("hold", rule.id, came)
        if rule.enforce:
            return (*said, shadows)
        shadows.append((rule.id, said[0], said[2]))
    return default, None, frozenset(), shadows


def come_out(condition: Any, world: World, *, no: bool = False, row: Any = None) -> bool | Unknown:
    """True, false, or the names of what makes it unknown. `no`: it stands under `not`, which is carried inward."""
    if isinstance(condition, Not):
        return come_out(condition.part, world, no=not no, row=row)
    if isinstance(condition, Group):
        parts = [come_out(part, world, no=no, row=row) for part in condition.parts]
        return every(parts) if (condition.word == "all") is not no else some(parts)
    if isinstance(condition, Parts):
        worlds = world_of_each(condition, world)
        if worlds is None or isinstance(worlds, frozenset):
            return worlds or False
        parts = [come_out(condition.test, each, no=no) for each in worlds]
        return every(parts) if (condition.word == "every") is not no else some(parts)
    if isinstance(condition, Lookup):
        found = row_of(condition, world)
        if isinstance(found, dict) and found and condition.where is not None:
            return come_out(condition.where, world, no=no, row=found)
        holds = bool(found) if isinstance(found, dict) else found
    else:
        holds = test(condition, world, row)
    return holds if isinstance(holds, frozenset) else holds is not None and holds is not no


def every(parts: list[bool | Unknown]) -> bool | Unknown:
    """`all` is false if any part is false, else unknown if any is."""
    return False if False in parts else Unknown().union(*(part for part in parts if part is not True)) or True


def some(parts: list[bool | Unknown]) -> bool | Unknown:
    """`any` is true if any part is true, else unknown if any is."""
    return True if True in parts else Unknown().union(*(part for part in parts if part is not False)) or False


def world_of_each(condition: Parts, world: World) -> Any:
    """For each part of the answer the world in which it is the whole answer; None for no part; names for ours."""
    text = name_or(world.fields[condition.field], condition.field, lambda value: value)
    if text is None or isinstance(text, frozenset):
        return text
    parts = parts_of(text, condition.separators)
    if len(parts) > 20:
        return Unknown({condition.field})
    fields = [{**world.fields, condition.field: part} for part in parts]
    return [replace(world, fields=each, split=condition.separators) for each in fields] or None


def parts_of(text: str, separators: tuple[str, ...]) -> list[str]:
    """The folded text, split; what is blank as typed is dropped."""
    text = cleaned(text, ())
    for each in separators:
        text = "\0".join(text.splitlines()) if each == "newline" else text.replace(each, "\0")
    return [part.strip() for part in text.split("\0") if part.strip()]


def row_of(lookup: Lookup, world: World) -> Any:
    """The row as column → text; {} for none; None for their gap; names for ours."""
    source = world.sources[lookup.source]
    parts = [
        name_or(world.fields[name], name, lambda value, column=column, name=name: key_of(value, name, source, column))
        for name, column in zip(lookup.by, source.key, strict=True)
    ]
    if None in parts:
        return None
    if ours := Unknown().union(*(part for part in parts if isinstance(part, frozenset))):
        return ours
    if source.rows is OURS or any(
        garbled(cell, source.clean[column])
        for row in source.rows
        for column, cell in zip(source.key, row, strict=False)
    ):
        return Unknown({lookup.source})
    found = {}
    for row in source.rows:
        cells = dict(zip((*source.key, *source.columns), row, strict=True))
        for column in source.key:
            cells[column] = cleaned(cells[column], source.clean[column])
        if [cells[column] for column in source.key] == parts:
            written = tuple(cell.strip() for cell in cells.values())
            days = {
                name: in_order(cells[name], source.dates) for name, kind in source.columns.items() if kind == "date"
            }
            found[written] = cells | days | {"": lookup.source}
    return Unknown({lookup.source}) if len(found) > 1 else next(iter(found.values()), {})


def key_of(value: Any, name: str, source: Source, column: str) -> Any:
    """A value as a key of this column: None where nothing is left of it, a name where cleaning would garble it."""
    clean = source.clean[column]
    return Unknown({name}) if garbled(as_text(value), clean) else cleaned(as_text(value), clean) or None


def in_order(cell: str, dates: str) -> str:
    """A day that is written in this order as 2026-01-31; whatever else stands there as it is."""
    parts = dict(zip(re.findall("[a-z]+", dates), re.findall("[0-9]+", cell), strict=False))
    if re.sub("[a-z]+", "", dates) != re.sub("[0-9]+", "", cell.strip()) or len(parts.get("year", "")) != len("2026"):
        return cell
    return f"{parts['year']}-{parts['month']:0>2}-{parts['day']:0>2}"


def name_or(value: Any, name: str, ready: Any) -> Any:
    """The value made ready, None for none; the name of what could not be learnt."""
    return Unknown({name}) if value is OURS else value if value is None else ready(value)


def test(asked: Test, world: World, row: Any) -> bool | Unknown | None:  # noqa: PLR0911 - one for each case of the page
    """Whether a test holds; None for their gap, names for ours."""
    if row is not None:
        # A blank or unreadable cell of our own table is our gap.
        value = comparable(row[asked.field], asked, row[""])
        value = Unknown({row[""]}) if value is None else value
    else:
        value = name_or(world.fields[asked.field], asked.field, lambda value: comparable(value, asked, asked.field))
    if asked.operator == "present":
        return value if isinstance(value, frozenset) else (value is not None) is asked.literal
    if asked.operator == "same_as":
        other = name_or(
            world.fields[asked.literal], asked.literal, lambda value: comparable(value, asked, asked.literal)
        )
        if value is None or other is None:
            return None
        ours = [side for side in (value, other) if isinstance(side, frozenset)]
        return Unknown().union(*ours) if ours else same(value, other, asked.within)
    if value is None or isinstance(value, frozenset):
        return value
    if asked.operator == "taken":
        return taken(asked, value, world)
    if asked.operator == "in data":
        found = row_of(Lookup(asked.literal, (asked.field,)), replace(world, fields={asked.field: value}))
        return bool(found) if isinstance(found, dict) else found
    return compare(asked, value, world)


def compare(asked: Test, value: Any, world: World) -> bool | Unknown:
    """The operators that take a literal, or a list of them."""
    literals = asked.literal if isinstance(asked.literal, tuple) else (asked.literal,)
    if asked.operator == "matches":
        return re.fullmatch(asked.literal, value) is not None
    if asked.kind in {"date", "moment"} and literals[0].startswith(("today", "now")):
        if world.now is OURS:
            return Unknown({"now"})
        literals = (moment(literals[0], world),)
    else:
        literals = tuple(comparable(literal, asked) for literal in literals)
    holds = {
        "equals": lambda literal: value == literal,
        "in": lambda literal: value == literal,
        "starts_with": lambda literal: value[: len(literal)] == literal,
        "ends_with": lambda literal: value[-len(literal) :] == literal,
        "contains": lambda literal: literal in value,
        "at_least": lambda literal: value >= literal,
        "at_most": lambda literal: value <= literal,
        "above": lambda literal: value > literal,
        "below": lambda literal: value < literal,
    }[asked.operator]
    return any(map(holds, literals))


def same(value: Any, other: Any, within: str | None) -> bool:
    """`same_as`, with an allowed difference."""
    return value == other if within is None else abs(Fraction(value) - Fraction(other)) <= Fraction(within)


def taken(asked: Test, value: Any, world: World) -> bool | Unknown:
    """The same value stands in this field of another owner."""
    if world.others is OURS:
        return Unknown({asked.field})
    # They say nothing in any other field.
    others = [each for each in world.others if each.owner != world.owner and asked.field.endswith("custom.A")]
    each = [(other, [] if other.value is OURS else parts_of(other.value, world.split)) for other in others]
    many = [other for other, parts in each if world.split and len(parts) > 20]
    unread = [
        other
        for other, parts in each
        if other.value is OURS or other in many or any(garbled(part, asked.clean) for part in parts)
    ]
    said = [
        other
        for other, parts in each
        if other not in many
        and any(not garbled(part, asked.clean) and cleaned(part, asked.clean) == value for part in parts)
    ]
    if any(other.sure for other in said):
        return asked.literal
    if said or not world.all_seen or unread:
        return Unknown({asked.field})
    return not asked.literal


def at_most(day: date, world: World) -> bool | Unknown:
    """`until`: that day included."""
    return Unknown({"now"}) if world.now is OURS else world.now.astimezone(world.zone).date() <= day


def moment(written: str, world: World) -> date:
    """`today`, `today - 30d`, `now`, `now + 12h`."""
    word, sign, distance = (*written.split(), "+", "0d")[:3]
    length = timedelta(**{{"d": "days", "h": "hours"}[distance[-1]]: int(distance[:-1])})
    far = length if sign == "+" else -length
    if word == "now":
        return world.now.astimezone(UTC) + far
    return world.now.astimezone(world.zone).date() + far


def comparable(value: Any, asked: Test, name: str = "") -> Any:  # noqa: PLR0911 - one for each type
    """The value as it is compared; None where nothing is left of it, or it cannot be read so; a name: see `garbled`."""
    if not isinstance(value, str):
        return value
    text = cleaned(value, ())
    if asked.kind in {"number", "integer"}:
        number = re.fullmatch(r"([+-]?)\$?([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(\.[0-9]+)?", text)
        return Decimal(number[1] + number[2].replace(",", "") + (number[3] or "")) if number else None
    if asked.kind == "date":
        try:
            return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
        except ValueError:
            return None
    if asked.kind == "boolean":
        return {"true": True, "false": False}.get(text)
    if asked.kind == "moment":
        return datetime.fromisoformat(text)
    if asked.kind == "duration":
        return timedelta(**{{"d": "days", "h": "hours"}[text[-1]]: int(text[:-1])})
    return Unknown({name}) if garbled(value, asked.clean) else cleaned(value, asked.clean) or None


def as_text(value: Any) -> str:
    """A value as a key of a table."""
    return str(value)


def garbled(text: str, clean: tuple[str, ...]) -> bool:
    """It is, as a whole, one number with a decimal part or an exponent, and cleaning drops its point or letter."""
    number = re.fullmatch(r"[$]?[0-9][0-9,]*([.][0-9]+)?(E[0-9]+)?", cleaned(text, ()))
    if number is None or not (number[1] or number[2]):
        return False
    before = number[0]
    for count, name in enumerate(clean, 1):
        after = cleaned(text, clean[:count])
        if name != "points" and any(before.lower().count(mark) > after.lower().count(mark) for mark in ".,e"):
            return True
        before = after
    return False


def cleaned(text: str, clean: tuple[str, ...]) -> str:
    """Outer blanks trimmed, NFKC, one dash; then each cleaning in order."""
    text = unicodedata.normalize("NFKC", text)
    text = re.sub("[\N{MINUS SIGN}\N{EN DASH}\N{EM DASH}\N{HYPHEN}]", "-", text).strip()
    for name, _, count in (each.partition(" ") for each in clean):
        text = {
            "points": lambda text: re.sub("[.,]", "", text),
            "digits": lambda text: re.sub("[^0-9]", "", text),
            "letters_digits": lambda text: "".join(each for each in text if each.isalpha() or each.isdigit()),
            "no_spaces": lambda text: re.sub(r"\s", "", text),
            "no_leading_zeros": lambda text: re.sub("^0+", "", text),
            "fold_case": str.casefold,
            "first": lambda text, count=count: text[: int(count)],
            "last": lambda text, count=count: text[-int(count) :],
            "zero_fill": lambda text, count=count: text and "0" * (int(count) - len(text)) + text,
        }[name](text).strip()
    return text
